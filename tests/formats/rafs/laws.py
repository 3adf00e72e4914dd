"""The laws at the head of `formats/tables.py`, checked with plain loops: a second opinion on the vectorised readers."""

from rafsight.formats.tables import TreeTables


def check_laws(tables: TreeTables) -> None:
    entries, buffer = tables.entries, memoryview(tables.buffer)
    count = len(entries.mode)
    for name in entries.__slots__:
        column = getattr(entries, name)
        assert column is None or len(column) == count, name
    assert entries.parent[0] == 0
    assert entries.name_size[0] == 0
    seen = bytearray(count)
    seen[0] = 1
    for row in range(count):
        start, size = int(entries.child_start[row]), int(entries.child_count[row])
        assert 0 <= start <= start + size <= count
        assert (start > row) if size else start == 0
        assert size == 0 or entries.mode[row] >> 12 == 4
        last = b""
        for child in range(start, start + size):
            assert not seen[child]
            seen[child] = 1
            assert entries.parent[child] == row
            offset, length = int(entries.name_offset[child]), int(entries.name_size[child])
            assert 0 <= offset <= offset + length <= len(buffer)
            name = bytes(buffer[offset : offset + length])
            assert 1 <= length <= 255
            assert last < name
            assert b"/" not in name
            assert b"\0" not in name
            assert name not in (b".", b"..")
            last = name
    assert all(seen)
    _check_contents(tables)


def _check_contents(tables: TreeTables) -> None:
    entries, extents, chunks = tables.entries, tables.extents, tables.chunks
    size = len(tables.buffer)
    for row in range(len(entries.mode)):
        for offset, length in (
            (entries.target_offset[row], entries.target_size[row]),
            (entries.xattr_offset[row], entries.xattr_size[row]),
        ):
            assert 0 <= offset <= int(offset) + int(length) <= size
        source = int(entries.link_row[row])
        assert source <= row
        assert entries.link_row[source] == source
        assert entries.ino[source] == entries.ino[row]
        start, count = int(entries.extent_start[row]), int(entries.extent_count[row])
        assert (start, count) == (entries.extent_start[source], entries.extent_count[source])
        assert 0 <= start <= start + count <= len(extents.size)
        end = 0
        for extent in range(start, start + count):
            assert extents.file_offset[extent] >= end
            assert extents.size[extent] > 0
            end = int(extents.file_offset[extent] + extents.size[extent])
        assert end <= entries.size[row]
    for name in chunks.__slots__:
        assert len(getattr(chunks, name)) == len(chunks.size)
    assert chunks.digest.shape == (len(chunks.size), 32)
    if len(extents.chunk):
        assert 0 <= extents.chunk.min() <= extents.chunk.max() < len(chunks.size)
    if len(chunks.blob_index):
        assert 0 <= chunks.blob_index.min() <= chunks.blob_index.max() < len(tables.blobs)
