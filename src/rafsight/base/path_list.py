r"""A list of paths, one a line: what was read in a view, and what to fetch before anybody asks.

    /usr/bin/python3.11                  a path as it is, absolute in the image
    #escaped /srv/a%0Ab                  a path that a line cannot hold, with %XX for its odd bytes
    # anything else                      a remark

Lines that begin with `#` are passed over by nydus-image, so a log is also a prefetch list for the next build. A path is
escaped if it is not UTF-8, or has a line break or white space where that tool would strip it. This module alone decides
this form.
"""

import re
from typing import BinaryIO, Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from rafsight.base.errors import CallerError, ExitStatus

_ESCAPED: Final = b"#escaped "
_ODD: Final = re.compile(rb"[\x00-\x1f\x7f]|\s\Z")
_HIGHEST: Final = 1 << 28
"""[bytes] of a list that is still read: two million long paths."""


class UnreadablePathList(CallerError):
    """A list of paths cannot be read, or has a line that is no path."""

    code = "unreadable-path-list"
    template = "{file} is no list of paths: {why}"
    remedy = "Write one path a line, absolute in the image; `rafsight view --access-log FILE` makes such a list."
    exit_status = ExitStatus.USAGE


def format_path(path: bytes) -> bytes:
    """Return the line of a path.

    Args:
        path: in the image, with or without a leading slash.
    """
    path = b"/" + path.lstrip(b"/")
    try:
        text = path.decode()
    except UnicodeDecodeError:
        is_plain = False
    else:  # white space as the other tool strips it, which knows that of Unicode
        is_plain = _ODD.search(path) is None and text == text.strip()
    return path + b"\n" if is_plain else _ESCAPED + quote_from_bytes(path).encode() + b"\n"


def read_path_list(source: BinaryIO, name: str) -> list[bytes]:
    """Read a list of paths: one that we wrote, or one that a person did.

    Args:
        source: the list.
        name: what to call it.
    Returns: the paths without a leading slash, in order, each once; empty for the root. A directory stands for all
        below it.
    Raises: UnreadablePathList.
    """
    try:
        content = source.read(_HIGHEST + 1)
    except OSError as error:
        raise UnreadablePathList(file=name, why=error.strerror or str(error)) from error
    if len(content) > _HIGHEST:
        raise UnreadablePathList(file=name, why=f"it has more than {_HIGHEST} bytes")
    paths = []
    for number, line in enumerate(content.split(b"\n"), 1):
        text = line.strip()
        if text.startswith(_ESCAPED):
            text = unquote_to_bytes(text.removeprefix(_ESCAPED).lstrip())
        elif not text or text.startswith(b"#"):
            continue
        if not text.startswith(b"/") or b"\0" in text:
            raise UnreadablePathList(file=name, why=f"line {number} does not begin with a slash")
        paths.append(text.strip(b"/"))
    return list(dict.fromkeys(paths))
