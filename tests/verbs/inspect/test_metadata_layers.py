"""An image of plain layers has no RAFS metadata: its tree answers, and what it does not have is said."""

import pytest
from tests.access.test_layers import tar_of, write_image
from tests.verbs.inspect.comparison import as_json, opened

from rafsight.access.session import open_image
from rafsight.reports.inspection.metadata_render import RENDERERS
from rafsight.reports.inspection.renderer import Sheet
from rafsight.reports.paint import Painter
from rafsight.verbs.inspect.chunks import NoChunks
from rafsight.verbs.inspect.metadata import (
    check_inode,
    describe_entry,
    find_chunks,
    list_blobs,
    list_directory,
    list_found,
    list_prefetch,
    read_stats,
    read_superblock,
)


@pytest.fixture
def layers(tmp_path):
    folder = write_image(tmp_path, tar_of({"etc/a": b"lower", "b": b"bytes"}), tar_of({"etc/a": b"upper"}))
    with open_image(f"oci:{folder}") as image:
        yield image


def text_of(answer):
    painter = Painter(colour=False, unicode=True)
    return painter.paint(RENDERERS[type(answer)].to_lines(answer, Sheet(width=100, painter=painter)))


def test_the_head(layers):
    assert as_json(read_stats(layers)) == {"inodes_count": 4}
    text = text_of(read_stats(layers))
    assert text == "Format        OCI layers\nInodes count  4\nRoot inode    1\n"
    said = as_json(read_superblock(layers))
    assert (said["format"], said["inode_count"], said["blob_count"]) == ("OCI layers", 4, 2)
    for key in ("version", "chunk_size", "flags", "flag_names", "prefetch_count"):
        assert said[key] is None
    assert "0" not in text_of(read_superblock(layers))


def test_layers_as_blobs(layers):
    rows = as_json(list_blobs(layers))
    with opened("v6-none") as other:
        assert [row.keys() for row in rows] == [as_json(list_blobs(other))[0].keys()] * 2
    sizes = [layer.size for layer in layers.identity.classified.manifest.layers]
    assert [row.pop("blob_id") and row.pop("compressed_size") for row in rows] == sizes
    assert rows == [dict.fromkeys(("decompressed_size", "readahead_offset", "readahead_size"))] * 2
    text = text_of(list_blobs(layers))
    assert text.count("  Compressor  gzip\n") == 2
    for word in ("Prefetch", "Meta", "Chunk", "Cipher", "ToC", "Features", "Mapped"):
        assert word not in text


def test_the_tree(layers):
    facts = as_json(describe_entry(layers, layers.tree.lookup(b"etc/a")))
    with opened("v6-none") as other:
        assert facts.keys() == as_json(describe_entry(other, other.tree.lookup(b"hl"))).keys()
    assert (facts["size"], facts["blocks"], facts["digest"], len(facts["chunks"])) == (5, 1, None, 1)
    assert [one["name"] for one in as_json(list_directory(layers, 0))] == ["b", "etc"]
    assert [one["path"] for one in as_json(list_found(layers, b"a"))] == ["/etc/a"]
    assert [one["path"] for one in as_json(check_inode(layers, facts["inode"]))["names"]] == ["/etc/a"]
    assert list_prefetch(layers).entries == ()


def test_layers_have_no_chunks(layers):
    facts = as_json(describe_entry(layers, layers.tree.lookup(b"etc/a")))
    (chunk,) = facts["chunks"]
    unknown = ("chunk_index", "compressed_offset", "compressed_size", "chunk_id")
    assert [chunk[key] for key in unknown] == [None] * 4
    assert (chunk["blob_index"], chunk["decompressed_size"]) == (1, 5)
    text = text_of(describe_entry(layers, layers.tree.lookup(b"etc/a")))
    where = f"  Blob 1  {chunk['blob_id']}  at {chunk['decompressed_offset']} of the decompressed layer\n"
    assert text.endswith(f"Chunks: none, the content lies in a tar layer\n{where}")
    with pytest.raises(NoChunks, match="layers have no chunks"):
        find_chunks(layers, 0, chunk["blob_id"])
