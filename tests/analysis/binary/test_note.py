import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.analysis.binary.programs import note

from rafsight.analysis.binary.note import parse_note
from rafsight.analysis.extractor import MalformedFile

TEXT = b'{"type":"rpm","name":"coreutils","version":"9.1-8.fc37","architecture":"x86_64","osCpe":"cpe:/o:f:f:37"}'


def read(content, order="<"):
    return [(item.ecosystem, item.name, item.version, item.arch) for item in parse_note(content, order)]


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_note(order):
    assert read(note(TEXT, order=order), order) == [("generic", "coreutils", "9.1-8.fc37", "x86_64")]


def test_other_notes_beside_it():
    others = note(b"odd", kind=3, owner=b"GNU\0") + note(TEXT, owner=b"XYZ\0") + note(b"", kind=1, owner=b"")
    assert read(others + note(TEXT) + others + b"\0\0") == [("generic", "coreutils", "9.1-8.fc37", "x86_64")]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (note(TEXT)[:-8], "ends beyond its section"),
        (note(b"[]"), "names no package"),
        (note(b'{"name":"a","version":1}'), "names no package"),
        (note(b'{"name":"\xff"}'), "names no package"),
        (note(b"[" * 50_000), "names no package"),
        (note(b'{"name":"a"}'), "without a name or a version"),
        (note(b'{"name":"a","version":"%s"}' % (b"1" * 2000)), "without a name or a version"),
    ],
)
def test_damaged_notes(content, what):
    with pytest.raises(MalformedFile, match=what):
        read(content)


@given(some.binary(max_size=100) | some.lists(some.binary(max_size=20).map(note), max_size=4).map(b"".join))
def test_any_content_is_read_or_malformed(content):
    try:
        read(content)
    except MalformedFile:
        return
