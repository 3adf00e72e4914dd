import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from rafsight.reports.paint import Painter, Span, Style, beside, clip, styled, take_cells, wrap

PRINTABLE = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Me", "Mc")))


@settings(deadline=None, max_examples=200)
@given(text=PRINTABLE, width=st.integers(2, 50))
def test_wrapping_keeps_the_text_and_the_width(text, width):
    lines = wrap(text, width)
    assert lines
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split(" ")) == "".join(text.split(" "))


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 5, [""]),
        ("one two three", 7, ["one two", "three"]),
        ("3.0.15-1~deb12u1", 10, ["3.0.15-1~", "deb12u1"]),
        (
            "https://nvd.nist.gov/vuln/detail/CVE-2018-1000656",
            40,
            ["https://nvd.nist.gov/vuln/detail/", "CVE-2018-1000656"],
        ),
        ("aaaaaaaaaa", 4, ["aaaa", "aaaa", "aa"]),
        ("漢字漢字", 5, ["漢字", "漢字"]),
    ],
)
def test_breaks_where_a_reader_would(text, width, lines):
    assert wrap(text, width) == lines


def test_a_character_wider_than_the_column_still_moves_on():
    assert take_cells("漢字", 1) == "漢"


def test_clip_shows_that_something_was_cut():
    assert clip(["aaaa", "bbbb", "cc"], 2, 4, "…") == ["aaaa", "bbb…"]
    assert clip(["aaaa"], 2, 4, "…") == ["aaaa"]


def test_blocks_stand_beside_each_other():
    painter = Painter(colour=False, unicode=True)
    lines = beside([(3, styled(["a", "b"])), (2, []), (4, styled(["漢", "d", "e"]))])
    assert painter.paint(lines) == "a        漢\nb        d\n         e\n"


def test_colour_ends_where_it_began():
    painter = Painter(colour=True, unicode=True)
    assert painter.paint([(Span("x", Style.HIGH), Span("y"))]) == "\x1b[31mx\x1b[0my\n"


def test_foreign_text_is_one_printable_line():
    painter = Painter(colour=False, unicode=False)
    assert painter.safe("a\r\n b\x1b[0m\u202e漢") == "a b\\x1b[0m\\u202e\\u6f22"
    assert painter.safe("x" * 500, 10) == "xxxxxxxxx..."
