"""The golden RAFS images: how to open them, and how to describe a tree as their `tree.json` does."""

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rafsight.base.limits import Limits
from rafsight.formats.compression import Decoder
from rafsight.formats.rafs import blob_meta, toc
from rafsight.formats.rafs.codec import read_bootstrap
from rafsight.formats.rafs.faults import NotABootstrap
from rafsight.formats.rafs.placement import decode_unit, place_chunks, verify_chunk
from rafsight.formats.tables import BlobEntry, Placement, TreeTables

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "rafs"
NAMES = sorted(folder.name for folder in GOLDEN.iterdir())
LIMITS = Limits()


@dataclass(frozen=True)
class Image:
    """One golden image, opened."""

    directory: Path
    name: str
    tables: TreeTables
    metas: dict[int, bytes]
    placement: Placement

    def paths(self) -> list[bytes]:
        return paths(self.tables)

    def row(self, path: str) -> int:
        return self.paths().index(path.encode())

    def blob(self, blob_id: str) -> bytes:
        return (self.directory / blob_id).read_bytes()


def bootstrap(name: str) -> bytes:
    return (GOLDEN / name / "image.boot").read_bytes()


def inlined(directory: Path) -> tuple[str, bytes]:
    """Find the blob that has a bootstrap inside: its name and that bootstrap."""
    for path in directory.iterdir():
        if path.is_file() and path.name not in ("image.boot", "tree.json"):
            blob = path.read_bytes()
            try:
                return path.name, toc.inlined_bootstrap(reader(blob), len(blob), LIMITS)
            except NotABootstrap:
                continue
    return "", b""


def reader(blob: bytes):
    def read(offset: int, size: int) -> bytes:
        assert 0 <= offset <= offset + size <= len(blob)
        return blob[offset : offset + size]

    return read


def stored_meta(blob: bytes, entry: BlobEntry) -> bytes:
    return blob[entry.meta_offset : entry.meta_offset + entry.meta_compressed_size + blob_meta.HEADER_SIZE]


@cache
def open_golden(name: str) -> Image:
    directory = GOLDEN / name
    blob_name, _ = inlined(directory)
    tables = read_bootstrap(bootstrap(name), name=blob_name, limits=LIMITS)
    metas = {
        entry.index: blob_meta.expand(stored_meta((directory / entry.meta_id).read_bytes(), entry), entry, LIMITS)
        for entry in tables.blobs
        if entry.meta_id
    }
    placement = place_chunks(tables, metas, LIMITS)
    return Image(directory=directory, name=blob_name, tables=tables, metas=metas, placement=placement)


def read_chunk(tables: TreeTables, placement: Placement, chunk: int, blob_of, decoder: Decoder) -> bytes:
    """Read one chunk from local blobs, verified."""
    units, unit = placement.units, int(placement.unit_index[chunk])
    entry = tables.blobs[int(units.blob_index[unit])]
    start = int(units.offset[unit])
    stored = blob_of(entry.data_id)[start : start + int(units.stored_size[unit])]
    content = decode_unit(placement, unit, stored, entry, decoder)
    offset = int(placement.unit_offset[chunk])
    piece = content[offset : offset + int(tables.chunks.size[chunk])]
    assert len(piece) == tables.chunks.size[chunk]
    assert verify_chunk(piece, tables.chunks.digest[chunk].tobytes(), entry.digester)
    return piece


def read_file(image: Image, row: int) -> bytes:
    """Read a file from local blobs, every chunk verified."""
    entries, extents = image.tables.entries, image.tables.extents
    content = bytearray(int(entries.size[row]))
    start = int(entries.extent_start[row])
    for extent in range(start, start + int(entries.extent_count[row])):
        piece = read_chunk(image.tables, image.placement, int(extents.chunk[extent]), image.blob, Decoder())
        offset = int(extents.file_offset[extent])
        assert len(piece) == extents.size[extent]
        content[offset : offset + len(piece)] = piece
    return bytes(content)


def names(tables: TreeTables) -> list[bytes]:
    buffer = memoryview(tables.buffer)
    spans = zip(tables.entries.name_offset.tolist(), tables.entries.name_size.tolist(), strict=True)
    return [bytes(buffer[offset : offset + size]) for offset, size in spans]


def paths(tables: TreeTables) -> list[bytes]:
    found: list[bytes] = []
    for row, name in enumerate(names(tables)):
        above = found[int(tables.entries.parent[row])] if row else b""
        found.append((above if above != b"/" else b"") + b"/" + name)
    return found


def area(tables: TreeTables, kind: str, row: int) -> memoryview:
    offset = int(getattr(tables.entries, f"{kind}_offset")[row])
    return memoryview(tables.buffer)[offset : offset + int(getattr(tables.entries, f"{kind}_size")[row])]


def depth_first(tables: TreeTables) -> list[int]:
    rows, waiting = [], [0]
    while waiting:
        row = waiting.pop()
        rows.append(row)
        start = int(tables.entries.child_start[row])
        waiting.extend(reversed(range(start, start + int(tables.entries.child_count[row]))))
    return rows


def text(name: str, value: bytes) -> dict[str, str]:
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {name + "_b64": base64.b64encode(value).decode()}


def describe(image: Image) -> list[dict[str, object]]:
    """Describe a tree as `tree.json` does."""
    tables, entries = image.tables, image.tables.entries
    path_of, described = paths(tables), []
    for row in depth_first(tables):
        mode = int(entries.mode[row])
        entry: dict[str, object] = {
            **text("path", path_of[row]),
            "mode": mode,
            "uid": int(entries.uid[row]),
            "gid": int(entries.gid[row]),
            "mtime": [int(entries.mtime[row]), int(entries.mtime_nsec[row])],
            "nlink": int(entries.nlink[row]),
        }
        kind = mode >> 12
        if kind != 4:
            entry["size"] = int(entries.size[row])
        if kind == 8:
            entry["sha256"] = hashlib.sha256(read_file(image, row)).hexdigest()
        if kind == 10:
            entry |= text("target", bytes(area(tables, "target", row)))
        rdev = int(entries.rdev[row])
        if kind in (2, 6):
            entry["rdev"] = [rdev >> 8 & 0xFFF, rdev & 0xFF | rdev >> 12 & 0xFFF00]
        else:
            assert rdev == 0
        if xattrs := tables.read_xattrs(area(tables, "xattr", row)):
            entry["xattrs"] = {xattr.name.decode(): base64.b64encode(xattr.value).decode() for xattr in xattrs}
        described.append(entry)
    return described


def expected(name: str) -> tuple[list[dict[str, object]], list[list[str]]]:
    """Read `tree.json`: the entries, and the paths of each group of hard links."""
    tree = json.loads((GOLDEN / name / "tree.json").read_text())
    groups: dict[int, list[str]] = {}
    for entry in tree:
        if "link_group" in entry:
            groups.setdefault(entry.pop("link_group"), []).append(entry["path"])
        if not entry.get("xattrs", True):
            del entry["xattrs"]
    return tree, sorted(sorted(group) for group in groups.values())


def link_groups(tables: TreeTables) -> list[list[str]]:
    groups: dict[int, list[str]] = {}
    for row, path in enumerate(paths(tables)):
        groups.setdefault(int(tables.entries.link_row[row]), []).append(path.decode(errors="replace"))
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)
