from pathlib import Path

import numpy as np
import pytest

from rafsight.hunt.index.columns import ContentKind, EntryColumns, StoredXattr, take_rows
from rafsight.hunt.index.draft import PartDraft
from rafsight.hunt.index.duck import open_duck
from rafsight.hunt.index.tables import ImageRow, TreeRow, read_images, read_part
from rafsight.hunt.index.writing import write_images, write_part

XATTRS = {
    1: (StoredXattr(name=b"security.capability", value=b"\x01\x00\xff"), StoredXattr(name=b"user.\xff", value=None)),
    2: (),
}


@pytest.fixture
def connection(duckdb):
    with open_duck(threads=1) as connection:
        yield connection


def columns(**changes) -> EntryColumns:
    """Five entries with everything that is hard to keep: raw bytes, a device, times before 1970, sizes beyond 32 bits."""
    content = np.zeros((5, 32), dtype=np.uint8)
    content[1], content[2] = np.arange(32), 0
    values = {
        "directories": [b"", b"etc", b"d\xe9v"],
        "directory": np.array([0, 1, 1, 2, 0], dtype=np.int32),
        "names": [b"", b"conf", b"\xff", b"null", "é\n'".encode()],
        "mode": np.array([0o40755, 0o104755, 0o100644, 0o20666, 0o120777], dtype=np.uint32),
        "uid": np.array([0, 1, 2**32 - 1, 0, 0], dtype=np.uint32),
        "gid": np.array([0, 1, 2, 3, 4], dtype=np.uint32),
        "size": np.array([0, 2**40, 3, 0, 4], dtype=np.int64),
        "mtime": np.array([-(2**62), -1, 0, 1, 2**62], dtype=np.int64),
        "rdev": np.array([0, 0, 0, 0x103, 0], dtype=np.uint32),
        "content_kind": np.array([0, 2, 3, 0, 0], dtype=np.uint8),
        "content": content,
        "targets": {4: b"../\xffb"},
        "xattrs": XATTRS,
    }
    return EntryColumns(**(values | changes))


def rows_of(table: EntryColumns) -> set[tuple]:
    """Describe entries without regard to their order."""
    return {
        (
            table.directories[table.directory[row]],
            table.names[row],
            *(
                int(getattr(table, name)[row])
                for name in ("mode", "uid", "gid", "size", "mtime", "rdev", "content_kind")
            ),
            table.content[row].tobytes(),
            table.targets.get(row),
            table.xattrs.get(row),
        )
        for row in range(len(table))
    }


def written(connection, folder: Path, draft: PartDraft):
    paths = (folder / "entries", folder / "spans", folder / "trees")
    write_part(connection, draft.finish(), paths)
    return read_part(connection, paths), paths


def test_what_is_written_is_read(connection, tmp_path):
    draft = PartDraft()
    row = TreeRow(tree="sha256:x", format="RAFS v6", entries=5, unread=("lib/x: unknown", "y: z"))
    draft.add(row, columns(), "app:v1")
    read, _ = written(connection, tmp_path, draft)
    assert rows_of(read.columns) == rows_of(columns())
    assert read.trees == (row,)
    assert read.spans.tolist() == [[0, 0, 0]]


def test_entries_that_differ_in_anything_are_different(connection, tmp_path):
    changes = [
        {"names": [b"", b"conf2", b"\xff", b"null", "é\n'".encode()]},
        {"directories": [b"", b"etc", b"d\xe8v"]},
        {"targets": {4: b"../\xfeb"}},
        {"targets": {}},
        {"xattrs": {}},
        {"xattrs": {**XATTRS, 2: (StoredXattr(name=b"a", value=b""),)}},
        *(
            {name: getattr(columns(), name) + np.array(1, dtype=getattr(columns(), name).dtype)}
            for name in ("uid", "gid", "mode", "size", "mtime", "rdev")
        ),
    ]
    draft = PartDraft()
    for number, change in enumerate([{}, {}, *changes]):
        draft.add(TreeRow(tree=f"t{number}", format="", entries=5), columns(**change), f"app:v{number}")
    read, _ = written(connection, tmp_path, draft)
    expected = set().union(*(rows_of(columns(**change)) for change in [{}, *changes]))
    assert rows_of(read.columns) == expected
    assert len(read.columns) == len(expected)


def test_the_same_trees_make_the_same_files_in_whatever_order_they_come(connection, tmp_path):
    variants = [({}, "app:v2"), ({"uid": np.arange(5, dtype=np.uint32)}, "app:v10"), ({"targets": {}}, "app:v9")]
    contents = []
    for number, order in enumerate((variants, variants[::-1])):
        folder = tmp_path / str(number)
        folder.mkdir()
        draft = PartDraft()
        for change, name in order:
            draft.add(TreeRow(tree=name, format="", entries=5), columns(**change), name)
        read, paths = written(connection, folder, draft)
        assert [row.tree for row in read.trees] == ["app:v2", "app:v9", "app:v10"]
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]


def test_some_rows_in_another_order():
    taken = take_rows(columns(), np.array([4, 1]))
    assert taken.names == ["é\n'".encode(), b"conf"]
    assert taken.targets == {0: b"../\xffb"}
    assert taken.xattrs == {1: XATTRS[1]}
    assert taken.content_kind.tolist() == [ContentKind.NONE, ContentKind.BLAKE3]


def test_images(connection, tmp_path):
    rows = [
        ImageRow(reference="a:1", repository="a", tag="1", digest="d", platform="", tree="t", indexed_at=5),
        ImageRow(
            reference="b:1",
            repository="",
            tag="",
            digest="",
            platform="",
            tree="",
            indexed_at=6,
            gone_at=7,
            error_code="x",
            error="é",
            advice="'",
        ),
    ]
    write_images(connection, rows[::-1], tmp_path / "images")
    assert read_images(connection, tmp_path / "images") == rows
    write_images(connection, [], tmp_path / "none")
    assert read_images(connection, tmp_path / "none") == []
