import hashlib
import struct

import pytest
import zstandard
from tests.formats.rafs import images

from rafsight.base.limits import Limits
from rafsight.formats.rafs import toc
from rafsight.formats.rafs.faults import NotABootstrap, UnsupportedImage
from rafsight.formats.tables import Compressor, MalformedImage


def tar_header(name: bytes, size: int) -> bytes:
    head = name.ljust(100, b"\0") + bytes(24) + b"%011o\0" % size + b"0" * 11 + b"\0"
    rest = b"0".ljust(101, b"\0") + b"ustar  \0" + bytes(247)
    return head + b"%07o\0" % (sum(head) + sum(rest) + 8 * 32) + rest


def entry(name: bytes, offset: int, stored: bytes, content: bytes, flags: int) -> bytes:
    digest = hashlib.sha256(content).digest()
    return struct.pack("<II16s32sQQQ48x", flags, 0, name, digest, offset, len(stored), len(content))


def blob(content: bytes, *, pack=lambda data: data, flags=1, name=b"image.boot", **changes) -> bytes:
    stored = pack(content)
    row = bytearray(entry(name, 4, stored, content, flags))
    for offset, value in changes.values():
        row[offset : offset + len(value)] = value
    return b"data" + stored + tar_header(b"image.boot", len(stored)) + bytes(row) + tar_header(b"rafs.blob.toc", 128)


def extract(content: bytes, limits: Limits = images.LIMITS) -> bytes:
    return toc.inlined_bootstrap(images.reader(content), len(content), limits)


@pytest.mark.parametrize(
    ("flags", "pack"), [(1, lambda data: data), (2, lambda data: zstandard.ZstdCompressor().compress(data))]
)
def test_bootstrap_by_toc(flags, pack):
    assert extract(blob(b"bootstrap" * 1000, pack=pack, flags=flags)) == b"bootstrap" * 1000


def test_bootstrap_without_toc():
    content = b"data" + tar_header(b"image.blob", 4) + b"bootstrap" + tar_header(b"image.boot", 9)
    assert extract(content) == b"bootstrap"
    (part,) = toc.find_parts(content[-600:], len(content))
    assert (part.offset, part.stored_size, part.compressor, part.digest) == (516, 9, Compressor.NONE, b"")


def test_toc_costs_two_reads():
    content, reads = blob(b"bootstrap"), []

    def read(offset, size):
        reads.append(size)
        return content[offset : offset + size]

    assert toc.inlined_bootstrap(read, len(content), images.LIMITS) == b"bootstrap"
    assert len(reads) == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"short", bytes(5000), b"x" * 5000, b"data" + tar_header(b"image.blob", 4), b"d" + tar_header(b"other", 1)],
)
def test_other_blobs_have_no_parts(content):
    assert toc.find_parts(content[-toc.TAIL_SIZE :], len(content)) == ()
    with pytest.raises(NotABootstrap, match="no bootstrap is inlined"):
        extract(content)
    with pytest.raises(MalformedImage, match="no table of contents"):
        toc.toc_digest(content)


def test_toc_without_bootstrap():
    with pytest.raises(NotABootstrap):
        extract(blob(b"something", name=b"blob.digest"))


def test_header_with_a_wrong_checksum_is_none():
    content = bytearray(blob(b"bootstrap"))
    content[-500] ^= 1
    assert toc.find_parts(bytes(content), len(content)) == ()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ((24, b"\0" * 32), "not what its table of contents says"),
        ((56, b"\xff" * 8), "reaches past"),
        ((64, b"\xff" * 8), "reaches past"),
        ((72, b"\xff" * 8), "too large"),
        ((72, struct.pack("<Q", 8)), "promises 8"),
    ],
)
def test_damaged_toc(change, what):
    with pytest.raises(MalformedImage, match=what):
        extract(blob(b"bootstrap", change=change))


def test_unknown_compression():
    with pytest.raises(UnsupportedImage, match=r"unknown compression .*0x3"):
        extract(blob(b"bootstrap", flags=3))


@pytest.mark.parametrize("size", [100, 129, 128 * 32, 8**11 - 1])
def test_toc_of_a_size_that_cannot_be(size):
    content = bytes(6000) + tar_header(b"rafs.blob.toc", size)
    with pytest.raises(MalformedImage):
        toc.find_parts(content, len(content))


def test_limits_hold():
    with pytest.raises(MalformedImage, match="too large"):
        extract(blob(b"bootstrap"), Limits(bootstrap_size=8))


def test_digest_covers_entries_and_header():
    content = blob(b"bootstrap")
    assert toc.toc_digest(content) == hashlib.sha256(content[-640:]).digest()
