"""What the tests of the analysis share: a tree in memory, the caller's loop, and writers of package databases."""

import re
import struct
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence

from rafsight.analysis.catalogue import CATALOGUE
from rafsight.analysis.engine import Analysis
from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Component, Inventory
from rafsight.analysis.request import FileRef
from rafsight.image.selection import Wants


def view(content: bytes, path: bytes = b"a/file", companions: Mapping[bytes, bytes] | None = None) -> FileView:
    return FileView(path=path, size=len(content), runs=((0, content),), companions=companions or {})


def extract(extractor: Extractor, content: bytes, path: bytes = b"a/file") -> list[Found]:
    return list(extractor.extract(view(content, path)))


def components(found: Iterable[Found]) -> list[Component]:
    return [item for item in found if isinstance(item, Component)]


def matcher(pattern: bytes) -> re.Pattern[bytes]:
    """Compile a pattern as `image/selection.py` describes them."""
    start, rest = (b"(?:.*/)?", pattern[3:]) if pattern.startswith(b"**/") else (b"", pattern)
    return re.compile(start + b"[^/]*".join(map(re.escape, rest.split(b"*"))) + rb"\Z", re.DOTALL)


class Tree:
    """Files in memory: `find` and the bytes of a row. Equal contents have one key if `keyed`; `links` share rows.

    Those named `executable` have an execute bit.
    """

    def __init__(
        self,
        files: Mapping[bytes, bytes],
        *,
        links: Mapping[bytes, bytes] | None = None,
        keyed: bool = False,
        executable: Collection[bytes] = (),
    ):
        self.executable = executable
        self.files = dict(files)
        self.rows = {path: row for row, path in enumerate(sorted(files), 100)}
        self.links = dict(links or {})
        self.keyed = keyed
        self.reads: list[tuple[bytes, tuple[tuple[int, int], ...]]] = []

    def find(self, wants: Wants) -> list[FileRef]:
        patterns = [matcher(pattern) for pattern in wants.patterns]
        others = [matcher(pattern) for pattern in wants.except_for]
        found = []
        for path, target in {**{path: path for path in self.files}, **self.links}.items():
            if any(pattern.match(path) for pattern in patterns):
                content = self.files[target]
                if len(content) < wants.min_size or any(other.match(path) for other in others):
                    continue
                if wants.executable_only and path not in self.executable:
                    continue
                key = b"%d:%d" % (len(content), zlib.crc32(content)) if self.keyed else b""
                found.append(FileRef(row=self.rows[target], path=path, size=len(content), content=key))
        return found

    def content(self, row: int) -> bytes:
        return next(self.files[path] for path, number in self.rows.items() if number == row)


def run(
    files: Mapping[bytes, bytes] | Tree,
    catalogue: Sequence[Extractor] = CATALOGUE,
    *,
    merged_roots: frozenset[bytes] = frozenset(),
    backwards: bool = False,
) -> Inventory:
    """Analyse as a caller does."""
    tree = files if isinstance(files, Tree) else Tree(files)
    analysis = Analysis(catalogue, merged_roots=merged_roots)
    while requests := analysis.plan_wave(tree.find):
        for request in reversed(requests) if backwards else requests:
            content = tree.content(request.row)
            tree.reads.append((request.path, request.ranges))
            analysis.feed(
                request.row,
                [(offset, content[offset : offset + size]) for offset, size in request.ranges],
                {companion.suffix: tree.content(companion.row) for companion in request.companions},
            )
    return analysis.finish()


def names(inventory: Inventory) -> list[tuple[str, str, str]]:
    return [(item.ecosystem.value, item.name, item.version) for item in inventory.components]


# --- rpm -------------------------------------------------------------------

Value = str | int | list[str] | list[int]


def rpm_header(tags: Mapping[int, Value]) -> bytes:
    """Write a header blob with a region tag first, as rpm does."""
    entries, data = [], b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, str):
            kind, count, content = (9 if tag == 1004 else 6), 1, value.encode() + b"\0"
        elif isinstance(value, int) or isinstance(value[0], int):
            numbers = [value] if isinstance(value, int) else value
            data += bytes(-len(data) % 4)
            kind, count, content = 4, len(numbers), struct.pack(f">{len(numbers)}I", *numbers)
        else:
            kind, count, content = 8, len(value), b"".join(str(text).encode() + b"\0" for text in value)
        entries.append(struct.pack(">IIiI", tag, kind, len(data), count))
        data += content
    entries.insert(0, struct.pack(">IIiI", 63, 7, len(data), 16))
    data += struct.pack(">IIiI", 63, 7, -16 * len(entries), 16)
    return struct.pack(">II", len(entries), len(data)) + b"".join(entries) + data


def package(name: str, version: str = "1.0", release: str = "1.el9", **more: Value) -> bytes:
    """Write the header of a package with some files."""
    numbers = {"epoch": 1003, "vendor": 1011, "licence": 1014, "arch": 1022, "source": 1044, "modularity": 5096}
    tags: dict[int, Value] = {1000: name, 1001: version, 1002: release}
    files = more.pop("files", [])
    assert isinstance(files, list)
    if files:
        folders = sorted({str(file).rpartition("/")[0] + "/" for file in files})
        tags[1116] = [folders.index(str(file).rpartition("/")[0] + "/") for file in files]
        tags[1117] = [str(file).rpartition("/")[2] for file in files]
        tags[1118] = folders
    return rpm_header(tags | {numbers[key]: value for key, value in more.items()})


def ndb(blobs: Sequence[bytes]) -> bytes:
    """Write an ndb database from the documented layout: one slot page or more, then the blobs, block by block."""
    slot_pages = (2 + len(blobs)) * 16 // 4096 + 1
    slots, body = b"", b""
    for index, blob in enumerate(blobs, 1):
        size = 16 + len(blob) + 12
        size += -size % 16
        start = slot_pages * 4096 + len(body)
        slots += struct.pack("<4sIII", b"Slot", index, start // 16, size // 16)
        head = struct.pack("<4sIII", b"BlbS", index, 1, len(blob))
        tail = struct.pack("<II4s", zlib.adler32(head + blob), len(blob), b"BlbE")
        body += (head + blob).ljust(size - 12, b"\0") + tail
    while len(slots) < slot_pages * 4096 - 32:
        slots += struct.pack("<4sIII", b"Slot", 0, 0, 0)
    return struct.pack("<4sIIII12x", b"RpmP", 0, 1, slot_pages, len(blobs) + 1) + slots + body


def bdb_dump(blobs: Sequence[bytes], *, page_size: int = 4096, order: int = 1234) -> str:
    """Write the text that `db5.3_load` reads, with rpm's join counter as key 0."""
    pairs = [(struct.pack("<I", 0), struct.pack("<I", len(blobs)))]
    pairs += [(struct.pack("<I", index), blob) for index, blob in enumerate(blobs, 1)]
    lines = [
        "VERSION=3",
        "format=bytevalue",
        "type=hash",
        f"db_pagesize={page_size}",
        f"db_lorder={order}",
        "HEADER=END",
    ]
    lines += [f" {item.hex()}" for pair in pairs for item in pair]
    return "\n".join([*lines, "DATA=END", ""])
