"""Numbers, names and PAX records of tar headers.

This module alone decides how a field is read. Where readers of tar differ, Go's `archive/tar` is followed, because
docker and containerd unpack with it: what it refuses is refused, what it ignores is ignored.
"""

from dataclasses import dataclass
from typing import Final

from rafsight.formats import tar_layout as layout
from rafsight.formats.byte_stream import ByteStream
from rafsight.formats.tables import Xattr

_NANOSECONDS: Final = 1_000_000_000
_SECONDS_LIMIT: Final = 1 << 62
_XATTR_PREFIX: Final = b"SCHILY.xattr."
_XATTR_NAME_SIZE: Final = 255
_NAME_SIZE: Final = 255
_DIGITS: Final = 20
"""Digits of the largest number that any field may hold."""


@dataclass(slots=True)
class Extras:
    """What extended headers say about the entry that follows them."""

    name: bytes | None = None
    target: bytes | None = None
    size: int | None = None
    uid: int | None = None
    gid: int | None = None
    mtime: int | None = None
    """[ns]"""
    xattrs: tuple[Xattr, ...] = ()
    sparse_pairs: bytes | None = None
    """Numbers of a sparse map with commas between."""
    sparse_version: bytes = b""
    """`1.0` if the map lies in the content."""
    sparse_size: int | None = None
    """[bytes] of the file with its holes."""


def parse_number(field: bytes, stream: ByteStream) -> int:
    """Read an octal or base-256 field.

    Raises: MalformedImage.
    """
    if field[0] & 0x80:
        width = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << width) - 1)
        return value - (1 << width) if value >> (width - 1) else value
    digits = field.strip(b" \0").partition(b"\0")[0]
    if not digits:
        return 0
    try:
        if digits.isdigit():  # keeps signs and underscores out, which int() would take
            return int(digits, 8)
    except ValueError:
        pass
    raise stream.fault(what=f"{digits!r} is not an octal number")


def parse_text(field: bytes) -> bytes:
    """Read a text up to its NUL."""
    return field.partition(b"\0")[0]


def check_header(block: bytes, stream: ByteStream) -> None:
    """Compare a header with its checksum, as unsigned or (old Sun) as signed bytes.

    Raises: MalformedImage.
    """
    digits = block[layout.CHECKSUM].strip(b" \0").partition(b"\0")[0]
    stored = int(digits, 8) if digits.isdigit() and not digits.strip(b"01234567") else -1
    rest = block[: layout.CHECKSUM.start] + b"        " + block[layout.CHECKSUM.stop :]
    unsigned = sum(rest)
    if stored == unsigned:
        return
    if stored < 0 or stored != unsigned - 256 * sum(byte > 127 for byte in rest):
        raise stream.fault("a tar header's checksum is wrong, or this is no tar archive")


def header_name(block: bytes) -> bytes:
    """Put together the path of a header from its name and prefix."""
    name = parse_text(block[layout.NAME])
    if block[layout.MAGIC] == layout.USTAR_MAGIC:
        is_star = block[layout.STAR_TRAILER] == layout.STAR_MAGIC
        prefix = parse_text(block[layout.STAR_PREFIX if is_star else layout.PREFIX])
        if prefix:
            return prefix + b"/" + name
    return name


def clean_path(name: bytes, stream: ByteStream, path_size: int) -> bytes:
    """Bring a path to the form of the tree: relative, without `.`, `..`, double and closing slashes; the root is empty.

    Raises: MalformedImage: it leads out of the root, or no filesystem could hold it.
    """
    if len(name) > path_size:
        raise stream.fault(what=f"a path of {len(name)} bytes")
    if b"\0" in name:
        raise stream.fault("a path with a NUL")
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part in (b"", b"."):
            continue
        if part == b"..":
            if not parts:
                raise stream.fault("a path leads out of the root")
            parts.pop()
            continue
        if len(part) > _NAME_SIZE:
            raise stream.fault(what=f"a name of {len(part)} bytes")
        parts.append(part)
    return b"/".join(parts)


