import hashlib

import pytest
from blake3 import blake3

from rafsight.hunt.index.columns import ContentKind, TooLargeForIndex, columns_of
from rafsight.image.tree import ImageTree
from rafsight.testing.trees import Link, build_image

FILES = {b"a/b/one": b"x" * 100, b"a/empty": b"", b"a/many": b"y" * 9000, b"link": Link(b"a/b"), b"d": None}


def test_a_tree_as_columns():
    tree = ImageTree(build_image(FILES).tables)
    taken = columns_of(tree)
    paths = [
        b"/".join(part for part in (taken.directories[d], n) if part)
        for d, n in zip(taken.directory, taken.names, strict=True)
    ]
    assert paths == tree.paths()
    row = {path: number for number, path in enumerate(paths)}
    assert taken.targets == {row[b"link"]: b"a/b"}
    assert taken.xattrs == {}
    assert taken.content[row[b"a/empty"]].tobytes() == hashlib.sha256().digest()
    assert taken.content[row[b"a/many"]].tobytes() == tree.content_key(row[b"a/many"])
    assert taken.content_kind[row[b"a/many"]] == ContentKind.CHUNKS
    assert taken.content_kind[row[b"d"]] == taken.content_kind[row[b"link"]] == ContentKind.NONE
    digests = {ContentKind.SHA256: hashlib.sha256, ContentKind.BLAKE3: blake3}
    one = row[b"a/b/one"]
    assert taken.content[one].tobytes() == digests[ContentKind(taken.content_kind[one])](b"x" * 100).digest()


def test_what_is_too_large_is_refused():
    tree = ImageTree(build_image(FILES).tables)
    with pytest.raises(TooLargeForIndex, match="entries"):
        columns_of(tree, most_entries=3)
    with pytest.raises(TooLargeForIndex, match="folders"):
        columns_of(tree, paths_size=2)
