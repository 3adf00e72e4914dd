import random
from dataclasses import replace

import pytest
from tests.hunt.fleets import make_layout, named
from tests.hunt.index.trees import random_files, variant

from rafsight.hunt.index.compacting import ENOUGH
from rafsight.hunt.index.fleet_index import FleetIndex
from rafsight.hunt.index.generations import commit

EVERYTHING = "SELECT * EXCLUDE (modified) FROM files ORDER BY ALL"


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    chance = random.Random(5)
    base = random_files(chance, 30)
    images = {f"v{n}": variant(chance, base) | {b"number": b"%d" % n} for n in range(ENOUGH)}
    return make_layout(tmp_path_factory.mktemp("trees") / "layout", images)


def everything(index):
    with index.query(EVERYTHING) as result:
        return list(result.rows)


def build(index, layout, count):
    """Make a part for each image."""
    index.build(named(f"oci:{layout}:v0"))
    for number in range(1, count):
        index.update(named(f"oci:{layout}:v{number}"))


def test_many_small_parts_become_one_and_say_the_same(layout, tmp_path):
    index = FleetIndex(str(tmp_path / "index"))
    build(index, layout, 3)
    before, apart = everything(index), index.status()
    assert index.compact() is not None
    together = index.status()
    assert everything(index) == before
    assert (apart.parts, together.parts) == (3, 1)
    assert together.entries < apart.entries
    whole = FleetIndex(str(tmp_path / "whole"))
    whole.build(named(*(f"oci:{layout}:v{number}" for number in range(3))))
    stored = [[file.digest for part in one._newest().parts for file in part.files] for one in (index, whole)]
    assert stored[0] == stored[1]  # as if it had been built at once


def test_updates_compact_when_it_is_worth_it(layout, tmp_path):
    index = FleetIndex(str(tmp_path / "index"))
    build(index, layout, ENOUGH)
    status = index.status()
    assert (status.parts, status.trees, status.images) == (1, ENOUGH, ENOUGH)


def test_what_is_gone_for_long_is_forgotten_with_its_tree(layout, tmp_path):
    index = FleetIndex(str(tmp_path / "index"))
    index.build(named(f"oci:{layout}:v0", f"oci:{layout}:v1"))
    text = (layout / "index.json").read_text()
    try:
        (layout / "index.json").write_text(text.replace('"v1"', '"renamed"'))
        assert index.update(named()).gone == 1
    finally:
        (layout / "index.json").write_text(text)
    assert index.compact() is not None
    assert (index.status().gone, index.status().trees) == (1, 2)
    assert index.compact(keep_gone=-1) is not None
    assert (index.status().gone, index.status().trees, index.status().images) == (0, 1, 1)


def test_who_is_overtaken_changes_nothing(layout, tmp_path):
    index = FleetIndex(str(tmp_path / "index"))
    build(index, layout, 2)
    expected = everything(index)

    class Slow(type(index._place)):
        def put(self, name, source):
            super().put(name, source)
            if name.endswith("-trees.parquet") and not self.done:
                self.done = True
                FleetIndex(str(tmp_path / "index")).compact()

    slow = FleetIndex(str(tmp_path / "index"))
    slow._place = Slow(tmp_path / "index")
    slow._place.done = False
    assert slow.compact() is None
    assert everything(index) == expected
    named = {file.name for part in index._newest().parts for file in part.files}
    retired = {one.name for one in index._newest().retired}
    there = {f"parts/{path.name}" for path in (tmp_path / "index/parts").iterdir()}
    assert there - named - retired == set()


def test_a_damaged_part_stays_where_it_is(layout, tmp_path):
    index = FleetIndex(str(tmp_path / "index"))
    build(index, layout, 3)
    (path, *_) = sorted((tmp_path / "index/parts").glob("*-entries.parquet"))
    path.write_bytes(b"")
    assert index.compact() is not None
    assert index.status().parts == 2
    result = index.update(named(), verify=True)
    assert result.trees == 1
    assert len({row[0] for row in everything(index)}) == 3


def test_images_that_come_back_meanwhile_are_not_lost(layout, tmp_path):
    index = FleetIndex(str(tmp_path / "index"))
    index.build(named(f"oci:{layout}:v0", f"oci:{layout}:v1"))
    manifest = index._newest()
    assert commit(index._place, lambda newest: replace(newest, parts=())).parts == ()
    result = index.update(named())
    assert result.trees == 2  # its images had lost their trees
    assert index.status().failed == 0
    assert manifest.parts != index._newest().parts
