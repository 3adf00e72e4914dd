"""Lines stay on the sheet, whatever is written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.reports.inspection.content_samples import sheet_of, text_of

from rafsight.reports.inspection.bounded import facts, heading, table, wrapped

words = some.text(some.characters(categories=("L", "N", "P")), max_size=90)


@settings(deadline=None, max_examples=60)
@given(some.lists(some.tuples(some.text("abc ", min_size=1, max_size=12), words), max_size=4), some.integers(20, 120))
def test_facts(rows, width):
    text_of(facts(rows, sheet_of(width)), width)


@settings(deadline=None, max_examples=60)
@given(some.lists(some.tuples(words, words, words), max_size=4), some.integers(24, 120))
def test_tables(rows, width):
    text_of(table(("one", "two", "three"), rows, sheet_of(width)), width)


def test_facts_stand_beside_their_labels():
    rows = [("One", "1"), ("Longer", "a value of some words"), ("Empty", "")]
    assert text_of(facts(rows, sheet_of(32)), 32) == "  One     1\n  Longer  a value of some words\n"
    assert text_of(facts(rows, sheet_of(24)), 24) == "  One: 1\n  Longer: a value of\n   some words\n"


def test_a_long_value_is_cut():
    text = text_of(facts([("Made by", "word " * 100)], sheet_of(40), most_lines=2), 40)
    assert text.count("\n") == 2
    assert text.endswith("…\n")


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (31, "size  count  path\n1 MB      1  /a/long/path/of/a/\n             file\n"),
        (24, "size  count\n  path\n1 MB      1\n  /a/long/path/of/a/file\n"),
        (10, "/a/long/\npath/of/a/\nfile\n size 1\n MB, count\n 1\n"),
    ],
)
def test_a_table_gives_way(width, expected):
    rows = [("1 MB", "1", "/a/long/path/of/a/file")]
    assert text_of(table(("size", "count", "path"), rows, sheet_of(width)), width) == expected


def test_a_heading_is_apart():
    assert text_of(heading("What follows", sheet_of())) == "\nWhat follows\n"
    assert text_of(wrapped("one two", sheet_of(7), first="- ", rest="  "), 7) == "- one\n  two\n"
