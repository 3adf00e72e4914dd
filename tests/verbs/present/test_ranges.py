"""Which bytes are sent."""

import pytest

from rafsight.verbs.present.ranges import choose_part

ETAG = '"sha256:x"'
WHOLE = (0, 10)


def chosen(wish, condition=None, total=10):
    part = choose_part(wish, condition, ETAG, total)
    return None if part is None else (part.start, part.size)


@pytest.mark.parametrize(
    ("wish", "part"),
    [
        (None, WHOLE),
        ("bytes=0-", WHOLE),
        ("bytes=0-0", (0, 1)),
        ("bytes=3-5", (3, 3)),
        ("bytes=9-", (9, 1)),
        ("bytes=5-100", (5, 5)),
        ("bytes=-3", (7, 3)),
        ("bytes=-100", WHOLE),
        (" bytes = 1-2 ", (1, 2)),
        ("bytes=10-", None),
        ("bytes=10-20", None),
        ("bytes=-0", None),
        ("bytes=5-3", WHOLE),
        ("bytes=0-1,3-4", WHOLE),
        ("bytes=a-b", WHOLE),
        ("lines=1-2", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=" + "1" * 30 + "-", WHOLE),
    ],
)
def test_what_is_understood(wish, part):
    assert chosen(wish) == part


def test_a_condition():
    assert chosen("bytes=1-2", ETAG) == (1, 2)
    assert chosen("bytes=1-2", '"other"') == WHOLE


def test_nothing_of_nothing():
    assert chosen(None, total=0) == (0, 0)
    assert chosen("bytes=0-", total=0) is None
    assert chosen("bytes=-1", total=0) is None


def test_what_is_said_about_it():
    assert choose_part("bytes=3-5", None, ETAG, 10).content_range == "bytes 3-5/10"
    assert choose_part(None, None, ETAG, 10).is_whole
