import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from rafsight.base.errors import Defect
from rafsight.formats.tables import Placement
from rafsight.image.assemble import Assembler
from rafsight.image.plan import FileRange, plan_reads, wanted_extents
from rafsight.image.tree import ImageTree
from rafsight.testing.trees import build_image


def plan_for(image, wanted, **knobs):
    tree = ImageTree(image.tables)
    extents = wanted_extents(tree, wanted)
    rows = np.concatenate([*extents, np.empty(0, dtype=np.int64)]).astype(np.int64)
    policy = {"max_gap": 0, "max_waste": 1.0, "max_request": 1 << 20} | knobs
    return tree, extents, plan_reads(tree, image.placement, rows, **policy)


def read_all(image, wanted, **knobs):
    """Execute a plan by hand, as access does it."""
    tree, extents, plan = plan_for(image, wanted, **knobs)
    assembler = Assembler(tree, wanted, extents)
    result = {index: assembler.content(index) for index in assembler.ready_at_once()}
    for part in plan.ranges:
        stored = image.blob[part.offset : part.offset + part.size]
        for unit in part.units.tolist():
            start = int(image.placement.units.offset[unit]) - part.offset
            piece = stored[start : start + int(image.placement.units.stored_size[unit])]
            for chunk in plan.chunks_of(unit).tolist():
                for index in assembler.add(chunk, piece):
                    result[index] = assembler.content(index)
    return plan, [result[index] for index in range(len(wanted))]


CONTENTS = some.lists(
    some.binary(max_size=40) | some.sampled_from([b"", b"aaaa" * 9, b"abcd" * 5]), min_size=1, max_size=8
)


@settings(deadline=None, max_examples=200)
@given(
    contents=CONTENTS,
    picks=some.lists(some.tuples(some.integers(0, 7), some.integers(0, 50), some.none() | some.integers(0, 50))),
    gap=some.integers(0, 5),
    max_gap=some.integers(0, 20),
    waste=some.floats(0, 2),
    request=some.integers(1, 60),
)
def test_a_plan_covers_and_assembling_equals(contents, picks, gap, max_gap, waste, request):
    files = {b"f%d" % index: content for index, content in enumerate(contents)}
    image = build_image(files, chunk_size=7, gap=gap)
    tree = ImageTree(image.tables)
    wanted, expected = [], []
    for pick, offset, size in picks:
        name = b"f%d" % (pick % len(contents))
        wanted.append(FileRange(row=tree.lookup(name), offset=offset, size=size))
        expected.append(files[name][offset : None if size is None else offset + size])
    plan, got = read_all(image, wanted, max_gap=max_gap, max_waste=waste, max_request=request)
    assert got == expected
    assert plan.price.bytes_fetched <= plan.price.bytes_needed * (1 + waste) + 1
    for part in plan.ranges:
        assert part.size <= max(request, 7)


def test_neighbours_become_one_request():
    image = build_image({b"a": b"1" * 10, b"b": b"2" * 10, b"c": b"3" * 10}, gap=4)
    tree = ImageTree(image.tables)
    wanted = [FileRange(row=tree.lookup(name)) for name in (b"a", b"b", b"c")]
    _, _, apart = plan_for(image, wanted, max_gap=3)
    _, _, joined = plan_for(image, wanted, max_gap=4)
    assert (apart.price.requests, apart.price.bytes_fetched) == (3, 30)
    assert (joined.price.requests, joined.price.bytes_fetched, joined.price.bytes_needed) == (1, 38, 30)


def test_the_budget_of_waste_is_spent_on_the_smallest_gaps():
    image = build_image({b"a": b"1" * 100, b"b": b"2" * 100, b"x": b"3" * 40, b"y": b"4" * 100}, gap=4)
    tree = ImageTree(image.tables)
    wanted = [FileRange(row=tree.lookup(name)) for name in (b"a", b"b", b"y")]
    _, _, plan = plan_for(image, wanted, max_gap=1000, max_waste=0.02)
    assert [part.size for part in plan.ranges] == [204, 100]


def test_a_hole_is_zeros_and_an_empty_file_is_empty():
    image = build_image({b"e": b""})
    tree = ImageTree(image.tables)
    _, got = read_all(image, [FileRange(row=tree.lookup(b"e"))])
    assert got == [b""]


def test_a_chunk_without_a_place_is_a_defect():
    image = build_image({b"a": b"1"})
    nowhere = Placement(
        unit_index=np.full(1, -1),
        unit_offset=image.placement.unit_offset,
        units=image.placement.units,
        dictionaries=(b"",),
    )
    tree = ImageTree(image.tables)
    rows = np.zeros(1, dtype=np.int64)
    with pytest.raises(Defect):
        plan_reads(tree, nowhere, rows, max_gap=0, max_waste=0, max_request=1)
