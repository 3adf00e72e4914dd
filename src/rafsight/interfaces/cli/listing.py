"""Files of an image as text: names, columns, long lines and JSON, in the manner of GNU ls.

This module alone decides how a file is shown. Names are bytes from strangers: on a terminal they are quoted as a shell
would need them, so that no byte of them acts on the terminal; in a pipe they are what they are.
"""

import json
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from rafsight.base.units import KiB
from rafsight.reports.names import named

if TYPE_CHECKING:
    from rafsight import FileEntry

_TYPE_BITS: Final = {
    "file": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "char": stat.S_IFCHR,
    "block": stat.S_IFBLK,
    "fifo": stat.S_IFIFO,
    "socket": stat.S_IFSOCK,
}
_COLOURS: Final = {
    "directory": "1;34",
    "symlink": "1;36",
    "char": "1;33",
    "block": "1;33",
    "fifo": "33",
    "socket": "1;35",
}
_SETUID_COLOUR: Final = "37;41"
_EXECUTABLE_COLOUR: Final = "1;32"
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+:,@%^")
_COLUMN_GAP: Final = 2
_UNITS: Final = "KMGTPE"
_LINES: Final = 512
"""Lines that are written at a time."""
_NAMED_ESCAPES: Final = {"\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r"}


def quote_name(name: bytes, *, unicode: bool = True) -> str:
    r"""Write a name as a shell would need it: `plain`, `'with space'`, `$'new\nline'`.

    Args:
        name: any bytes.
        unicode: False writes everything outside ASCII as octal bytes.
    """
    text = name.decode("utf-8", "surrogateescape")
    if all(character in _PLAIN for character in text) and text:
        return text
    if not (text.isprintable() and (unicode or text.isascii())):
        return f"$'{''.join(_ansi_c(character, unicode=unicode) for character in text)}'"
    if any(character in text for character in " !\"#$&'()*;<=>?[\\]`{|}~") or not text:
        return "'" + text.replace("'", "'\\''") + "'"
    return text


def _ansi_c(character: str, *, unicode: bool) -> str:
    if character in "\\'":
        return "\\" + character
    if character in _NAMED_ESCAPES:
        return _NAMED_ESCAPES[character]
    if character.isprintable() and (unicode or character.isascii()):
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))


def show_name(name: bytes, *, quoted: bool, unicode: bool = True) -> str:
    """Write a name for a terminal, or as it is, with undecodable bytes as surrogate escapes."""
    return quote_name(name, unicode=unicode) if quoted else name.decode("utf-8", "surrogateescape")


def colour_of(entry: "FileEntry") -> str:
    """Return the parameters of the terminal's `SGR` sequence for a file; empty for plain files."""
    if entry.kind != "file":
        return _COLOURS.get(entry.kind, "")
    if entry.mode & (stat.S_ISUID | stat.S_ISGID):
        return _SETUID_COLOUR
    return _EXECUTABLE_COLOUR if entry.mode & 0o111 else ""


def paint(text: str, parameters: str, *, colour: bool) -> str:
    """Colour a text."""
    return f"\x1b[{parameters}m{text}\x1b[0m" if colour and parameters else text


def long_lines(
    entries: Sequence["FileEntry"], names: Sequence[str], targets: Sequence[str], *, human: bool
) -> Iterator[str]:
    """Yield a line for each file: mode, links, owner, group, size, time, name.

    Args:
        entries: the files.
        names: as they are to be shown.
        targets: of symbolic links, as they are to be shown; else empty.
        human: sizes with units.
    """
    rows = [
        (mode_string(e), str(e.nlink), str(e.uid), str(e.gid), _size(e, human=human), format_time(e.mtime))
        for e in entries
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(6)]
    for row, name, target in zip(rows, names, targets, strict=True):
        cells = [row[0], *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)), name]
        yield " ".join(cells) + (f" -> {target}" if target else "")


def mode_string(entry: "FileEntry") -> str:
    """Return type and permissions in ten characters."""
    return stat.filemode(_TYPE_BITS.get(entry.kind, 0) | stat.S_IMODE(entry.mode))


def _size(entry: "FileEntry", *, human: bool) -> str:
    if entry.kind in ("char", "block"):
        return "{}, {}".format(*entry.device)
    return short_size(entry.size) if human else str(entry.size)


def short_size(size: int) -> str:
    """Write a size in one word, rounded up as `ls -h` does: `267B`, `1.2K`, `14M`; powers of 1024."""
    if size < KiB:
        return f"{size}B"
    unit, scale = 0, KiB
    while -(-size // scale) >= KiB and unit < len(_UNITS) - 1:
        unit, scale = unit + 1, scale * KiB
    tenths = -(-size * 10 // scale)
    return f"{tenths // 10}.{tenths % 10}{_UNITS[unit]}" if tenths < 100 else f"{-(-size // scale)}{_UNITS[unit]}"


def format_time(seconds: int) -> str:
    """Write a time as ISO 8601 in UTC; times that no calendar has stay numbers."""
    try:
        moment = time.gmtime(seconds)
    except (OverflowError, ValueError, OSError):
        return f"@{seconds}"
    if not 0 <= moment.tm_year <= 9999:
        return f"@{seconds}"
    return time.strftime("%Y-%m-%d %H:%M:%S", moment)


def arrange(names: Sequence[str], width: int) -> list[list[int]]:
    """Arrange names in as few lines as the width allows, reading down, two spaces between columns.

    Args:
        names: as they are to be shown.
        width: [columns]

    Returns: For each line the indices of its names.
    Cost: Quadratic in the lines at worst, beginning with the fewest that could do.
    """
    from rafsight.reports.paint import cells

    sizes = [cells(name) + _COLUMN_GAP for name in names]
    fewest = len(names) * min(sizes, default=1) // (width + _COLUMN_GAP)
    for line_count in range(max(fewest, 1), len(names)):
        if _fits(sizes, line_count, width + _COLUMN_GAP):
            return [list(range(line, len(names), line_count)) for line in range(line_count)]
    return [[index] for index in range(len(names))]


def _fits(sizes: Sequence[int], line_count: int, width: int) -> bool:
    for start in range(0, len(sizes), line_count):
        width -= max(sizes[start : start + line_count])
        if width < 0:
            return False
    return True


def json_array(entries: Iterable["FileEntry"]) -> Iterator[str]:
    """Yield the parts of one JSON array of files, so that no listing has to fit into memory."""
    separator = "[\n"
    for entry in entries:
        yield separator + "  " + json.dumps(describe(entry))
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def in_blocks(lines: Iterable[str]) -> Iterator[str]:
    """Join lines into larger pieces: a call of the system for each line is most of what a long listing costs."""
    lines = iter(lines)
    while block := "".join(islice(lines, _LINES)):
        yield block


def describe(entry: "FileEntry") -> dict[str, Any]:
    """Return what JSON says about a file; bytes that are not UTF-8 stand in `*_b64`, too."""
    described: dict[str, Any] = {
        **named("path", b"/" + entry.path),
        "type": entry.kind,
        "mode": f"{stat.S_IMODE(entry.mode):04o}",
        "nlink": entry.nlink,
        "uid": entry.uid,
        "gid": entry.gid,
        "size": entry.size,
        "mtime": entry.mtime,
        "mtime_nsec": entry.mtime_nsec,
    }
    if entry.kind in ("char", "block"):
        described |= {"major": entry.device[0], "minor": entry.device[1]}
    if entry.target is not None:
        described |= named("target", entry.target)
    return described
