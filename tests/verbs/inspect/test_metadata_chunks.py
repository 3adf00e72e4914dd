"""`chunk`: which files use what lies at an offset, in which blob."""

import pytest
from tests.verbs.inspect.comparison import as_json, opened

from rafsight.verbs.inspect.chunks import find_blob
from rafsight.verbs.inspect.metadata import NoSuchBlob, find_chunks, list_blobs

MERGED = ["merge-oci-v5", "merge-oci-v6"]


def paths_at(image, offset, blob=None):
    return {path for use in find_chunks(image, offset, blob).files for path in use.paths}


@pytest.mark.parametrize("name", MERGED)
def test_one_blob_alone(name):
    with opened(name) as image:
        blobs = list_blobs(image).blobs
        parts = [paths_at(image, 0, str(blob.index)) for blob in blobs]
        assert len(blobs) == 3
        assert [bool(part) for part in parts] == [True, False, True]
        assert paths_at(image, 0) == set().union(*parts)
        for blob, part in zip(blobs, parts, strict=True):
            uses = find_chunks(image, 0, blob.blob_id[:9])
            assert uses.blob_id == blob.blob_id
            assert {path for use in uses.files for path in use.paths} == part
            assert {chunk.blob_id for use in uses.files for chunk in use.chunks} <= {blob.blob_id}


@pytest.mark.parametrize("name", MERGED)
def test_a_blob_is_named_by_id_index_or_the_beginning_of_its_id(name):
    with opened(name) as image:
        blobs = image.head.blobs
        for blob in blobs:
            for said in (blob.blob_id, blob.blob_id[:4], str(blob.index)):
                assert find_blob(blobs, said) == blob
        for said in ("", "03", "00000", "-1", "²", "nope", blobs[0].blob_id + "0", "\udcff", blobs[0].blob_id[1:]):
            with pytest.raises(NoSuchBlob, match="it has 3, and no id begins with this"):
                find_chunks(image, 0, said)


def test_a_beginning_that_several_blobs_have_is_refused():
    with opened("merge-oci-v6") as image:
        twice = (image.head.blobs[0],) * 2
        with pytest.raises(NoSuchBlob, match="2 ids begin with it"):
            find_blob(twice, twice[0].blob_id[:5])
        assert find_blob(twice, twice[0].blob_id) is twice[0]


@pytest.mark.parametrize("offset", [-1, 999_999, (1 << 63) - 1, 1 << 63, 1 << 70])
def test_no_file_uses_what_is_not_there(offset):
    with opened("v6-zstd") as image:
        uses = find_chunks(image, offset)
        assert (uses.files, uses.compressed_offset) == ((), offset)


@pytest.mark.parametrize("name", ["v5-nodata", "v6-nodata"])
def test_an_image_without_blobs_has_no_chunks(name):
    with opened(name) as image:
        assert find_chunks(image, 0).files == ()
        with pytest.raises(NoSuchBlob):
            find_chunks(image, 0, "0")


@pytest.mark.parametrize("name", ["v5-none", "v6-none"])
def test_a_file_that_uses_a_chunk_often_stands_there_once(name):
    with opened(name) as image:
        row = image.tree.lookup(b"z")
        extents = image.tree.extent_rows(row)
        chunk = int(image.tree.tables.extents.chunk[extents.start])
        offset = int(image.tree.tables.chunks.compressed_offset[chunk])
        (use,) = find_chunks(image, offset).files
        assert use.paths == (b"z",)
        assert [one.file_offset for one in use.chunks] == [0, 4096, 8192, 12288]
        assert len({one.digest for one in use.chunks}) == 1


@pytest.mark.parametrize("name", ["v5-zstd", "v6-zstd", "v6-batch", "tar-tarfs"])
def test_every_chunk_of_every_file_is_found(name):
    """Ask for each offset; together the answers are all chunks of all files."""
    with opened(name) as image:
        tree = image.tree
        expected = set()
        for row in tree.walk():
            for extent in tree.extent_rows(row) if tree.is_file(row) else ():
                chunk = int(tree.tables.extents.chunk[extent])
                offset = int(tree.tables.chunks.compressed_offset[chunk])
                expected.add((offset, tree.path(row), int(tree.tables.extents.file_offset[extent])))
        found = {
            (offset, path, chunk.file_offset)
            for offset in {offset for offset, _, _ in expected}
            for use in find_chunks(image, offset).files
            for path in use.paths
            for chunk in use.chunks
        }
        assert found == expected
        assert expected


def test_json_says_what_was_asked():
    with opened("v6-none") as image:
        said = as_json(find_chunks(image, 7, "0"))
    assert said == {"compressed_offset": 7, "blob_id": image.head.blobs[0].blob_id, "files": []}
