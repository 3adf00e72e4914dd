r"""A list of paths, one a line: what was read in a view, and what to fetch before anybody asks.

    /usr/bin/python3.11                  a path as it is, absolute in the image
    #escaped /srv/a%0Ab                  a path that a line cannot hold, with %XX for its odd bytes
    # anything else                      a remark

Lines that begin with `#` are passed over by nydus-image, so a log is also a prefetch list for the next build. A path is
escaped if it is not UTF-8, or has a line break or white space where that tool would strip it. This module alone decides
this form.
"""

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

import numpy as np

from rafsight.base.errors import CallerError, ExitStatus, HostLimit
from rafsight.base.events import Listener, Noticed, silent
from rafsight.image.plan import RowArray
from rafsight.image.tree import ImageTree

_ESCAPED: Final = b"#escaped "
_ODD: Final = re.compile(rb"[\x00-\x1f\x7f]|\s\Z")
_HIGHEST: Final = 1 << 28
"""[bytes] of a list that is still read: two million long paths."""


class AccessLogNotWritten(HostLimit):
    """The list of files that are read cannot be written."""

    code = "access-log-not-written"
    template = "cannot write the access log {file}: {why}"
    remedy = "Check space and permissions there, or name another file by --access-log."
    exit_status = ExitStatus.OUTPUT


class UnreadablePathList(CallerError):
    """A list of paths cannot be read, or has a line that is no path."""

    code = "unreadable-path-list"
    template = "{file} is no list of paths: {why}"
    remedy = "Write one path a line, absolute in the image; `rafsight view --access-log FILE` makes such a list."
    exit_status = ExitStatus.USAGE


class AccessLog:
    """Paths of files in the order in which they were first read. Safe to use from any thread."""

    def __init__(self, tree: ImageTree, descriptor: int, file: Path, listener: Listener) -> None:
        """Begin a list; `open_access_log` does this."""
        self._tree = tree
        self._descriptor = descriptor
        self._file = file
        self._listener = listener
        self._is_listed = np.zeros(len(tree), dtype=np.bool_)
        self._lock = threading.Lock()
        self.failed = 0
        """Paths that could not be written; said through the listener when it begins."""

    def add(self, rows: RowArray | Sequence[int]) -> None:
        """Add files that were read, unless they are listed already. Of hard links the first name is listed.

        They are given to the system at once: what is lost in a crash of the program is nothing.

        Cost: one write(2) if there is anything new.
        """
        links = self._tree.entries.link_row[np.asarray(rows, dtype=np.int64)]
        with self._lock:
            fresh = [row for row in dict.fromkeys(links.tolist()) if not self._is_listed[row]]
            if not fresh:
                return
            self._is_listed[fresh] = True
            try:
                _write_all(self._descriptor, b"".join(format_path(self._tree.path(row)) for row in fresh))
            except OSError as error:
                if not self.failed:
                    why = error.strerror or str(error)
                    self._listener(Noticed(message=str(AccessLogNotWritten(file=str(self._file), why=why))))
                self.failed += len(fresh)


@contextmanager
def open_access_log(tree: ImageTree, file: Path, *, listener: Listener = silent) -> Iterator[AccessLog]:
    """Begin a list of the files that are read; what the file held before is replaced.

    Args:
        tree: of the image.
        file: where to write.
        listener: told once if writing fails later: the view goes on without.
    Raises: AccessLogNotWritten: it cannot be begun.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise AccessLogNotWritten(file=str(file), why=error.strerror or str(error)) from error
    try:
        yield AccessLog(tree, descriptor, file, listener)
    finally:
        os.close(descriptor)


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


def read_path_list(file: Path) -> list[bytes]:
    """Read a list of paths: one that we wrote, or one that a person did.

    Returns: the paths without a leading slash, in order, each once. A directory stands for all below it.
    Raises: UnreadablePathList.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(_HIGHEST + 1)
    except OSError as error:
        raise UnreadablePathList(file=str(file), why=error.strerror or str(error)) from error
    if len(content) > _HIGHEST:
        raise UnreadablePathList(file=str(file), why=f"it has more than {_HIGHEST} bytes")
    paths = []
    for number, line in enumerate(content.split(b"\n"), 1):
        text = line.strip()
        if text.startswith(_ESCAPED):
            text = unquote_to_bytes(text.removeprefix(_ESCAPED).lstrip())
        elif not text or text.startswith(b"#"):
            continue
        if not text.startswith(b"/") or b"\0" in text:
            raise UnreadablePathList(file=str(file), why=f"line {number} does not begin with a slash")
        paths.append(text.strip(b"/"))
    return list(dict.fromkeys(paths))


def find_listed(tree: ImageTree, paths: Sequence[bytes]) -> tuple[RowArray, list[bytes]]:
    """Find the files of a list of paths.

    Args:
        tree: of the image.
        paths: as `read_path_list` returns them; symbolic links are followed.
    Returns: rows of regular files in the list's order, those below a directory by name, each once; paths that the image
        does not have.
    """
    rows: dict[int, None] = {}
    missing = []
    for path in paths:
        found = tree.find(path)
        if found is None:
            missing.append(path)
        elif tree.is_directory(found):
            rows.update((row, None) for row in tree.walk(found) if tree.is_file(row))
        elif tree.is_file(found):
            rows[found] = None
    links = tree.entries.link_row[np.fromiter(rows, dtype=np.int64, count=len(rows))]
    _, first = np.unique(links, return_index=True)
    return links[np.sort(first)].astype(np.int64), missing


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
