import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.formats.records import Record, load_words, octets_field, octets_of, ragged, sizes_to_nul
from rafsight.formats.tables import MalformedImage

PAIR = Record("pair", size=6, fields=(("left", "<u4", "a number"), ("right", "V2", "two bytes")))


def test_rows_are_a_view():
    content = bytes(range(20))
    rows = PAIR.rows(content, 2, 3, "pairs")
    assert rows["left"].tolist() == [0x05040302, 0x0B0A0908, 0x11100F0E]
    assert not rows.flags.writeable
    assert octets_field(rows, "right").tolist() == [[6, 7], [12, 13], [18, 19]]


@pytest.mark.parametrize(("offset", "count"), [(0, 4), (15, 1), (-1, 1), (21, 0), (0, 1 << 70), (1 << 70, 1), (0, -1)])
def test_rows_stay_inside(offset, count):
    with pytest.raises(MalformedImage, match="pairs: needs"):
        PAIR.rows(bytes(20), offset, count, "pairs")


def test_no_rows_at_the_end():
    assert len(PAIR.rows(bytes(20), 20, 0, "pairs")) == 0
    assert len(PAIR.rows(b"", 0, 0, "pairs")) == 0
    assert octets_field(PAIR.rows(b"", 0, 0, "pairs"), "right").shape == (0, 2)


@given(content=st.binary(max_size=40), offsets=st.lists(st.integers(-9, 40), max_size=9))
def test_gather_is_rows_one_by_one(content, offsets):
    octets = octets_of(content)
    try:
        expected = [PAIR.rows(content, offset, 1, "pairs")[0] for offset in offsets]
    except MalformedImage:
        with pytest.raises(MalformedImage):
            PAIR.gather(octets, np.array(offsets, np.int64), "pairs")
        return
    gathered = PAIR.gather(octets, np.array(offsets, np.int64), "pairs")
    assert [row.tobytes() for row in gathered] == [row.tobytes() for row in expected]


@given(content=st.binary(min_size=1, max_size=40), data=st.data())
def test_words_are_little_endian_with_zeros_after_the_end(content, data):
    offsets = data.draw(st.lists(st.integers(0, len(content) - 1), max_size=9))
    sizes = [data.draw(st.integers(0, 12)) for _ in offsets]
    octets = octets_of(content)
    places = np.array(offsets, np.int64)
    whole = [int.from_bytes(content[offset : offset + 8], "little") for offset in offsets]
    assert load_words(octets, places).tolist() == whole
    cut = [
        int.from_bytes(content[offset : offset + min(8, size)], "little")
        for offset, size in zip(offsets, sizes, strict=True)
    ]
    assert load_words(octets, places, np.array(sizes, np.int64)).tolist() == cut


@given(content=st.binary(min_size=1, max_size=60).map(lambda b: b.replace(b"\1", b"\0")), data=st.data())
def test_texts_end_at_their_first_nul(content, data):
    many = data.draw(st.sampled_from([1, 50]))  # both ways to search
    offsets = data.draw(st.lists(st.integers(0, len(content) - 1), max_size=9)) * many
    sizes = [data.draw(st.integers(0, len(content) - offset)) for offset in offsets[: len(offsets) // many]] * many
    found = sizes_to_nul(octets_of(content), np.array(offsets, np.int64), np.array(sizes, np.int64), 255)
    texts = [content[offset : offset + size] for offset, size in zip(offsets, sizes, strict=True)]
    assert found.tolist() == [len(text.partition(b"\0")[0]) for text in texts]


def test_texts_are_not_searched_past_the_limit():
    octets = octets_of(b"a" * 40 + b"\0" * 10)
    for many in (1, 50):
        offsets, sizes = np.zeros(many, np.int64), np.full(many, 50)
        assert sizes_to_nul(octets, offsets, sizes, 255).tolist() == [40] * many
        assert sizes_to_nul(octets, offsets, sizes, 16).tolist() == [50] * many


@given(st.lists(st.integers(0, 5), max_size=9))
def test_ragged_lays_groups_side_by_side(counts):
    group, ordinal = ragged(np.array(counts, np.int64))
    expected = [(index, member) for index, count in enumerate(counts) for member in range(count)]
    assert list(zip(group.tolist(), ordinal.tolist(), strict=True)) == expected


def test_gather_names_the_first_row_that_is_outside():
    octets = np.zeros(20, np.uint8)
    with pytest.raises(MalformedImage, match=r"pair, row 1: lies outside the file \(at byte 15\)"):
        PAIR.gather(octets, np.array([14, 15, 80]), "pair")
    with pytest.raises(MalformedImage, match="row 0"):
        PAIR.gather(octets, np.array([-1, 0]), "pair")
