"""The small parts: globs, literals, forms, widths, magic, filters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.analysis.secrets.filters import entropy, has_long_word, has_word, is_placeholder, is_repetitive
from rafsight.analysis.secrets.form import open_text
from rafsight.analysis.secrets.globs import GlobTable, compile_globs
from rafsight.analysis.secrets.literals import LiteralFinder
from rafsight.analysis.secrets.magic import begins_like
from rafsight.analysis.secrets.widths import count_ways, pattern_width


@pytest.mark.parametrize(
    ("glob", "path", "is_match"),
    [
        (b"**/.env", b".env", True),
        (b"**/.env", b"a/b/.env", True),
        (b"**/.env", b"a/b.env", False),
        (b"etc/*.conf", b"etc/a.conf", True),
        (b"etc/*.conf", b"etc/a/b.conf", False),
        (b"run/secrets/**", b"run/secrets/a/b", True),
        (b"**/core.*[0-9]", b"a/core.17", True),
        (b"**/core.*[0-9]", b"a/core.py", False),
        (b"**/[!a]x", b"b/bx", True),
        (b"**/[!a]x", b"b/ax", False),
        (b"a?c", b"abc", True),
        (b"a.c", b"abc", False),
        (b"**/ssh_host_*_key", b"etc/ssh/ssh_host_rsa_key", True),
    ],
)
def test_globs(glob, path, is_match):
    assert (compile_globs([glob]).fullmatch(path) is not None) is is_match
    assert GlobTable([(7, [glob, glob])]).owners(path) == ([7] if is_match else [])


LITERALS = [b"a", b"ab", b"abc", b"bc", b"ghp_", b"gh", b"_a", b"a.b", b"(x)"]


@pytest.mark.parametrize("use_automaton", [False, True])
@given(text=st.lists(st.sampled_from([b"a", b"b", b"c", b"ghp_", b".", b"(x)", b"\0"]), max_size=30).map(b"".join))
def test_literals_are_found_all(use_automaton, text):
    expected = sorted(
        (number, start)
        for number, literal in enumerate(LITERALS)
        for start in range(len(text))
        if text.startswith(literal, start)
    )
    assert sorted(LiteralFinder(LITERALS, use_automaton=use_automaton).find(text)) == expected


def test_no_literals():
    assert list(LiteralFinder([], use_automaton=False).find(b"abc")) == []


def test_forms():
    assert open_text(b"plain\n").is_binary is False
    assert open_text(b"\x7fELF\0\0").is_binary is True
    assert open_text(b"x" * 300 + b"\0").is_binary is False
    wide = open_text("\ufeffß=x".encode("utf-16-le"))
    assert (wide.content, wide.is_binary, wide.file_offset(3)) == ("ß=x".encode(), False, 6)
    assert open_text("\ufeffa".encode("utf-16-be")).content == b"a"
    assert open_text(b"").content == b""


@given(st.binary(max_size=400))
def test_any_bytes_have_a_form(content):
    text = open_text(b"\xff\xfe" + content)
    assert text.file_offset(len(text.content)) >= 2


@pytest.mark.parametrize(
    ("pattern", "is_fast"),
    [
        (rb"[a-z]{3,10}-[0-9]{5,20}", True),
        (rb"(?:a|b)+c", True),
        (rb"(a+)+b", False),
        (rb"(a+)++b", True),
        (rb".*.*.*x", False),
        (rb"(\w+\s?)*x", False),
        (rb"\w+\s*=\s*'[^']{1,400}'", True),
        (rb"(?:a|aa)*c", False),
        (rb"(?:[a-z]+\.)+com", True),
        (rb"(?>a+)+b", True),
        (rb"(?=(a+)+b)", False),
        (rb"[^\n]*[^\n]*[^\n]*z", False),
    ],
)
def test_slow_patterns_are_known(pattern, is_fast):
    assert (count_ways(pattern) <= 200_000) is is_fast


def test_widths():
    assert pattern_width(rb"ghp_[a-z]{36}") == 40
    assert pattern_width(rb"a*") > 1_000_000


def test_magic():
    assert begins_like(b"\x7fELF\x01\x02", ("00", "7f454c46??02"))
    assert not begins_like(b"\x7f", ("7f45",))


def test_filters():
    assert entropy(b"") == 0
    assert entropy(b"abcd") == 2
    assert is_repetitive(b"x" * 8)
    assert not is_repetitive(b"xy" * 8)
    assert has_long_word(b"my-EXAMPLE-key")
    assert not has_long_word(b"test")
    assert has_word(b"Test1")
    assert is_placeholder(b"a${B}c")
    assert is_placeholder(b"%TOKEN%")
    assert not is_placeholder(b"a%b$c")
