"""Tables of sections of made-up programs for Windows and macOS."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rafsight.formats.foreign import foreign_sections


def pe(*sections, optional=240, start=128, count=None):
    """Sections are (name, offset, size)."""
    head = b"MZ".ljust(60, b"\0") + struct.pack("<I", start)
    head = head.ljust(start, b"\0") + b"PE\0\0"
    head += struct.pack("<HHIIIHH", 0x8664, len(sections) if count is None else count, 0, 0, 0, optional, 0x22)
    rows = [
        name.ljust(8, b"\0") + struct.pack("<IIIIIIHHI", 1, 1, size, offset, 0, 0, 0, 0, 0)
        for name, offset, size in sections
    ]
    return head + bytes(optional) + b"".join(rows)


def macho(*sections, order="<", count=None):
    rows = b"".join(
        name.ljust(16, b"\0")
        + b"__DATA".ljust(16, b"\0")
        + struct.pack(order + "QQIIIIIIII", 0, size, offset, *[0] * 7)
        for name, offset, size in sections
    )
    other = struct.pack(order + "II8x", 2, 16)
    number = len(sections) if count is None else count
    segment = struct.pack(order + "II16sQQQQIIII", 0x19, 72 + len(rows), b"__DATA", 0, 0, 0, 0, 0, 0, number, 0)
    head = struct.pack(order + "IIIIIIII", 0xFEEDFACF, 0, 0, 2, 2, 0, 0, 0)
    return head + other + segment + rows


ROWS = [(b".text", 1024, 77), (b".data", 5120, 99)]
FOUND = {b".text": (1024, 77), b".data": (5120, 99)}


def test_windows():
    assert foreign_sections(pe(*ROWS)) == FOUND
    assert foreign_sections(pe(*ROWS)[:-1]) == {b".text": (1024, 77)}
    assert foreign_sections(pe(*ROWS, count=60_000)) == FOUND


@pytest.mark.parametrize("order", ["<", ">"])
def test_macos(order):
    assert foreign_sections(macho(*ROWS, order=order)) == FOUND
    assert foreign_sections(macho(*ROWS, order=order, count=1 << 31)) == FOUND
    assert foreign_sections(macho(*ROWS, order=order)[:-1]) == {b".text": (1024, 77)}


@pytest.mark.parametrize("content", [b"", b"\x7fELF" + bytes(100), b"MZ", b"MZ" + bytes(100), pe(start=1 << 20)[:200]])
def test_what_is_neither(content):
    assert foreign_sections(content) is None


@given(
    some.sampled_from([pe(*ROWS), macho(*ROWS), macho(*ROWS, order=">")]),
    some.integers(0, 400),
    some.binary(max_size=40),
)
def test_damage_is_read_without_fault(content, position, noise):
    broken = content[:position] + noise + content[position + len(noise) :]
    assert len(foreign_sections(broken) or {}) <= 300
