"""Parts of an index that others make: with workers that only pretend, and with the part maker of a worker in this process."""

import pytest
from tests.hunt.fleets import make_layout

from rafsight.access.fetch import threads
from rafsight.access.fleet import Fleet
from rafsight.access.options import Options
from rafsight.base.events import silent
from rafsight.hunt.index.making import DistantParts, IndexTerms, Made, NotShared, join_index
from rafsight.hunt.index.manifest import StoredFile, StoredPart
from rafsight.hunt.index.places import LocalPlace
from rafsight.hunt.index.snapshot import Shelf
from rafsight.hunt.index.taking import Wanted
from rafsight.hunt.sending import WorkerUnfit
from rafsight.hunt.site import Site
from rafsight.hunt.spreading import Done, Fault, FaultKind
from rafsight.hunt.wire import Parcel, pack, unpack


@pytest.fixture
def maker(tmp_path):
    """A worker that makes parts of an index."""
    with threads(2, name="test") as pool:
        fleet = Fleet(Options(), pool=pool)
        site = Site(options=Options(), fleet=fleet, jobs=2, listener=silent)
        with join_index(pack(IndexTerms(url=str(tmp_path / "index"), all_platforms=False)).content, site) as maker:
            yield maker
        fleet.close()


@pytest.fixture
def wanted(maker, tmp_path):
    layout = make_layout(tmp_path / "app", {f"v{number}": {b"a": b"x" * (number + 1)} for number in range(7)})
    names = [f"oci:{layout}:v{number}" for number in range(7)]
    return [Wanted(tree=f"tree {name}", lead=maker.resolve(name)[0], name=name) for name in names]


class Pretending:
    """A crew whose workers die of some trees."""

    def __init__(self, maker, deadly=(), fault=None):
        self._maker = maker
        self._deadly = deadly
        self._fault = fault

    def together(self, count, most):
        return 3

    def spread(self, work, items):
        for item in items:
            if self._fault is not None:
                yield Done(item, None, self._fault)
            elif any(one.name.endswith(self._deadly) for one in item):
                yield Done(
                    item, None, Fault(kind=FaultKind.FAILED, code="ends-workers", message="they died", advice="")
                )
            else:
                made = unpack(pack(work.do(self._maker, unpack(pack(item), work.item))), work.result)
                yield Done(item, made, None)


def parts_of(tmp_path, crew, place="index"):
    place = LocalPlace(tmp_path / place)
    return DistantParts(place=place, shelf=Shelf(place, None, tmp_path), crew=crew)


def test_parts_come_and_none_ends_it(maker, wanted, tmp_path):
    made = list(parts_of(tmp_path, Pretending(maker)).made(wanted))
    assert [{row.tree for row in one.trees} for one in made] == [
        {one.tree for one in wanted[at : at + 3]} for at in (0, 3, 6)
    ]
    assert not any(one.is_last for one in made)
    assert [one.part.trees.rows for one in made] == [3, 3, 1]


def test_a_tree_that_ends_workers_costs_no_other_one(maker, wanted, tmp_path):
    made = list(parts_of(tmp_path, Pretending(maker, ":v4")).made(wanted))
    taken = {row.tree for one in made for row in one.trees}
    assert taken == {one.tree for one in wanted} - {wanted[4].tree}
    assert {tree: fault.code for one in made for tree, fault in one.faults.items()} == {wanted[4].tree: "ends-workers"}


def test_an_image_that_fails_is_told_by_its_tree(maker, wanted, tmp_path):
    gone = wanted[1].lead.bootstrap.digest.partition(":")[2]
    (tmp_path / "app/blobs/sha256" / gone).unlink()
    made = list(parts_of(tmp_path, Pretending(maker)).made(wanted))
    assert [list(one.faults) for one in made] == [[wanted[1].tree], [], []]
    assert sum(len(one.trees) for one in made) == 6


def test_a_place_that_is_another_one_for_workers_is_refused(maker, wanted, tmp_path):
    with pytest.raises(NotShared, match="elsewhere"):
        list(parts_of(tmp_path, Pretending(maker), "elsewhere").made(wanted))


def test_a_worker_that_cannot_write_ends_it(maker, wanted, tmp_path):
    fault = Fault(kind=FaultKind.FAILED, code="no-scratch", message="no room", advice="make some")
    with pytest.raises(WorkerUnfit, match="no room") as caught:
        list(parts_of(tmp_path, Pretending(maker, fault=fault)).made(wanted))
    assert "make some" in caught.value.advice


def test_what_is_made_can_travel():
    file = StoredFile(name="n", size=1, digest="d", rows=1)
    fault = Fault(kind=FaultKind.MISSING, code="c", message="m", advice="a")
    made = Made(part=StoredPart(entries=file, spans=file, trees=file), trees=(), faults={"t": fault}, is_last=True)
    assert unpack(Parcel(pack(made).content), Made) == made
