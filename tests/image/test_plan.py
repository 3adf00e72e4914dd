from dataclasses import replace

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
    policy = {"max_gap": 0, "max_waste": 1.0, "spare": 0, "max_request": 1 << 20, "max_content": 1 << 30} | knobs
    return tree, extents, plan_reads(image.placement, tree.tables.extents.chunk[rows], **policy)


def read_all(image, wanted, **knobs):
    """Execute a plan by hand, as access does it."""
    tree, extents, plan = plan_for(image, wanted, **knobs)
    assembler = Assembler(tree, wanted, extents)
    result = {index: assembler.content(index) for index in assembler.ready_at_once()}
    for part in plan.ranges:
        stored = image.blob[part.offset : part.offset + part.size]
        for unit, chunks in zip(part.units.tolist(), plan.chunks_of(part.units), strict=True):
            start = int(image.placement.units.offset[unit]) - part.offset
            piece = stored[start : start + int(image.placement.units.stored_size[unit])]
            for chunk in chunks:
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
    spare=some.integers(0, 30),
    request=some.integers(1, 60),
)
def test_a_plan_covers_and_assembling_equals(contents, picks, gap, max_gap, waste, spare, request):
    files = {b"f%d" % index: content for index, content in enumerate(contents)}
    image = build_image(files, chunk_size=7, gap=gap)
    tree = ImageTree(image.tables)
    wanted, expected = [], []
    for pick, offset, size in picks:
        name = b"f%d" % (pick % len(contents))
        wanted.append(FileRange(row=tree.lookup(name), offset=offset, size=size))
        expected.append(files[name][offset : None if size is None else offset + size])
    plan, got = read_all(image, wanted, max_gap=max_gap, max_waste=waste, spare=spare, max_request=request)
    assert got == expected
    assert plan.price.bytes_fetched <= plan.price.bytes_needed * (1 + waste) + spare + 1
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
    _, _, plan = plan_for(image, wanted, max_gap=1000, max_waste=0.02, spare=45)  # 4 + 48 are one too many
    assert [part.size for part in plan.ranges] == [204, 100]
    _, _, plan = plan_for(image, wanted, max_gap=1000, max_waste=0.02, spare=46)
    assert [part.size for part in plan.ranges] == [352]


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
        plan_reads(
            nowhere, tree.tables.extents.chunk[rows], max_gap=0, max_waste=0, spare=0, max_request=1, max_content=1
        )


def test_a_range_ends_where_it_would_become_too_much():
    image = build_image({b"a": b"1" * 10 + b"2" * 10 + b"3" * 10 + b"4" * 10}, chunk_size=10)
    units = replace(image.placement.units, decoded_size=np.array([60, 30, 50, 500], np.int64))
    image = replace(image, placement=replace(image.placement, units=units))
    tree = ImageTree(image.tables)
    _, _, plan = plan_for(image, [FileRange(row=tree.lookup(b"a"))], max_content=100)
    assert [(part.size, part.content_size) for part in plan.ranges] == [(20, 90), (10, 50), (10, 500)]


def test_units_that_overlap_are_paid_once_and_do_not_cut_what_follows():
    image = build_image({b"a": b"".join(bytes([number]) * 10 for number in range(4))}, chunk_size=10)
    image.placement.units.offset[:] = [0, 5, 100, 110]
    image.placement.units.stored_size[:] = [90, 10, 10, 10]  # the second lies inside the first
    tree = ImageTree(image.tables)
    _, _, plan = plan_for(image, [FileRange(row=tree.lookup(b"a"))], max_gap=10, max_request=90)
    assert [(part.offset, part.size, part.units.tolist()) for part in plan.ranges] == [
        (0, 90, [0, 1]),
        (100, 20, [2, 3]),
    ]
    assert plan.price.bytes_needed == 110


@given(
    segments=some.lists(some.tuples(some.integers(0, 5), some.integers(1, 5)), max_size=6),
    offset=some.integers(0, 70),
    size=some.none() | some.integers(0, 70),
)
@settings(deadline=None)
def test_the_extents_of_a_range_are_those_that_share_a_byte_with_it(segments, offset, size):
    image = build_image({b"a": b"x" * max(len(segments), 1)}, chunk_size=1)
    position, starts = 0, []
    for gap, length in segments:
        starts.append(position + gap)
        position += gap + length
    tables = replace(
        image.tables,
        extents=replace(
            image.tables.extents,
            file_offset=np.array(starts, np.int64),
            size=np.array([length for _, length in segments], np.int64),
        ),
        entries=replace(
            image.tables.entries,
            size=np.array([0, position + 3], np.int64),
            extent_count=np.array([0, len(segments)], np.int32),
        ),
    )
    stop = position + 3 if size is None else min(offset + size, position + 3)
    wanted = set(range(offset, stop))
    expected = [i for i, (_, length) in enumerate(segments) if wanted & set(range(starts[i], starts[i] + length))]
    (rows,) = wanted_extents(ImageTree(tables), [FileRange(row=1, offset=offset, size=size)])
    assert rows.tolist() == expected
