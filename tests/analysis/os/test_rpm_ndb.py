import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.support import ndb

from rafsight.analysis.extractor import MalformedFile, Skipped
from rafsight.analysis.os.rpm_ndb import read_blobs

BLOBS = [b"a" * 100, b"", b"b" * 5000, b"\0" * 13]
SMALL = ndb([b"x" * 20, b"y" * 40])


def test_reads_what_was_written():
    assert list(read_blobs(ndb(BLOBS))) == BLOBS


def test_more_slots_than_one_page_has():
    blobs = [b"%d" % number for number in range(700)]
    assert list(read_blobs(ndb(blobs))) == blobs


def test_a_damaged_blob_is_skipped():
    content = bytearray(ndb(BLOBS))
    content[4096:4100] = b"nope"
    found = list(read_blobs(bytes(content)))
    assert isinstance(found[0], Skipped)
    assert found[1:] == BLOBS[1:]


def test_a_length_beyond_its_blocks_is_skipped():
    content = bytearray(ndb([b"x" * 20]))
    size = len(content)
    content[4096 + 12 : 4096 + 16] = content[size - 8 : size - 4] = struct.pack("<I", 1000)
    (found,) = read_blobs(bytes(content))
    assert isinstance(found, Skipped)


def test_two_slots_cannot_share_a_blob():
    content = bytearray(SMALL)
    content[48:64] = content[32:48]
    with pytest.raises(MalformedFile, match="two slots"):
        list(read_blobs(bytes(content)))


@pytest.mark.parametrize(
    "content", [b"", b"RpmP", SMALL[:31], SMALL[:100], SMALL[:4] + struct.pack("<I", 9) + SMALL[8:]]
)
def test_no_database_is_malformed(content):
    with pytest.raises(MalformedFile):
        list(read_blobs(content))


@given(
    position=st.integers(0, 80) | st.integers(4096, len(SMALL) - 1),
    byte=st.integers(0, 255),
    cut=st.integers(0, len(SMALL)),
)
def test_any_damage_is_skipped_or_malformed(position, byte, cut):
    content = bytearray(SMALL)
    content[position] = byte
    for damaged in (bytes(content), bytes(content[:cut])):
        try:
            found = list(read_blobs(damaged))
        except MalformedFile:
            continue
        assert len(found) <= 254
        assert all(isinstance(blob, Skipped) or len(blob) <= len(SMALL) for blob in found)
