import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.reports.page.treemap import Box, lay_out

SIDES = st.floats(1, 5000)
SIZES = st.lists(st.integers(1, 10**13), min_size=1, max_size=80).map(lambda sizes: sorted(sizes, reverse=True))


@given(sizes=SIZES, width=SIDES, height=SIDES)
def test_areas_are_in_proportion_and_fill_the_box(sizes, width, height):
    placed = lay_out(sizes, Box(3, 4, width, height))
    whole = width * height
    for size, box in zip(sizes, placed, strict=True):
        assert box.width * box.height == pytest.approx(size * whole / sum(sizes), rel=1e-3, abs=whole * 1e-9)
        assert box.x >= 3 - 1e-6
        assert box.y >= 4 - 1e-6
        assert box.x + box.width <= 3 + width * (1 + 1e-6) + 1e-6
        assert box.y + box.height <= 4 + height * (1 + 1e-6) + 1e-6


def test_rectangles_do_not_overlap_and_are_nearly_square():
    placed = lay_out([6, 6, 4, 3, 2, 2, 1], Box(0, 0, 600, 400))
    for index, one in enumerate(placed):
        assert max(one.width / one.height, one.height / one.width) < 3
        for other in placed[index + 1 :]:
            apart = (
                one.x + one.width <= other.x + 1e-6
                or other.x + other.width <= one.x + 1e-6
                or one.y + one.height <= other.y + 1e-6
                or other.y + other.height <= one.y + 1e-6
            )
            assert apart


def test_no_room_and_nothing_to_place():
    assert lay_out([], Box(0, 0, 10, 10)) == []
    assert lay_out([3, 1], Box(1, 2, 0, 10)) == [Box(1, 2, 0, 0)] * 2
