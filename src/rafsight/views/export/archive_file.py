"""Archives as files: which names mean one, how they are compressed, and that they appear whole or not at all.

This module alone decides that. Compression is fixed in its settings and carries neither time nor name, so that the same
image gives the same file (by the same compression library).
"""

import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from rafsight.views.export.faults import NotWritten, writing
from rafsight.views.export.tar_writer import Sink

_GZIP_LEVEL: Final = 6
_GZIP_FORM: Final = 16 + zlib.MAX_WBITS
_ZSTD_LEVEL: Final = 3


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def is_archive_name(name: str) -> bool:
    """Tell whether a file name means an archive."""
    return name.lower().endswith((".tar", *_SUFFIXES))


@contextmanager
def open_archive(path: Path) -> Iterator[Sink]:
    """Open an archive for writing, compressed as its name says.

    A file appears under its name when all is written, and keeps its old content otherwise. Devices and pipes are
    written as they are.

    Raises: NotWritten.
    """
    with _open_file(path) as raw, _compressed(path.name, raw) as sink:
        yield sink


def _compressed(name: str, sink: Sink) -> AbstractContextManager[Sink]:
    for suffix, make in _SUFFIXES.items():
        if name.lower().endswith(suffix):
            return _through(make(), sink)
    return _as_it_is(sink)


@contextmanager
def _as_it_is(sink: Sink) -> Iterator[Sink]:
    yield sink


@contextmanager
def _through(compressor: _Compressor, sink: Sink) -> Iterator[Sink]:
    def compress(content: bytes) -> None:
        if made := compressor.compress(content):
            sink(made)

    yield compress
    sink(compressor.flush())


def _gzip() -> _Compressor:
    return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORM)


def _zstd() -> _Compressor:
    import zstandard

    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compressobj()


_SUFFIXES: Final = {".tar.gz": _gzip, ".tgz": _gzip, ".tar.zst": _zstd, ".tzst": _zstd}


@contextmanager
def _open_file(path: Path) -> Iterator[Sink]:
    target = Path(os.path.realpath(path))
    with writing(str(path)):
        mode = _mode_of(target)
        in_place = mode is not None and not stat.S_ISREG(mode)
        draft = target if in_place else target.with_name(f".{target.name}.{os.getpid()}.part")
        stream = open(draft, "wb" if in_place else "xb")  # noqa: SIM115, PTH123 - closed below
    try:

        def sink(content: bytes) -> None:
            try:
                stream.write(content)
            except OSError as error:
                raise NotWritten(where=str(path), why=error.strerror or str(error)) from error

        yield sink
        with writing(str(path)):
            stream.flush()
            if not in_place:
                os.fsync(stream.fileno())
                if mode is not None:
                    draft.chmod(stat.S_IMODE(mode))
                stream.close()
                draft.replace(target)
    finally:
        with suppress(OSError):
            stream.close()
        if not in_place:
            draft.unlink(missing_ok=True)


def _mode_of(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None
