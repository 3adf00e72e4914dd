import itertools

from hypothesis import given
from hypothesis import strategies as st

from rafsight.analysis.ranges import merge_ranges, merge_runs, subtract_ranges

SIZE = 40
RANGES = st.lists(st.tuples(st.integers(0, 45), st.integers(0, 20)), max_size=6)


def covered(ranges, size=SIZE):
    return {place for offset, length in ranges for place in range(offset, min(offset + length, size))}


def is_normal(ranges):
    ends = [(offset, offset + length) for offset, length in ranges]
    return all(start < end for start, end in ends) and all(a[1] < b[0] for a, b in itertools.pairwise(ends))


@given(RANGES)
def test_merged_ranges_cover_the_same_and_do_not_touch(ranges):
    merged = merge_ranges(ranges, SIZE)
    assert covered(merged) == covered(ranges)
    assert is_normal(merged)


def test_negative_offsets_are_dropped():
    assert merge_ranges([(-5, 10), (3, 2)], SIZE) == ((3, 2),)


@given(RANGES, RANGES)
def test_what_is_left(ranges, known):
    wanted = merge_ranges(ranges, SIZE)
    left = subtract_ranges(wanted, known)
    assert covered(left) == covered(wanted) - covered(known)
    assert list(left) == sorted(left)


@given(RANGES)
def test_merged_runs_hold_the_same_bytes(ranges):
    content = bytes(range(SIZE))
    runs = merge_runs([(offset, content[offset : offset + length]) for offset, length in ranges])
    assert all(content[offset : offset + len(part)] == part for offset, part in runs)
    assert covered([(offset, len(part)) for offset, part in runs]) == covered(ranges)
    assert is_normal([(offset, len(part)) for offset, part in runs])
