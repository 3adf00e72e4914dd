import time
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.matching.suppression.globs import names_path


@pytest.mark.parametrize(
    ("glob", "path", "named"),
    [
        ("etc/passwd", b"etc/passwd", True),
        ("/etc/passwd", b"etc/passwd", True),
        ("etc/pass", b"etc/passwd", False),
        ("*.pem", b"site.pem", True),
        ("*.pem", b"etc/site.pem", False),
        ("**/*.pem", b"site.pem", True),
        ("**/*.pem", b"etc/ssl/site.pem", True),
        ("etc/**/*.pem", b"etc/site.pem", True),
        ("etc/**/*.pem", b"etc/a/b/site.pem", True),
        ("etc/**/*.pem", b"srv/a/site.pem", False),
        ("etc/**", b"etc/a/b", True),
        ("etc/**", b"etcetera/a", False),
        ("etc/", b"etc/a/b", True),
        ("etc/", b"etc", False),
        ("s?v/*", b"srv/a", True),
        ("s?v/*", b"s/v/a", False),
        ("s?v/*", b"srv/a/b", False),
        ("**", b"a/b/c", True),
        ("a**c", b"ab/bc", True),
        ("**/a/**/b", b"x/a/y/z/b", True),
        ("**/a/**/b", b"x/aa/y/z/b", False),
        ("[a]", b"[a]", True),
        ("[a]", b"a", False),
        ("", b"", True),
        ("", b"a", False),
        ("*", b"", True),
        ("a.b", b"axb", False),
        ("\u00fc*", "\u00fcber".encode(), True),
        ("*", b"\xff\xfe", True),
    ],
)
def test_globs(glob, path, named):
    assert names_path(glob, path) is named


@given(glob=st.text("ab*?", max_size=12), path=st.text("ab", max_size=12))
def test_within_a_name_it_is_as_everywhere(glob, path):
    assert names_path(glob, path.encode()) == fnmatchcase(path, glob)


def test_many_stars_take_no_longer():
    start = time.process_time()
    assert not names_path("*a" * 300 + "b", b"a" * 4000)
    assert not names_path("**/a" * 300 + "b", b"a/" * 2000)
    assert time.process_time() - start < 5
