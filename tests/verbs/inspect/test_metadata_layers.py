"""An image of plain layers has no RAFS metadata: its tree answers, and what it does not have is said."""

import pytest
from tests.access.test_layers import tar_of, write_image
from tests.verbs.inspect.comparison import as_json, opened

from rafsight.access.session import open_image
from rafsight.reports.inspection.metadata_render import RENDERERS
from rafsight.reports.inspection.renderer import Sheet
from rafsight.reports.paint import Painter
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
    assert "OCI layers\n" in text
    for table in ("Blob table    ", "Prefetch table", "Chunk table   "):
        assert f"{table}  none\n" in text
    assert as_json(read_superblock(layers))["format"] == "OCI layers"
    assert len(as_json(list_blobs(layers))) == as_json(read_superblock(layers))["blob_count"] == 2


def test_the_tree(layers):
    facts = as_json(describe_entry(layers, layers.tree.lookup(b"etc/a")))
    with opened("v6-none") as other:
        assert facts.keys() == as_json(describe_entry(other, other.tree.lookup(b"hl"))).keys()
    assert (facts["size"], facts["blocks"], facts["digest"], len(facts["chunks"])) == (5, 1, None, 1)
    assert [one["name"] for one in as_json(list_directory(layers, 0))] == ["b", "etc"]
    assert [one["path"] for one in as_json(list_found(layers, b"a"))] == ["/etc/a"]
    assert [one["path"] for one in as_json(check_inode(layers, facts["inode"]))["names"]] == ["/etc/a"]
    assert list_prefetch(layers).entries == ()


def test_chunks_go_by_layer(layers):
    facts = as_json(describe_entry(layers, layers.tree.lookup(b"etc/a")))
    (chunk,) = facts["chunks"]
    said = as_json(find_chunks(layers, chunk["compressed_offset"], chunk["blob_id"]))
    assert [name["path"] for use in said["files"] for name in use["names"]] == ["/etc/a"]
    assert " none\n" in text_of(describe_entry(layers, layers.tree.lookup(b"etc/a")))
