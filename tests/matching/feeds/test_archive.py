import io
import struct
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.matching.feeds.archive import MEMBER_SIZE, DamagedArchive, read_members


def make(members, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def read(content):
    return list(read_members(io.BytesIO(content), "all.zip"))


def test_reads_the_json_members():
    members = read(make([("a.json", b"{}"), ("notes.txt", b"x"), ("b.json", b"[1]")]))
    assert [(member.name, member.content, member.problem) for member in members] == [
        ("a.json", b"{}", ""),
        ("b.json", b"[1]", ""),
    ]


def test_a_member_that_is_too_large_is_its_own_problem():
    members = read(make([("big.json", b"x" * (MEMBER_SIZE + 1)), ("a.json", b"{}")], zipfile.ZIP_STORED))
    assert [(member.content, member.problem) for member in members] == [(b"", "it is too large"), (b"{}", "")]


def test_a_bomb_is_not_unpacked():
    (member,) = read(make([("bomb.json", b"0" * (8 * 1024 * 1024))]))
    assert member.content == b""
    assert "tighter" in member.problem


def test_a_member_that_lies_about_its_size_ends_the_archive():
    content = bytearray(make([("a.json", b"x" * 5000)]))
    central = content.rindex(b"PK\x01\x02")
    struct.pack_into("<I", content, central + 24, 10)
    with pytest.raises(DamagedArchive):
        read(bytes(content))


def test_a_directory_larger_than_any_is_not_parsed():
    content = bytearray(make([("a.json", b"{}")]))
    end = content.rindex(b"PK\x05\x06")
    struct.pack_into("<I", content, end + 12, 0x7FFFFFFF)
    with pytest.raises(DamagedArchive, match="directory"):
        read(bytes(content))


def test_a_broken_stream_is_the_fault_of_the_archive():
    content = bytearray(make([("a.json", bytes(range(256)) * 64)]))
    content[60] ^= 0xFF
    with pytest.raises(DamagedArchive):
        read(bytes(content))


@pytest.mark.parametrize("content", [b"", b"PK", b"<html>not found</html>" * 100, make([("a.json", b"{}")])[:-10]])
def test_what_is_no_zip_is_refused(content):
    with pytest.raises(DamagedArchive, match=r"all\.zip"):
        read(content)


WHOLE = make([("a.json", b'{"id": 1}' * 50), ("b.json", b"{}")])


@given(place=st.integers(0, len(WHOLE) - 1), value=st.integers(0, 255), end=st.integers(0, len(WHOLE)))
@settings(deadline=None, max_examples=400)
def test_damage_is_always_a_damaged_archive(place, value, end):
    content = bytearray(WHOLE)
    content[place] = value
    for damaged in (bytes(content), WHOLE[:end]):
        with suppress(DamagedArchive):
            read(damaged)


def test_a_member_packed_by_another_method_is_its_own_problem():
    members = read(make([("a.json", b"{}")], zipfile.ZIP_LZMA))
    assert [member.content for member in members] == [b""]
    assert "no database uses" in members[0].problem
