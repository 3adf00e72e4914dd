"""Headers of tar members, as every unpacker of images reads them: ustar, and PAX where ustar has no room.

This module alone decides how a tar is written. The same member is always the same bytes: no clock, no process number,
no names of this machine, records in a fixed order. What fits is in the ustar header; what does not (long names, sizes
of 8 GiB and more, large owners, fractions of a second, extended attributes) is in a PAX header before it.

Names are bytes. ASCII and those that are not UTF-8 go into the ustar header if they fit, since all readers take that
field as it is. Others are PAX records, which are UTF-8, or raw bytes under `hdrcharset=BINARY`.
"""

from dataclasses import dataclass
from typing import Final

from rafsight.formats import tar_layout as layout
from rafsight.formats.tables import Xattr
from rafsight.formats.tar import MemberKind

TRAILER: Final = bytes(2 * layout.BLOCK)
"""What ends an archive."""

_NANOSECONDS: Final = 1_000_000_000
_PAX_NAME: Final = b"././@PaxHeader"
"""Never looked at by readers that know PAX; those that do not unpack one file of this name, which hurts nobody."""
_TYPES: Final = {
    MemberKind.FILE: b"0",
    MemberKind.HARDLINK: b"1",
    MemberKind.SYMLINK: b"2",
    MemberKind.CHAR: b"3",
    MemberKind.BLOCK: b"4",
    MemberKind.DIRECTORY: b"5",
    MemberKind.FIFO: b"6",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the header of one member says; the fields mean what those of `tar.Member` do."""

    name: bytes
    """Path relative to the root, no `.`, `..` or closing slash; empty for the root itself."""
    kind: MemberKind
    """All but OTHER."""
    mode: int = 0o644
    """Permission bits, without the type."""
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    """[ns] since 1970, signed."""
    size: int = 0
    """[bytes] of content that follows; 0 for everything but files."""
    target: bytes = b""
    """A symbolic link's text, or the path of the member that a hard link is another name of."""
    device: tuple[int, int] = (0, 0)
    """(major, minor)."""
    xattrs: tuple[Xattr, ...] = ()


def write_header(header: Header) -> bytes:
    """Write the header blocks of one member; its content follows, then `padding`."""
    name = _stored_name(header)
    seconds, fraction = divmod(header.mtime, _NANOSECONDS)
    records = [*_text_records(name, header.target)]
    numbers = {b"gid": header.gid, b"size": header.size, b"uid": header.uid}
    fields = {b"gid": layout.GID, b"size": layout.SIZE, b"uid": layout.UID}
    records += [(key, b"%d" % value) for key, value in numbers.items() if not _fits(value, fields[key])]
    if fraction or not _fits(seconds, layout.MTIME):
        records.append((b"mtime", _time(header.mtime)))
    records += [
        (b"SCHILY.xattr." + _xattr_key(xattr.name), xattr.value)
        for xattr in sorted(header.xattrs, key=lambda one: one.name)
    ]
    block = _block(
        name=name,
        target=header.target,
        kind=_TYPES[header.kind],
        numbers=(
            (layout.MODE, header.mode & 0o7777),
            (layout.UID, header.uid),
            (layout.GID, header.gid),
            (layout.SIZE, header.size),
            (layout.MTIME, seconds),
            (layout.DEV_MAJOR, header.device[0]),
            (layout.DEV_MINOR, header.device[1]),
        ),
    )
    return _pax(records) + block


def padding(size: int) -> bytes:
    """Return what follows a content of `size` [bytes], up to the next block."""
    return bytes(-size % layout.BLOCK)


def _stored_name(header: Header) -> bytes:
    """Return the name as archives have it: folders end in a slash, the root is `./`."""
    if header.kind == MemberKind.DIRECTORY:
        return (header.name or b".") + b"/"
    return header.name


def _text_records(name: bytes, target: bytes) -> list[tuple[bytes, bytes]]:
    long = [
        (key, value)
        for key, value, field in ((b"linkpath", target, layout.LINK), (b"path", name, layout.NAME))
        if len(value) > field.stop - field.start or (not value.isascii() and _is_utf8(value))
    ]
    if all(_is_utf8(value) for _, value in long):
        return long
    return [(b"hdrcharset", b"BINARY"), *long]


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _xattr_key(name: bytes) -> bytes:
    """Escape a name as GNU tar does, but only where it must be: a record's key ends at its first `=`."""
    if b"=" in name or b"%3D" in name or b"%25" in name:
        return name.replace(b"%", b"%25").replace(b"=", b"%3D")
    return name


def _time(mtime: int) -> bytes:
    """Write seconds since 1970 with as many decimals as they need."""
    seconds, fraction = divmod(abs(mtime), _NANOSECONDS)
    text = b"%s%d.%09d" % (b"-" if mtime < 0 else b"", seconds, fraction)
    return text.rstrip(b"0").rstrip(b".")


def _fits(value: int, field: slice) -> bool:
    """Tell whether a number fits a field of octal digits and a NUL."""
    bits: int = 3 * (field.stop - field.start - 1)
    return 0 <= value < 1 << bits


def _pax(records: list[tuple[bytes, bytes]]) -> bytes:
    if not records:
        return b""
    content = b"".join(_record(key, value) for key, value in records)
    block = _block(name=_PAX_NAME, target=b"", kind=b"x", numbers=((layout.MODE, 0o644), (layout.SIZE, len(content))))
    return block + content + padding(len(content))


def _record(key: bytes, value: bytes) -> bytes:
    """Write `LENGTH KEY=VALUE`, where the length counts its own digits, too."""
    rest = len(key) + len(value) + 3
    size = rest + len(str(rest))
    if len(str(size)) != len(str(rest)):
        size = rest + len(str(size))
    return b"%d %s=%s\n" % (size, key, value)


def _block(*, name: bytes, target: bytes, kind: bytes, numbers: tuple[tuple[slice, int], ...]) -> bytes:
    """Write one header; what does not fit stands in PAX records, and here cut, or as zero."""
    block = bytearray(_EMPTY)
    _put(block, layout.NAME, name)
    _put(block, layout.LINK, target)
    for field, value in numbers:
        if _fits(value, field):
            block[field] = _octal(value, field)
    block[layout.TYPE : layout.TYPE + 1] = kind
    block[layout.CHECKSUM] = b"%06o\0 " % sum(block)
    return bytes(block)


def _put(block: bytearray, field: slice, text: bytes) -> None:
    cut = text[: field.stop - field.start]
    block[field.start : field.start + len(cut)] = cut


def _octal(value: int, field: slice) -> bytes:
    return b"%0*o\0" % (field.stop - field.start - 1, value)


def _empty() -> bytes:
    block = bytearray(layout.BLOCK)
    for field in (layout.MODE, layout.UID, layout.GID, layout.SIZE, layout.MTIME, layout.DEV_MAJOR, layout.DEV_MINOR):
        block[field] = _octal(0, field)
    block[layout.MAGIC] = layout.USTAR_MAGIC
    block[layout.CHECKSUM] = b" " * 8
    return bytes(block)


_EMPTY: Final = _empty()
"""A header that says nothing, its checksum still to come."""
