from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.formats.rafs.xattrs import read_v5_xattrs, read_v6_xattrs
from rafsight.formats.tables import MalformedImage


def v5(*pairs):
    return memoryview(b"".join(len(pair).to_bytes(4, "little") + pair for pair in pairs))


def v6(*entries):
    area = bytes(12)
    for index, suffix, value in entries:
        entry = bytes((len(suffix), index)) + len(value).to_bytes(2, "little") + suffix + value
        area += entry + bytes(-len(entry) % 4)
    return memoryview(area)


def flat(xattrs):
    return [(xattr.name, xattr.value) for xattr in xattrs]


def test_v5_pairs():
    area = v5(b"user.b\0two\0parts", b"user.a\0", b"no value", b"user.b\0last")
    assert flat(read_v5_xattrs(area)) == [(b"user.a", b""), (b"user.b", b"last")]


def test_v6_prefixes():
    area = v6((1, b"x", b"1"), (2, b"", b"2"), (3, b"", b"3"), (4, b"overlay.opaque", b"y"), (6, b"capability", b""))
    assert flat(read_v6_xattrs(area)) == [
        (b"security.capability", b""),
        (b"system.posix_acl_access", b"2"),
        (b"system.posix_acl_default", b"3"),
        (b"trusted.overlay.opaque", b"y"),
        (b"user.x", b"1"),
    ]


@pytest.mark.parametrize("read", [read_v5_xattrs, read_v6_xattrs])
def test_no_xattrs(read):
    assert read(memoryview(b"")) == ()


@pytest.mark.parametrize("area", [v5(b"user.a\0b")[:-1], v5(b"a\0")[:3], memoryview(b"\xff" * 8)])
def test_v5_pairs_that_reach_past_the_end(area):
    with pytest.raises(MalformedImage, match="xattrs"):
        read_v5_xattrs(area)


@pytest.mark.parametrize(
    "area",
    [v6((1, b"x", b"1"))[:-4], v6((0, b"x", b"1")), v6((5, b"x", b"1")), v6((7, b"x", b"1")), v6((200, b"x", b"1")),
     memoryview(bytes(4)), memoryview(bytes(14)), memoryview(bytes(4) + b"\1" + bytes(7))],
)  # fmt: skip
def test_v6_entries_that_cannot_be(area):
    with pytest.raises(MalformedImage, match="xattrs"):
        read_v6_xattrs(area)


@given(st.binary(max_size=80))
def test_noise(area):
    for read in (read_v5_xattrs, read_v6_xattrs):
        with suppress(MalformedImage):
            read(memoryview(area))
