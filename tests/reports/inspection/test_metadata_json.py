"""The JSON of answers about metadata: one form for both RAFS versions, and for every kind of answer."""

import dataclasses
import json

import pytest
from tests.verbs.inspect import recorded
from tests.verbs.inspect.comparison import as_json, opened

from rafsight.reports.inspection import metadata as answers
from rafsight.reports.inspection.metadata_json import sign_of
from rafsight.reports.inspection.metadata_render import RENDERERS
from rafsight.verbs.inspect.metadata import check_inode, describe_entry, find_chunks, list_blobs

PAIRS = [("v5-zstd", "v6-zstd"), ("v5-none", "v6-none"), ("tar-rafs-v5", "tar-rafs-v6"), ("v5-nodata", "v6-nodata")]


def shape(value):
    """The keys of a JSON value, without its values."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items() if not key.endswith("_b64")}
    return [shape(one) for one in value[:1]] if isinstance(value, list) else None


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_both_versions_have_the_same_keys(old, new):
    with opened(old) as first, opened(new) as second:
        for path in {first.tree.path(row) for row in first.tree.walk()}:
            rows = [image.tree.lookup(path, follow=False) for image in (first, second)]
            one, two = (as_json(describe_entry(image, row)) for image, row in zip((first, second), rows, strict=True))
            assert shape(one) == shape(two)
            same = {"path", "name", "kind", "mode", "permissions", "nlink", "uid", "gid", "mtime", "mtime_nsec",
                    "name_count", "target", "device", "xattrs"}  # fmt: skip
            if path:
                assert {key: one[key] for key in same} == {key: two[key] for key in same}
        assert shape(as_json(find_chunks(first, 0))) == shape(as_json(find_chunks(second, 0)))
        roots = [as_json(check_inode(image, image.head.superblock.root_ino)) for image in (first, second)]
        assert shape(roots[0]) == shape(roots[1])


@pytest.mark.parametrize("name", recorded.NAMES)
def test_answers_are_json(name):
    with opened(name) as image:
        for answer in (list_blobs(image), find_chunks(image, 0), describe_entry(image, 0)):
            said = as_json(answer)
            assert json.loads(json.dumps(said)) == said


def test_every_answer_has_a_renderer():
    parts = {
        answers.TablePlace, answers.BlobFacts, answers.ListedEntry, answers.ChunkFacts, answers.EntryAttributes,
        answers.XattrFacts, answers.InodeContent, answers.PrefetchEntry, answers.ChunkUse,
    }  # fmt: skip
    kinds = {one for one in vars(answers).values() if isinstance(one, type) and dataclasses.is_dataclass(one)}
    assert set(RENDERERS) == kinds - parts


def test_a_search_has_paths_where_a_directory_has_names():
    entries = (answers.ListedEntry(ino=3, kind="socket", name=b"a/\xff"),)
    assert as_json(answers.Listing(entries=entries, has_paths=True)) == [
        {"inode": 3, "sign": " ", "kind": "socket", "path": "/a/\ufffd", "path_b64": "L2Ev/w=="}
    ]
    assert as_json(answers.Listing(entries=entries, has_paths=False))[0]["name"] == "a/\ufffd"


def test_signs():
    assert [sign_of(kind) for kind in ("file", "directory", "symlink", "char", "fifo")] == ["-", "d", "l", " ", " "]
