"""One package as rpm stores it: the header blob, the same in all three kinds of database.

Layout (big endian): u32 number of entries, u32 size of the data, entries of 16 bytes (tag, type, offset, count), data.
This module alone decides which tags are read.
"""

import itertools
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.fields import NAME_LENGTH

_NAME, _VERSION, _RELEASE, _EPOCH = 1000, 1001, 1002, 1003
_VENDOR, _LICENCE, _ARCH, _SOURCE = 1011, 1014, 1022, 1044
_DIR_INDEXES, _BASE_NAMES, _DIR_NAMES, _MODULARITY = 1116, 1117, 1118, 5096
_WANTED: Final = frozenset(
    {_NAME, _VERSION, _RELEASE, _EPOCH, _VENDOR, _LICENCE, _ARCH, _SOURCE}
    | {_DIR_INDEXES, _BASE_NAMES, _DIR_NAMES, _MODULARITY}
)
_INT32: Final = 4
_STRINGS: Final = frozenset({6, 8, 9})
"""Types: string, string array, i18n string (of which the first is taken)."""
_ENTRIES: Final = 65_536
_ENTRY: Final = struct.Struct(">IIiI")
_TEXT_SIZE: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RpmHeader:
    """What one header says; absent tags are empty."""

    name: bytes
    version: bytes
    release: bytes
    epoch: int
    arch: bytes
    vendor: bytes
    licence: bytes
    source_rpm: bytes
    modularity: bytes
    dir_names: tuple[bytes, ...]
    base_names: tuple[bytes, ...]
    dir_indexes: tuple[int, ...]
    """One row of `dir_names` for each base name."""

    def paths(self) -> Iterator[bytes]:
        """Yield the absolute paths that the package owns."""
        for base, index in zip(self.base_names, self.dir_indexes, strict=True):
            yield self.dir_names[index] + base


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    kind: int
    start: int
    """[bytes] from the start of the blob."""
    end: int
    """[bytes] where the next entry's data begin."""
    count: int


def read_header(blob: bytes) -> RpmHeader:
    """Read a header blob.

    Raises: MalformedFile.
    """
    entries = _entries(blob)
    header = RpmHeader(
        name=_text(blob, entries, _NAME)[: NAME_LENGTH + 1],
        version=_text(blob, entries, _VERSION)[: NAME_LENGTH + 1],
        release=_text(blob, entries, _RELEASE)[: NAME_LENGTH + 1],
        epoch=next(iter(_integers(blob, entries, _EPOCH)), 0),
        arch=_text(blob, entries, _ARCH),
        vendor=_text(blob, entries, _VENDOR),
        licence=_text(blob, entries, _LICENCE),
        source_rpm=_text(blob, entries, _SOURCE),
        modularity=_text(blob, entries, _MODULARITY),
        dir_names=_texts(blob, entries, _DIR_NAMES),
        base_names=_texts(blob, entries, _BASE_NAMES),
        dir_indexes=_integers(blob, entries, _DIR_INDEXES),
    )
    if not header.name or not header.version:
        raise MalformedFile(what="an rpm header without a name or a version", where="tag 1000 or 1001")
    if len(header.base_names) != len(header.dir_indexes):
        raise MalformedFile(what="not one folder for each file", where=f"tag {_DIR_INDEXES}")
    if header.dir_indexes and max(header.dir_indexes) >= len(header.dir_names):
        raise MalformedFile(what="a file in a folder that is not listed", where=f"tag {_DIR_INDEXES}")
    return header


def _entries(blob: bytes) -> Mapping[int, _Entry]:
    if len(blob) < 8:
        raise MalformedFile(what="an rpm header is cut off", where="offset 0")
    count, data_size = struct.unpack_from(">II", blob)
    data = 8 + 16 * count
    if count > _ENTRIES or data + data_size > len(blob):
        raise MalformedFile(what="an rpm header larger than its blob", where="offset 0")
    raw = list(_ENTRY.iter_unpack(memoryview(blob)[8:data]))
    after = dict(itertools.pairwise([*sorted({entry[2] for entry in raw if 0 <= entry[2] < data_size}), data_size]))
    found: dict[int, _Entry] = {}
    for tag, kind, offset, items in raw:
        if tag in _WANTED and tag not in found:
            if offset not in after:
                raise MalformedFile(what=f"rpm tag {tag} lies outside of the header", where=f"offset {offset}")
            found[tag] = _Entry(kind=kind, start=data + offset, end=data + after[offset], count=items)
    return found


def _text(blob: bytes, entries: Mapping[int, _Entry], tag: int) -> bytes:
    entry = entries.get(tag)
    if entry is None:
        return b""
    if entry.kind not in _STRINGS:
        raise MalformedFile(what=f"rpm tag {tag} is no text", where=f"offset {entry.start}")
    return blob[entry.start : min(entry.end, entry.start + _TEXT_SIZE)].partition(b"\0")[0]


def _texts(blob: bytes, entries: Mapping[int, _Entry], tag: int) -> tuple[bytes, ...]:
    entry = entries.get(tag)
    if entry is None:
        return ()
    size = entry.end - entry.start
    if entry.kind not in _STRINGS or entry.count > size:  # each text ends with a NUL, so it takes a byte at least
        raise MalformedFile(what=f"rpm tag {tag} is no list of texts", where=f"offset {entry.start}")
    texts = blob[entry.start : entry.end].split(b"\0", entry.count)[: entry.count]
    if len(texts) != entry.count:
        raise MalformedFile(what=f"rpm tag {tag} has fewer texts than it says", where=f"offset {entry.start}")
    return tuple(texts)


def _integers(blob: bytes, entries: Mapping[int, _Entry], tag: int) -> tuple[int, ...]:
    entry = entries.get(tag)
    if entry is None:
        return ()
    if entry.kind != _INT32 or entry.count * 4 > entry.end - entry.start:
        raise MalformedFile(what=f"rpm tag {tag} is no list of numbers", where=f"offset {entry.start}")
    return struct.unpack_from(f">{entry.count}I", blob, entry.start)
