"""What images of strangers may say, and no file of this machine can be."""

import dataclasses
import os

import numpy as np
import pytest

from rafsight.formats.tables import Xattr
from rafsight.formats.tar import read_members
from rafsight.image.tree import ImageTree
from rafsight.testing.trees import Link, build_image
from rafsight.views.export.delivery import Piece
from rafsight.views.export.directory_writer import DirectoryWriter
from rafsight.views.export.order import order_entries
from rafsight.views.export.tally import Omission, Tally
from rafsight.views.export.tar_writer import TarWriter

FILES = {b"a": b"content", b"d/b": b"", b"d/l": Link(b"../../../etc/passwd")}
ODD = (Xattr(name=b"user.a\0b", value=b""), Xattr(name=b"", value=b""), Xattr(name=b"user." + b"x" * 300, value=b""))


def tree_of(*, xattrs=(), **columns):
    tables = build_image(FILES).tables
    count = len(tables.entries.mode)
    changed = {name: np.full(count, value, getattr(tables.entries, name).dtype) for name, value in columns.items()}
    entries = dataclasses.replace(tables.entries, xattr_size=np.full(count, int(bool(xattrs)), np.int32), **changed)
    return ImageTree(dataclasses.replace(tables, entries=entries, read_xattrs=lambda area: tuple(xattrs)))


def write(writer, tree):
    for node in order_entries(tree):
        writer.put(node, iter([Piece(node.size, FILES[node.path])] if node.has_content and node.size else []))
    writer.finish()


def to_folder(tree, folder):
    tally, root = Tally(), os.open(folder, os.O_RDONLY)
    writer = DirectoryWriter(tree, root, tally)
    try:
        write(writer, tree)
    finally:
        writer.close()
        os.close(root)
    return {one.what: one.count for one in tally.result().omitted}


def to_tar(tree):
    tally, pieces = Tally(), []
    write(TarWriter(tree, pieces.append, tally), tree)
    return list(read_members(iter([b"".join(pieces)]), where="test")), {o.what: o.count for o in tally.result().omitted}


def test_attributes_with_impossible_names_are_left_out(tmp_path):
    good = Xattr(name=b"user.good", value=b"value")
    tree = tree_of(xattrs=(good, *ODD))
    members, omitted = to_tar(tree)
    assert {member.xattrs for member in members} == {(good,)}
    assert omitted == {Omission.XATTR: 3 * len(tree)}
    assert to_folder(tree, tmp_path)[Omission.XATTR] >= 3 * len(tree)
    assert (tmp_path / "a").read_bytes() == b"content"


@pytest.mark.parametrize("column", ["uid", "gid"])
def test_an_owner_that_nobody_can_be_is_told(column, tmp_path):
    tree = tree_of(**{column: 0xFFFFFFFF})
    members, omitted = to_tar(tree)
    assert {getattr(member, column) for member in members} == {0xFFFFFFFF}
    assert omitted == {}
    assert to_folder(tree, tmp_path)[Omission.OWNER] == len(tree)


@pytest.mark.parametrize("seconds", [2**61, -(2**61), 2**33, -1])
def test_times_far_away_end_nothing(seconds, tmp_path):
    tree = tree_of(mtime=seconds)
    members, _ = to_tar(tree)
    assert {member.mtime for member in members} == {seconds * 10**9}
    to_folder(tree, tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "d", "l"]


def test_a_mode_without_a_type_is_left_out(tmp_path):
    tree = tree_of()
    mode = tree.entries.mode.copy()
    mode[tree.lookup(b"d/b")] = 0o644
    tree = ImageTree(dataclasses.replace(tree.tables, entries=dataclasses.replace(tree.entries, mode=mode)))
    members, omitted = to_tar(tree)
    assert b"d/b" not in {member.name for member in members}
    assert omitted == {Omission.UNKNOWN_KIND: 1}
    assert to_folder(tree, tmp_path)[Omission.UNKNOWN_KIND] == 1
    assert not (tmp_path / "d/b").exists()


def test_links_that_lead_out_are_links_and_nothing_more(tmp_path):
    to_folder(tree_of(), tmp_path)
    assert str((tmp_path / "d/l").readlink()) == "../../../etc/passwd"
