"""`prefetch`: of made-up tables too."""

from contextlib import contextmanager

import pytest
from tests.verbs.inspect import recorded
from tests.verbs.inspect.comparison import as_json, opened

from rafsight.access.session import open_image
from rafsight.verbs.inspect.metadata import list_prefetch

TABLES = {"v5-lz4-sha256-fs": 0x2360, "v6-lz4-sha256-4k-fs": 0x1100}


@contextmanager
def with_table(name, tmp_path, *inos):
    """The image with another beginning of its prefetch table."""
    content = bytearray((recorded.GOLDEN / name / "image.boot").read_bytes())
    for index, ino in enumerate(inos):
        start = TABLES[name] + 4 * index
        content[start : start + 4] = ino.to_bytes(4, "little")
    path = tmp_path / "image.boot"
    path.write_bytes(content)
    with open_image(f"boot:{path}") as image:
        yield image


def hard_linked(name):
    with opened(name) as image:
        row = image.tree.lookup(b"h3")
        return int(image.tree.entries.ino[row])


@pytest.mark.parametrize("name", TABLES)
def test_all_paths_of_a_hard_link_are_listed(name, tmp_path):
    ino = hard_linked(name)
    with with_table(name, tmp_path, ino, ino) as image:
        first, second, *_ = as_json(list_prefetch(image))
    with opened(name) as image:
        tree = image.tree
        links = ["/" + tree.path(row).decode() for row in tree.walk() if tree.entries.ino[row] == ino]
    assert len(links) == 3
    assert first == second == {"inode": ino, "path": links}


@pytest.mark.parametrize("name", TABLES)
def test_an_inode_that_does_not_exist_has_no_path(name, tmp_path):
    with with_table(name, tmp_path, 999_999_999) as image:
        answer = list_prefetch(image)
    assert as_json(answer)[0] == {"inode": 999_999_999, "path": []}
    assert [len(entry.paths) for entry in answer.entries] == [0, 1, 1, 1, 1]


@pytest.mark.parametrize("name", TABLES)
def test_paths_that_are_no_text_are_there_twice(name, tmp_path):
    with opened(name) as image:
        row = image.tree.lookup(b"raw-\xff\xfe")
        ino = int(image.tree.entries.ino[row])
    with with_table(name, tmp_path, ino, 0) as image:
        (entry,) = as_json(list_prefetch(image))
    assert entry == {"inode": ino, "path": ["/raw-\ufffd\ufffd"], "path_b64": ["L3Jhdy3//g=="]}