def read_pax(content: bytes, extras: Extras, stream: ByteStream) -> None:
    """Add the records of a PAX header to `extras`.

    Raises: MalformedImage.
    """
    xattrs: dict[bytes, bytes] = {}
    sparse: dict[bytes, bytes] = {}
    pairs: list[bytes] = []
    position = 0
    while position < len(content):
        space = content.find(b" ", position, position + _DIGITS)
        digits = content[position:space] if space > 0 else b""
        end = position + int(digits) if digits.isdigit() else -1
        if not space < end <= len(content) or content[end - 1] != 0x0A:
            raise stream.fault("a malformed PAX record")
        key, equals, value = content[space + 1 : end - 1].partition(b"=")
        if not key or not equals:
            raise stream.fault("a malformed PAX record")
        position = end
        if key.startswith(_XATTR_PREFIX):
            xattrs[key.removeprefix(_XATTR_PREFIX)] = value
        elif key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            pairs.append(value)
        elif key.startswith(b"GNU.sparse."):
            sparse[key] = value
        else:
            _apply(key, value, extras, stream)
    if xattrs:
        extras.xattrs = _xattrs(xattrs, stream)
    if sparse or pairs:
        _apply_sparse(sparse, pairs, extras, stream)


def _apply(key: bytes, value: bytes, extras: Extras, stream: ByteStream) -> None:
    """Take one record; an empty value takes back what an earlier one said."""
    if key == b"path":
        extras.name = value or None
    elif key == b"linkpath":
        extras.target = value or None
    elif key == b"size":
        extras.size = _decimal(value, stream) if value else None
    elif key == b"uid":
        extras.uid = _decimal(value, stream) if value else None
    elif key == b"gid":
        extras.gid = _decimal(value, stream) if value else None
    elif key == b"mtime":
        extras.mtime = _time(value, stream) if value else None


def _apply_sparse(records: dict[bytes, bytes], pairs: list[bytes], extras: Extras, stream: ByteStream) -> None:
    version = records.get(b"GNU.sparse.major", b"") + b"." + records.get(b"GNU.sparse.minor", b"")
    sparse_map = records.get(b"GNU.sparse.map") or b",".join(pairs) or None
    if version != b"1.0" and not version.startswith(b"0.") and sparse_map is None:
        return
    size = records.get(b"GNU.sparse.size") or records.get(b"GNU.sparse.realsize")
    extras.sparse_version = version
    extras.sparse_pairs = sparse_map or b""
    extras.sparse_size = _decimal(size, stream) if size else None
    extras.name = records.get(b"GNU.sparse.name") or extras.name


def _xattrs(values: dict[bytes, bytes], stream: ByteStream) -> tuple[Xattr, ...]:
    for name in values:
        if not 0 < len(name) <= _XATTR_NAME_SIZE or b"\0" in name:
            raise stream.fault("an extended attribute with an impossible name")
    return tuple(Xattr(name=name, value=values[name]) for name in sorted(values))


def _decimal(text: bytes, stream: ByteStream) -> int:
    if not text.isdigit() or len(text) > _DIGITS:
        raise stream.fault(what=f"{text[:40]!r} is not a decimal number")
    return int(text)


def _time(text: bytes, stream: ByteStream) -> int:
    """Read seconds with a fraction as whole nanoseconds, rounded down."""
    sign, digits = (-1, text[1:]) if text.startswith(b"-") else (1, text)
    whole, _, fraction = digits.partition(b".")
    if fraction and not fraction.isdigit():
        raise stream.fault(what=f"{text[:40]!r} is not a time")
    seconds = _decimal(whole or b"0", stream)
    if seconds >= _SECONDS_LIMIT:
        raise stream.fault(what=f"{text[:40]!r} is not a time")
    return sign * (seconds * _NANOSECONDS + int(fraction[:9].ljust(9, b"0")))
