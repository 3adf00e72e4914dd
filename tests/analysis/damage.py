"""Damage to samples: cuts, foreign bytes, repetitions; and what every extractor owes to them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.analysis.extractor import Extractor, FileView, MalformedFile, Skipped
from rafsight.analysis.fields import NAME_LENGTH
from rafsight.analysis.inventory import Component

JUNK = st.sampled_from(
    [
        b"",
        b"\x00",
        b"\xff\xfe",
        b"{",
        b"[[",
        b'"',
        b"'",
        b"\\",
        b":",
        b"\n",
        b"null",
        b"-1",
        b"\xc3\xa9",
        b"\\ud800",
        b"<",
        b"&x;",
        b"*a",
        b"(",
        b"x" * 5000,
        b"[" * 2000,
        b'{"a":' * 2000,
        b"a." * 2000,
    ]
)


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Contents like a sample, with a cut, and with something else in the place of a part of it."""
    places = st.integers(0, len(content))

    def spoil(start: int, size: int, junk: bytes, count: int, end: int) -> bytes:
        return (content[:start] + junk * count + content[start + size :])[: end or None]

    return st.builds(spoil, places, st.integers(0, 12), JUNK, st.integers(0, 3), st.integers(0, 2 * len(content)))


def check_damage(extractor: Extractor, content: bytes, path: bytes, examples: int = 120) -> None:
    """Hold that whatever a file has in it ends in components with a name, in gaps, or in MalformedFile."""

    @settings(max_examples=examples, deadline=None)
    @given(content=damaged(content) | st.binary(max_size=60))
    def check(content: bytes) -> None:
        head = extractor.wants.head
        known = content if head is None else content[:head]
        view = FileView(path=path, size=len(content), runs=((0, known),) if known else ())
        try:
            found = list(extractor.extract(view))
        except MalformedFile:
            return
        for item in found:
            if isinstance(item, Skipped):
                assert len(item.what.encode()) < 1000
                continue
            assert isinstance(item, Component)
            texts = (item.name, item.version, *item.licenses, *(value for _, value in item.qualifiers))
            assert item.name
            assert item.version
            assert all(len(text.encode("utf-8")) <= 8 * NAME_LENGTH for text in texts)

    check()
