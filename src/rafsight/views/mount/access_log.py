"""The files that are read in a view, listed while it runs.

The list is also what to fetch before anybody asks, of this image or of the next one: `base/path_list.py` has its form.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rafsight.base.errors import ExitStatus, HostLimit
from rafsight.base.events import Listener, Noticed, silent
from rafsight.base.path_list import UnreadablePathList, format_path, read_path_list
from rafsight.image.plan import RowArray
from rafsight.image.tree import ImageTree


class AccessLogNotWritten(HostLimit):
    """The list of files that are read cannot be written."""

    code = "access-log-not-written"
    template = "cannot write the access log {file}: {why}"
    remedy = "Check space and permissions there, or name another file by --access-log."
    exit_status = ExitStatus.OUTPUT


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


def read_listed(file: Path) -> list[bytes]:
    """Read a list of paths from a file; see `read_path_list`.

    Raises: UnreadablePathList.
    """
    try:
        with file.open("rb") as opened:
            return read_path_list(opened, str(file))
    except OSError as error:
        raise UnreadablePathList(file=str(file), why=error.strerror or str(error)) from error


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
