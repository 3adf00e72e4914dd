import pytest

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.fields import PATHS_SIZE, identity_of, lines_of, ownerships, text_of


def test_texts():
    assert text_of(b" caf\xc3\xa9 \xff\n") == "caf\u00e9 \ufffd"
    assert identity_of(b"x" * 1024) == "x" * 1024
    assert identity_of(b"x" * 1025) == ""
    assert list(lines_of(b"a\n\nb")) == [b"a\n", b"\n", b"b"]


def test_paths_that_cannot_be_are_left_out():
    (found,) = ownerships("x", [b"/usr/a", b"y" * 5000, b"b"], official=False)
    assert (found.package, found.official, found.paths) == ("x", False, (b"usr/a", b"b"))
    assert list(ownerships("x", [], official=True)) == []


def test_all_paths_of_a_package_are_bounded():
    long = b"x" * 4096
    paths = (long for _ in range(PATHS_SIZE // 4096 + 1))
    with pytest.raises(MalformedFile, match="list of files"):
        for _ in ownerships("x", paths, official=True):
            pass
