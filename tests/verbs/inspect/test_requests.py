"""Requests as words: what is quoted comes back, what is shown can be written, and nothing else is raised."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.base.text import escape
from rafsight.verbs.inspect.requests import MalformedRequest, quote, scan, split

PLAIN_BYTES = st.binary(min_size=1, max_size=40).filter(
    lambda value: not any(octet in b" '\"\\" for octet in value) and not _has_c1(value)
)


def _has_c1(value):
    """`escape` writes U+0080 to U+009F as it writes the bytes 0x80 to 0x9f."""
    return any("\x80" <= character <= "\x9f" for character in value.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (b"", ()),
        (b" \t\r\n", ()),
        (b"stats\n", (b"stats",)),
        (b"stats\r\n", (b"stats",)),
        (b"  stat   /etc/passwd  ", (b"stat", b"/etc/passwd")),
        (b"stat 'a b'", (b"stat", b"a b")),
        (b'stat "a b"', (b"stat", b"a b")),
        (rb"stat a\ b", (b"stat", b"a b")),
        (b"stat a' 'b\" \"c", (b"stat", b"a b c")),
        (b"stat ''", (b"stat", b"")),
        (b'stat ""x', (b"stat", b"x")),
        (rb"stat raw-\xff\xFe", (b"stat", b"raw-\xff\xfe")),
        (rb'stat "raw-\xff"', (b"stat", b"raw-\xff")),
        (rb"stat 'raw-\xff'", (b"stat", rb"raw-\xff")),
        (rb"stat new\x0aline", (b"stat", b"new\nline")),
        (rb'stat "new\nline\t\r"', (b"stat", b"new\nline\t\r")),
        (rb"stat \u200b\U0001f600", (b"stat", "\u200b\U0001f600".encode())),
        (rb'stat "quote\"\\"', (b"stat", b'quote"\\')),
        (rb"stat \'\"\\", (b"stat", b"'\"\\")),
        (rb'stat "a\qb\$\`"', (b"stat", rb"a\qb$`")),
        (rb"stat a\qb", (b"stat", b"aqb")),
        ("stat ünïcode\\é".encode(), (b"stat", "ünïcodeé".encode())),
        (b"stat \xff\xfe", (b"stat", b"\xff\xfe")),
        (b"stat \xc2\xa0x", (b"stat", b"\xc2\xa0x")),  # no blank but that of ASCII ends a word
    ],
)
def test_splits_as_a_shell_would(request_, words):
    assert split(request_) == words


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (b"stat 'a b", "the quote ' is opened and not closed"),
        (b'stat "a b', 'the quote " is opened and not closed'),
        (b'stat quote"', 'the quote " is opened and not closed'),
        (b"stat a\\", "it ends within the escape \\"),
        (rb"stat \x", r"it ends within the escape \x"),
        (rb"stat \xf", r"it ends within the escape \xf"),
        (rb"stat \xfg", r"\xfg begins with no escape"),
        (rb"stat \u12 x", r"\u12 x begins with no escape"),
        (rb"stat \ud800", r"\ud800 begins with no escape"),
        (rb"stat \U00110000", r"\U00110000 begins with no escape"),
        (b"stat \\x\x1b[2J", r"\x\x1b[2J begins with no escape"),
    ],
)
def test_says_what_cannot_be_read(request_, said):
    with pytest.raises(MalformedRequest) as caught:
        split(request_)
    assert said in str(caught.value)
    assert "Quote names as a shell would" in caught.value.advice


@given(st.lists(st.binary(max_size=40), max_size=5))
@settings(deadline=None, max_examples=400)
def test_what_is_quoted_comes_back(words):
    assert split(b" ".join(map(quote, words))) == tuple(words)


@given(st.lists(st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")), max_size=4))
@settings(deadline=None, max_examples=300)
def test_what_is_quoted_is_printable_text(words):
    for word in words:
        assert quote(word).decode().isprintable()
        assert split(quote(word)) == (word,)


@given(PLAIN_BYTES)
@settings(deadline=None, max_examples=400)
def test_what_escape_shows_can_be_written(name):
    assert split(escape(name).encode()) == (name,)


@given(st.binary(max_size=40), st.binary(min_size=1, max_size=40))
@settings(deadline=None, max_examples=300)
def test_quoted_words_can_be_put_together(one, other):
    assert split((quote(one) if one else b"") + b"/" + quote(other)) == (one + b"/" + other,)


@given(st.binary(max_size=60) | st.text(alphabet="ab '\"\\xuU0f\n", max_size=30).map(str.encode))
@settings(deadline=None, max_examples=500)
def test_every_request_is_words_or_malformed(request_):
    try:
        words = split(request_)
    except MalformedRequest:
        return
    assert split(b" ".join(map(quote, words))) == words
    assert scan(request_ + b" ").words == words


def test_an_unfinished_request_is_known_as_far_as_it_goes():
    scanned = scan(rb'stat a\ b "c d')
    assert scanned.words == (b"stat", b"a b")
    assert (scanned.start, scanned.partial, scanned.open_quote) == (10, b"c d", b'"')
    assert scan(rb"stat raw-\xf").tail == rb"\xf"
    assert scan(b"stat ").partial is None
    assert scan(b"stat ''").partial == b""


def test_a_long_request_takes_linear_time():
    assert len(split(b"'a'b\\ " * 200_000)[0]) == 600_000
