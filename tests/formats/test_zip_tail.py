import io
import struct
import time
import tracemalloc
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.formats.zips import Lie, deflate, make_zip

from rafsight.formats.tables import MalformedImage
from rafsight.formats.zip_tail import (
    DIRECTORY_SIZE,
    FIRST_TAIL,
    LOCAL_SLACK,
    Range,
    ZipDirectory,
    find_content,
    find_directory,
    member_range,
    overlapping,
    read_directory,
    read_head,
    read_member,
)

MEMBERS = {"a/one.txt": b"first " * 100, "two.class": bytes(range(256)) * 9, "empty": b"", "ü": b"utf-8"}
CASES = {
    "deflated": make_zip(MEMBERS),
    "stored": make_zip(MEMBERS, stored=True),
    "a prefix": make_zip(MEMBERS, prefix=b"#!/bin/sh\nexec java -jar $0\n"),
    "a comment": make_zip(MEMBERS, comment=b"PK\x05\x06 is no end record" * 9),
    "a long comment": make_zip(MEMBERS, comment=b"c" * 0xFFFF),
    "zip64": make_zip(MEMBERS, zip64=True),
    "zip64 behind a prefix": make_zip(MEMBERS, zip64=True, prefix=b"x" * 5000, comment=b"y" * 30_000),
    "long local extra fields": make_zip(MEMBERS, local_extra=struct.pack("<HH", 0xCAFE, 3000) + bytes(3000)),
    "something behind it": make_zip(MEMBERS) + b"signature",
}


class Fetcher:
    """A file of which only what was asked for can be read."""

    def __init__(self, content):
        self.content = content
        self.known = []

    def read(self, offset, size):
        end = min(offset + size, len(self.content))
        if end <= offset:
            return b""
        if any(start <= offset and end <= start + length for start, length in self.known):
            return self.content[offset:end]
        return None

    def ask(self, question, *args):
        """Ask until there is an answer, fetching what is said to be missing."""
        for _ in range(8):
            answer = question(self.read, *args)
            if not isinstance(answer, Range):
                return answer
            assert answer not in self.known, "asked for what is there"
            self.known.append(answer)
        raise AssertionError("asked too often")


def contents(archive, limit=1 << 20):
    file = Fetcher(archive)
    directory = file.ask(find_directory, len(archive))
    if directory is None:
        return None
    raw = archive[directory.offset : directory.offset + directory.size]
    return {entry.name: file.ask(read_member, entry, limit) for entry in read_directory(raw, directory)}


@pytest.mark.parametrize("archive", CASES.values(), ids=list(CASES))
def test_reads_every_form(archive):
    assert contents(archive) == {name.encode(): content for name, content in MEMBERS.items()}


@pytest.mark.parametrize("name", ["deflated", "stored", "a prefix", "a long comment", "zip64"])
def test_the_forms_are_real(name):
    with zipfile.ZipFile(io.BytesIO(CASES[name])) as other:
        assert [other.read(info) for info in other.infolist()] == list(MEMBERS.values())


