"""Programs made by hand: nothing but sections with names."""

import struct


def elf(
    names,
    *,
    is_64=True,
    order="<",
    gap=0,
    appended=b"",
    no_bits=(),
    count=None,
    names_index=None,
    table_offset=None,
    entry_size=None,
    names_size=None,
):
    """Return an ELF file that has these sections, each of 16 bytes, then their names, `gap` bytes, and the table."""
    every = [b"", *names, b".shstrtab"]
    text, starts = b"", []
    for name in every:
        starts.append(len(text))
        text += name + b"\0"
    head_size, form = (64, "IIQQQQIIQQ") if is_64 else (52, "IIIIIIIIII")
    body = bytes(16) * len(names)
    names_offset = head_size + len(body)
    offset = names_offset + len(text) + gap
    rows = [struct.pack(order + form, *[0] * 10)]
    for index, name in enumerate(names, 1):
        kind, place = (8, 1 << 30) if name in no_bits else (1, head_size + 16 * (index - 1))
        rows.append(struct.pack(order + form, starts[index], kind, 0, 0, place, 16, 0, 0, 0, 0))
    size = len(text) if names_size is None else names_size
    rows.append(struct.pack(order + form, starts[-1], 3, 0, 0, names_offset, size, 0, 0, 0, 0))
    ident = b"\x7fELF" + bytes([2 if is_64 else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    place = "Q" if is_64 else "I"
    head = ident + struct.pack(
        order + "HHI" + 3 * place + "I6H",
        *(2, 62, 1, 0, 0, offset if table_offset is None else table_offset, 0),
        *(head_size, 0, 0, entry_size or len(rows[0])),
        *(len(rows) if count is None else count, len(rows) - 1 if names_index is None else names_index),
    )
    return head + body + text + bytes(gap) + b"".join(rows) + appended
