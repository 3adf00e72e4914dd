import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.support import extract, run

from rafsight.analysis.extractor import MalformedFile, Skipped
from rafsight.analysis.inventory import Component, Inventory
from rafsight.analysis.lang.node import NODE

NOTHING = Inventory(distribution=None, components=(), gaps=())


def package(**members):
    return json.dumps(members).encode()


def test_a_package():
    (found,) = extract(NODE, package(name="@babel/core", version="7.0.0", license="MIT", dependencies={"x": "^1"}))
    assert isinstance(found, Component)
    assert (found.name, found.version, found.licenses) == ("@babel/core", "7.0.0", ("MIT",))


@pytest.mark.parametrize(
    "content",
    [
        package(type="module"),
        package(name="x"),
        package(version="1"),
        package(name="", version="1"),
        package(name=["x"], version="1"),
        package(name="x", version=1),
        package(name=" ", version="1"),
        package(name="a\x01b"),
        package(name="a\x01b", version=""),
        b"[1]",
        b"null",
        b'"text"',
        b"[" * 100_000,
    ],
)
def test_what_is_no_package_is_no_fault(content):
    assert extract(NODE, content) == []


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("lo\x1bdash", "4.17.20"),
        ("lodash\x00", "4.17.20"),
        ("lo\u200bdash", "4.17.20"),
        ("x" * 100_000, "1"),
        ("x", "1" * 100_000),
    ],
)
def test_what_nobody_can_see_is_a_gap(name, version):
    (found,) = extract(NODE, package(name=name, version=version))
    assert isinstance(found, Skipped)
    assert found.what.isprintable()
    assert len(found.what) < 200
    inventory = run({b"node_modules/x/package.json": package(name=name, version=version)})
    assert inventory.components == ()
    assert found.what in [gap.detail for gap in inventory.gaps]


@pytest.mark.parametrize(
    ("members", "licences"),
    [
        ({"license": {"type": "BSD", "url": "x"}}, ("BSD",)),
        ({"licenses": [{"type": "MIT"}, {"type": "GPL"}, 7]}, ("MIT", "GPL")),
        ({"licenses": "MIT"}, ("MIT",)),
        ({"license": ["MIT", "ISC"]}, ("MIT", "ISC")),
        ({"license": "ISC", "licenses": [{"type": "MIT"}]}, ("ISC",)),
        ({"license": 5, "licenses": {}}, ()),
    ],
)
def test_licences(members, licences):
    (found,) = extract(NODE, package(name="x", version="1", **members))
    assert isinstance(found, Component)
    assert found.licenses == licences


def test_marks_and_foreign_bytes():
    for content in (
        b'\xef\xbb\xbf{"name":"x","version":"1"}',
        b'{"author":"Andr\xe9","name":"x","version":"1","license":"\xff"}',
    ):
        (found,) = extract(NODE, content)
        assert isinstance(found, Component)
        assert (found.name, found.version) == ("x", "1")


def test_a_lone_surrogate_cannot_leave():
    (found,) = extract(NODE, b'{"name":"x","version":"1\\ud800"}')
    assert isinstance(found, Component)
    assert found.version.encode() == b"1?"


@pytest.mark.parametrize("content", [b"", b"{", b'{"name":"x"', b'{"a":' * 100_000, b"{'name': 'x'}"])
def test_no_json_is_malformed(content):
    with pytest.raises(MalformedFile):
        extract(NODE, content)


@pytest.mark.parametrize(
    ("path", "chosen"),
    [
        (b"app/package.json", True),
        (b"app/test/package.json", True),
        (b"app/node_modules/x/package.json", True),
        (b"app/node_modules/test/package.json", True),
        (b"app/node_modules/@test/fixtures/package.json", True),
        (b"app/node_modules/x/dist/esm/package.json", True),
        (b"app/node_modules/x/test/node_modules/y/package.json", True),
        (b"app/node_modules/x/test/package.json", False),
        (b"app/node_modules/resolve/test/resolver/malformed_package_json/package.json", False),
        (b"app/node_modules/@a/b/lib/fixtures/c/package.json", False),
    ],
)
def test_tests_of_packages_are_left_out(path, chosen):
    assert list(NODE.choose([path], NOTHING)) == [path] * chosen


def test_the_same_package_in_two_places_is_one_component():
    content = package(name="x", version="1")
    (found,) = run({b"b/node_modules/x/package.json": content, b"a/node_modules/x/package.json": content}).components
    assert found.locations == (b"a/node_modules/x/package.json", b"b/node_modules/x/package.json")
    assert found.purl == "pkg:npm/x@1"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "name", "license"]), inner),
    max_leaves=8,
)


@given(
    content=st.fixed_dictionaries({}, optional=dict.fromkeys(("name", "version", "license", "licenses"), JSON)).map(
        lambda value: json.dumps(value).encode()
    )
    | st.binary(max_size=100),
    cut=st.integers(0, 200),
)
def test_any_content_is_read_or_malformed(content, cut):
    for damaged in (content, content[:cut]):
        try:
            found = extract(NODE, damaged)
        except MalformedFile:
            continue
        for item in found:
            if isinstance(item, Skipped):
                item.what.encode()
                continue
            assert isinstance(item, Component)
            "".join((item.name, item.version, *item.licenses)).encode()


@pytest.mark.parametrize("name", ["My Application", "{{name}}", "a/b", "@a", "@a/b/c", "../x", "x" * 215])
def test_what_npm_would_not_take_is_no_package(name):
    assert extract(NODE, package(name=name, version="1")) == []
