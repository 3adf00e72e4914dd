import importlib.metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.support import Tree, extract, run

from rafsight.analysis.extractor import FileView, MalformedFile, ReadMore
from rafsight.analysis.inventory import Component
from rafsight.analysis.lang.python import PYTHON

SAMPLE = b"""Metadata-Version: 2.1
Name: Flask
Version: 0.12.2
license: BSD
Classifier: License :: OSI Approved :: BSD License
Requires-Dist: click (>=2.0)
Name: again
a line that is no field
Description-Content-Type: text/x-rst

Name: not-this
"""


def component(content):
    (found,) = extract(PYTHON, content)
    assert isinstance(found, Component)
    return found


def test_headers():
    found = component(SAMPLE)
    assert (found.name, found.version, found.licenses) == ("Flask", "0.12.2", ("BSD",))


@pytest.mark.parametrize(
    ("fields", "licences"),
    [
        (b"License: BSD\nLicense-Expression: MIT OR Apache-2.0\n", ("MIT OR Apache-2.0",)),
        (b"License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n", ("MIT License",)),
        (b"License: Copyright me\n        All rights\nClassifier: License :: Public Domain\n", ("Public Domain",)),
        (b"Classifier: License :: OSI Approved\nClassifier: Topic :: Text\n", ()),
        (b"License: " + b"long " * 40 + b"\n", ()),
    ],
)
def test_licences(fields, licences):
    assert component(b"Name: x\nVersion: 1\n" + fields + b"\n").licenses == licences


def test_lines_may_end_as_on_windows():
    found = component(b"Name: x\r\nVersion: 1\r\n\r\nVersion: 2\r\n")
    assert (found.name, found.version) == ("x", "1")


@pytest.mark.parametrize(
    "content", [b"", b"Name: x\n\nVersion: 1\n", b"Version: 1\n", b"Name: " + b"x" * 2000 + b"\nVersion: 1"]
)
def test_no_name_or_no_version_is_malformed(content):
    with pytest.raises(MalformedFile):
        extract(PYTHON, content)


def test_only_the_head_is_read():
    path = b"usr/lib/python3/x.dist-info/METADATA"
    tree = Tree({path: SAMPLE + b"long description " * 10_000})
    assert [item.name for item in run(tree).components] == ["Flask"]
    assert tree.reads == [(path, ((0, 16384),))]


def test_headers_that_go_on_are_read_on():
    path = b"x.egg-info/PKG-INFO"
    content = b"Name: x\nDescription: y\n" + b"        text\n" * 3000 + b"Version: 1.2.3\n\n" + b"z" * 2_000_000
    tree = Tree({path: content})
    inventory = run(tree)
    assert [(item.name, item.version) for item in inventory.components] == [("x", "1.2.3")]
    assert tree.reads == [(path, ((0, 16384),)), (path, ((16384, (1 << 20) - 16384),))]


def test_a_value_is_never_read_in_part():
    content = b"Name: x\nVersion: 1.2.3\n"
    view = FileView(path=b"x", size=len(content), runs=((0, content[:-3]),))
    assert list(PYTHON.extract(view)) == [ReadMore(ranges=((len(content) - 3, 3),))]


def test_headers_without_end_are_bounded():
    endless = b"Name: x\nVersion: 1\n" + b"X: y\n" * 400_000
    (found,) = run({b"x.egg-info": endless}).components
    assert (found.name, found.version) == ("x", "1")


def test_as_importlib_says():
    seen = 0
    for distribution in importlib.metadata.distributions():
        text = distribution.read_text("METADATA")
        if text is not None:
            found = component(text.encode())
            assert (found.name, found.version) == (distribution.metadata["Name"], distribution.version)
            expressions = distribution.metadata.get_all("License-Expression") or []
            assert not expressions or found.licenses == tuple(expressions)
            seen += 1
    assert seen > 10


def test_all_places():
    files = {
        b"a/one.dist-info/METADATA": b"Name: one\nVersion: 1\n",
        b"a/two.egg-info/PKG-INFO": b"Name: two\nVersion: 1\n",
        b"a/three.egg-info": b"Name: three\nVersion: 1\n",
        b"a/four.egg/EGG-INFO/PKG-INFO": b"Name: four\nVersion: 1\n",
        b"a/five.egg-info/METADATA": b"Name: five\nVersion: 1\n",
        b"a/METADATA": b"Name: no\nVersion: 1\n",
    }
    assert {item.name for item in run(files).components} == {"one", "two", "three", "four", "five"}


@given(
    content=st.lists(
        st.sampled_from([*SAMPLE.splitlines(keepends=True), b"\n", b" x\n", b"\xff:\n", b"License:\n"]), max_size=30
    ).map(b"".join)
    | st.binary(max_size=300),
    more=st.integers(0, 50),
)
def test_any_content_is_read_or_malformed(content, more):
    file = FileView(path=b"x", size=len(content) + more, runs=((0, content),) if content else ())
    try:
        (found,) = PYTHON.extract(file)
    except MalformedFile:
        return
    assert isinstance(found, Component | ReadMore)
    if isinstance(found, Component):
        assert found.name
        found.name.encode()
