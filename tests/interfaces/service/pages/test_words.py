import pytest

from rafsight.interfaces.service.pages import words
from rafsight.interfaces.service.pages.rendering import Renderer

DAY = 86_400


def test_a_moment_for_people_and_machines():
    assert str(words.moment(1_796_000_061_500)) == ('<time datetime="2026-11-30T00:54:21Z">2026-11-30 00:54</time>')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-23T08:00:00Z", '<time datetime="2026-11-23T08:00:00Z">2026-11-23</time>'),
        ("2026-11-23", '<time datetime="2026-11-23">2026-11-23</time>'),
        ("<b>", "<b>"),
        ("", ""),
        ("x" * 100, "x" * 39 + "\u2026"),
    ],
)
def test_a_day(text, shown):
    assert words.day(text) == shown
    assert hasattr(words.day(text), "__html__") == (text[:4] == "2026")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 seconds"), (90, "90 seconds"), (3 * 3600, "3 hours"), (1.9 * DAY, "1 day"), (11.8 * DAY, "11 days"), (-5, "0 seconds")],
)  # fmt: skip
def test_how_long_ago(seconds, shown):
    assert words.ago(1_000_000_000, now=1_000_000 + seconds) == f"{shown} ago"


def test_spans_counts_and_digests():
    assert [words.span(ms) for ms in (-1, 1700, 59_940, 120_000)] == ["0.0 s", "1.7 s", "59.9 s", "2 minutes"]
    assert words.counted(1, "image") == "1 image"
    assert words.counted(1234, "image") == "1,234 images"
    assert words.counted(2, "entry", "entries") == "2 entries"
    assert words.digest_name("sha256:" + "a" * 64) == "sha256:aaaaaaaaaaaa"
    assert words.digest_name("x" * 300) == "x" * 12


def test_values_are_shown_not_obeyed():
    assert words.shown(None) == ""
    assert words.shown(7) == 7
    assert words.shown(b"a\xff") == "a\\xff"
    assert words.shown("\u202e<b>\x00") == "\\u202e<b>\\x00"
    assert words.shown("\udcff\ud800") == "\\xff\\ud800"


def test_addresses_are_quoted():
    renderer = Renderer("https://x.example/scan/")
    assert renderer.url("/image", registry="127.0.0.1:5000", tag="", x='"><\u202e', y="\udcff") == (
        "/scan/image?registry=127.0.0.1%3A5000&x=%22%3E%3C%E2%80%AE&y=%3F"
    )
    assert renderer.url('/reports/"/../x') == "/scan/reports/%22/../x"
