import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.analysis.binary.programs import crates, elf

from rafsight.analysis.binary import rust
from rafsight.analysis.binary.elf import ELF
from rafsight.analysis.extractor import FileView, MalformedFile, Skipped


def parse(content):
    return list(rust.parse_crates(content, ".dep-v0"))


@pytest.mark.parametrize("section", rust.SECTIONS)
def test_crates_of_the_program(section):
    packages = [
        {"name": "app", "version": "0.1.0", "source": "local", "root": True, "dependencies": [1, 2]},
        {"name": "serde", "version": "1.0.1", "source": "crates.io", "dependencies": []},
        {"name": "cc", "version": "1.0.0", "source": "crates.io", "kind": "build"},
    ]
    program = elf({section: crates(packages)})
    found = list(ELF.extract(FileView(path=b"a", size=len(program), runs=((0, program),))))
    assert [(item.ecosystem, item.name, item.version) for item in found] == [
        ("cargo", "app", "0.1.0"),
        ("cargo", "serde", "1.0.1"),
    ]


def test_a_crate_without_a_version_is_said():
    found = parse(crates([{"name": "a", "version": ""}, {"name": "b" * 2000, "version": "1"}]))
    assert found == [Skipped(what="a crate without a name or a version")] * 2


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no list of packages"),
        (b"not compressed", "does not decompress"),
        (zlib.compress(b"[]"), "no list of packages"),
        (zlib.compress(b'{"packages":[{"name":1,"version":"1"}]}'), "no list of packages"),
        (zlib.compress(b'{"packages":[{"name":"\xff","version":"1"}]}'), "no list of packages"),
        (zlib.compress(b"[" * 100_000), "no list of packages"),
        (zlib.compress(b'{"packages":' + b"[" * 100_000), "no list of packages"),
        (zlib.compress(b'{"x":' + b'{"x":' * 100_000), "no list of packages"),
        (crates([{"name": "a", "version": "1"}])[:-9], "no list of packages"),
    ],
)
def test_damaged_lists(content, what):
    with pytest.raises(MalformedFile, match=what):
        parse(content)


def test_a_bomb_is_refused():
    bomb = zlib.compress(b" " * (40 << 20), 9)
    assert len(bomb) < 50_000
    with pytest.raises(MalformedFile, match="a list of more than 16777216 bytes"):
        parse(bomb)


@given(some.binary(max_size=200), some.booleans())
def test_any_content_is_read_or_malformed(noise, is_compressed):
    try:
        parse(zlib.compress(noise) if is_compressed else noise)
    except MalformedFile:
        return


@given(
    some.recursive(
        some.none() | some.text(max_size=5) | some.integers(),
        lambda inner: (
            some.lists(inner) | some.dictionaries(some.sampled_from(["packages", "name", "version", "kind"]), inner)
        ),
    )
)
def test_any_json_is_read_or_malformed(value):
    try:
        found = parse(zlib.compress(json.dumps(value).encode()))
    except MalformedFile:
        return
    assert all(isinstance(item, Skipped) or item.name for item in found)
