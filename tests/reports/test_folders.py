import stat

import pytest

import rafsight
from rafsight.reports.folders import folders_of
from rafsight.testing.registry import PLANTED


@pytest.fixture(scope="module")
def tree():
    with rafsight.open_image(f"oci:{PLANTED}:v6") as image:
        yield image.tree


def totals(tree):
    """Add up by walking: what the columns must come to."""
    found = {}
    for row in range(len(tree)):
        if not stat.S_ISREG(int(tree.entries.mode[row])) or int(tree.entries.link_row[row]) != row:
            continue
        home = b"/".join(tree.path(row).split(b"/")[:-1][:2])
        size, count = found.get(home, (0, 0))
        found[home] = (size + int(tree.entries.size[row]), count + 1)
    return found


def test_every_file_is_counted_once_in_its_folder(tree):
    found = folders_of(tree)
    assert {one.path: (one.size, one.file_count) for one in found} == totals(tree)
    assert [one.path for one in found] == sorted(one.path for one in found)


@pytest.mark.parametrize("most", [2, 4, 8])
def test_small_folders_count_for_those_above(tree, most):
    found = folders_of(tree, most=most)
    assert len(found) <= most + most // 2 + 1
    whole = totals(tree)
    assert sum(one.size for one in found) == sum(size for size, _ in whole.values())
    assert sum(one.file_count for one in found) == sum(count for _, count in whole.values())
    biggest = max(whole, key=lambda path: whole[path][0] if b"/" in path else 0)
    assert biggest in {one.path for one in found}