def test_reads_what_zipfile_writes():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(70_000 // 350):
            archive.writestr(f"m{number}", b"%d" % number)
        archive.writestr(zipfile.ZipInfo("plain"), b"stored")
    found = contents(out.getvalue())
    assert len(found) == 201
    assert found[b"m7"] == b"7"
    assert found[b"plain"] == b"stored"


def test_only_the_wanted_bytes_are_read():
    archive = make_zip({f"{number}.class": bytes(1000) for number in range(3000)} | {"want": b"x" * 50}, stored=True)
    file = Fetcher(archive)
    directory = file.ask(find_directory, len(archive))
    raw = archive[directory.offset : directory.offset + directory.size]
    (entry,) = read_directory(raw, directory, lambda name: name == b"want")
    assert file.ask(read_member, entry, 100) == b"x" * 50
    assert file.known == [
        (len(archive) - FIRST_TAIL, FIRST_TAIL),
        (entry.header_offset, 30 + len("want") + LOCAL_SLACK + 50),
    ]
    assert member_range(entry) == file.known[1]
    assert file.ask(find_content, entry) == entry.header_offset + 34


def test_the_head_of_a_large_member():
    text = b"".join(b"line %d\n" % number for number in range(100_000))
    for stored in (True, False):
        archive = make_zip({"large": text}, stored=stored)
        file = Fetcher(archive)
        directory = file.ask(find_directory, len(archive))
        (entry,) = read_directory(archive[directory.offset : directory.offset + directory.size], directory)
        head = file.ask(read_head, entry, 4096)
        assert len(head) == 4096
        assert text.startswith(head)
        assert sum(size for _, size in file.known) < FIRST_TAIL + 5000


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive", bytes(100_000), b"PK\x05\x06" + bytes(10)])
def test_what_is_no_archive(content):
    assert Fetcher(content).ask(find_directory, len(content)) is None


BOMB = deflate(bytes(50_000_000))
LIES = {
    "larger than it says": Lie(size=10),
    "smaller than it says": Lie(size=4000),
    "larger than is read": Lie(size=1 << 30),
    "another check sum": Lie(crc=1),
    "encrypted": Lie(flags=1),
    "a method of others": Lie(method=12),
    "stored, but of two sizes": Lie(method=0),
    "not deflated": Lie(method=8, compressed_size=3),
    "nothing where it should be": Lie(header_offset=7),
    "over the end of the file": Lie(compressed_size=900_000),
    "behind the end of the file": Lie(header_offset=0x7FFFFFFF),
    "zip64 without a field": Lie(header_offset=0xFFFFFFFF),
    "zip64 with half a field": Lie(header_offset=0xFFFFFFFF, extra=struct.pack("<HHI", 1, 4, 0)),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=list(LIES))
def test_members_that_lie(lie):
    with pytest.raises(MalformedImage):
        contents(make_zip({"liar": b"the truth " * 100, "other": b"x"}, lies={"liar": lie}))


def test_a_bomb_is_not_inflated():
    bomb = make_zip({"bomb": bytes(50_000_000)}, lies={"bomb": Lie(size=1000)})
    tracemalloc.start()
    try:
        with pytest.raises(MalformedImage):
            contents(bomb)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def ends(archive, **fields):
    """Replace fields of the end record."""
    names = ("disk", "first_disk", "here", "count", "size", "offset")
    values = dict(zip(names, struct.unpack_from("<HHHHII", archive, len(archive) - 18), strict=True)) | fields
    return archive[:-18] + struct.pack("<HHHHII", *(values[name] for name in names)) + archive[-2:]


@pytest.mark.parametrize(
    "fields",
    [{"disk": 1}, {"first_disk": 1}, {"offset": 0x7FFFFFFF}, {"size": 0x7FFFFFFF}, {"size": 10}, {"offset": 3}],
    ids=str,
)
def test_ends_that_lie(fields):
    with pytest.raises(MalformedImage):
        contents(ends(CASES["deflated"], **fields))


def test_a_directory_too_large():
    archive = CASES["deflated"]
    padded = bytes(DIRECTORY_SIZE + 1) + archive
    size = struct.unpack_from("<I", archive, len(archive) - 10)[0]
    with pytest.raises(MalformedImage, match="more than"):
        contents(ends(padded, size=size + DIRECTORY_SIZE + 1, offset=0))


def test_zip64_is_not_believed():
    archive = bytearray(CASES["zip64"])
    locator = archive.rindex(b"PK\x06\x07")
    record = archive.rindex(b"PK\x06\x06")
    archive[record] = 0
    with pytest.raises(MalformedImage, match="locator"):
        contents(bytes(archive))
    archive[locator] = 0
    with pytest.raises(MalformedImage):
        contents(bytes(archive))


def test_what_was_read_before_the_damage_counts():
    archive = CASES["deflated"]
    directory = Fetcher(archive).ask(find_directory, len(archive))
    raw = archive[directory.offset : directory.offset + directory.size]
    second = raw.index(b"PK", 4)
    for damaged in (raw[: second + 20], raw[: second + 50], raw[:second] + b"what" + raw[second + 4 :]):
        entries = read_directory(damaged, directory)
        assert next(entries).name == b"a/one.txt"
        with pytest.raises(MalformedImage, match=r"entry \(at byte"):
            next(entries)


def test_overlapping_members():
    members = {name: bytes(200) for name in "abcd"}
    archive = make_zip(
        members, stored=True, lies={"b": Lie(header_offset=0), "d": Lie(compressed_size=9000, size=9000)}
    )
    directory = Fetcher(archive).ask(find_directory, len(archive))
    entries = list(read_directory(archive[directory.offset :][: directory.size], directory))
    assert [entry.name for entry in entries] == [b"a", b"b", b"c", b"d"]
    assert overlapping(entries, directory) == {1, 3}
    assert overlapping(entries[::2], directory) == frozenset()


def test_a_directory_of_hundreds_of_thousands_is_read_in_a_moment():
    entry = b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHHII", *[0] * 9, 1, *[0] * 6) + b"n"
    raw = entry * (4 << 20 >> 6)
    directory = ZipDirectory(base=0, offset=0, size=len(raw))
    started = time.process_time()
    assert list(read_directory(raw, directory, lambda name: name == b"x")) == []
    assert time.process_time() - started < 3  # an eighth of the largest directory


@given(
    archive=st.sampled_from(list(CASES.values())),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=6),
    cut=st.floats(0, 1),
    at_end=st.booleans(),
)
def test_damage_is_always_a_fault(archive, edits, cut, at_end):
    damaged = bytearray(archive)
    for place, value in edits:
        # Most of what counts stands in the last two hundred bytes.
        span = min(200, len(damaged)) if at_end else len(damaged)
        start = len(damaged) - span + int(place * span)
        damaged[start : start + len(value)] = value
    damaged = bytes(damaged[: int(len(damaged) * cut)] if cut > 0.5 else damaged)
    try:
        found = contents(damaged, 10_000)
    except MalformedImage:
        return
    assert found is None or all(len(content) <= 10_000 for content in found.values())
