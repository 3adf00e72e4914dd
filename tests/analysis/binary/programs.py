"""Programs made by hand: ELF files of sections with content, and what compilers put into these."""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

SENTINEL = bytes(range(16))


def elf(
    sections: Mapping[bytes, bytes],
    *,
    is_64: bool = True,
    order: str = "<",
    table_first: bool = False,
    gap: int = 0,
    addresses: Mapping[bytes, int] | None = None,
    no_bits: Sequence[bytes] = (),
) -> bytes:
    """Return an ELF file: its head, the table if it comes first, the sections, `gap` bytes, their names, the table.

    Without an address, a section is not loaded.
    """
    every = [*sections, b".shstrtab"]
    names, name_offsets = b"\0", []
    for name in every:
        name_offsets.append(len(names))
        names += name + b"\0"
    head_size, form = (64, "IIQQQQIIQQ") if is_64 else (52, "IIIIIIIIII")
    table_size = struct.calcsize("<" + form) * (len(every) + 1)
    position = head_size + (table_size if table_first else 0)
    body, rows = b"", [struct.pack(order + form, *[0] * 10)]
    for index, name in enumerate(every):
        padding = bytes(gap if name == b".shstrtab" else 0) + bytes(-(position + len(body)) % 16)
        content = names if name == b".shstrtab" else sections[name]
        body += padding
        kind = 8 if name in no_bits else 1
        address = (addresses or {}).get(name, 0)
        where = position + len(body)
        rows.append(struct.pack(order + form, name_offsets[index], kind, 2, address, where, len(content), 0, 0, 16, 0))
        body += b"" if name in no_bits else content
    table_offset = head_size if table_first else position + len(body)
    place = "Q" if is_64 else "I"
    head = (
        b"\x7fELF" + bytes([2 if is_64 else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    ) + struct.pack(
        order + "HHI" + 3 * place + "I6H",
        *(2, 62, 1, 0, 0, table_offset, 0, head_size, 0, 0, len(rows[0]), len(rows), len(rows) - 1),
    )  # fmt: skip
    table = b"".join(rows)
    return head + table + body if table_first else head + body + table


def uvarint(number: int) -> bytes:
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def framed(modules: str) -> bytes:
    return SENTINEL + modules.encode() + SENTINEL if modules else b""


def inline_build_info(release: str, modules: str) -> bytes:
    """Return the section as Go 1.18 and later write it."""
    text = framed(modules)
    head = b"\xff Go buildinf:" + bytes([8, 2]) + bytes(16)
    return head + uvarint(len(release)) + release.encode() + uvarint(len(text)) + text


def pointed_program(release: str, modules: str, *, is_64: bool = True, order: str = "<", **more: Any) -> bytes:
    """Return a program as Go 1.13 to 1.17 made them: the section points at strings, which point at texts."""
    letter, size = ("Q", 8) if is_64 else ("I", 4)
    text, base, data = framed(modules), 0x10000, 0x90000
    info = b"\xff Go buildinf:" + bytes([size, 1 if order == ">" else 0])
    info += struct.pack(order + letter * 2, data, data + 2 * size)
    strings = struct.pack(order + letter * 4, base, len(release), base + len(release), len(text))
    return elf(
        {b".rodata": release.encode() + text, b".data": strings, b".go.buildinfo": info.ljust(32, b"\0")},
        addresses={b".rodata": base, b".data": data, b".go.buildinfo": 0xF0000},
        is_64=is_64,
        order=order,
        **more,
    )


def crates(packages: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the section that `cargo auditable` writes."""
    return zlib.compress(json.dumps({"packages": packages}).encode())


def note(text: bytes, *, order: str = "<", kind: int = 0xCAFE1A7E, owner: bytes = b"FDO\0") -> bytes:
    """Return one note."""
    text += bytes(-len(text) % 4)
    return struct.pack(order + "III", len(owner), len(text), kind) + owner + text
