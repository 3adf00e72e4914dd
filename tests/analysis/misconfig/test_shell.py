"""Command lines are taken apart as far as checks need it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rafsight.analysis.misconfig.shell import COMMAND_COUNT, read_commands


def shown(text):
    return [(one.program, *one.words) for one in read_commands(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b && c; d || e & f", [("a", "b"), ("c",), ("d",), ("e",), ("f",)]),
        ("a\nb \\\n c", [("a",), ("b", "c")]),
        ("/usr/bin/a 'b c' \"d e\"f", [("a", "b c", "d ef")]),
        ("X=1 Y=2 env Z=3 a b", [("a", "b")]),
        ("if a; then b; fi", [("a",), ("b",)]),
        ("(a; b)", [("a",), ("b",)]),
        ("set -ex; ! a", [("set", "-ex"), ("a",)]),
        ("a # b; c\nd", [("a",), ("d",)]),
        ("a b#c", [("a", "b#c")]),
        ("sh -c 'a b; c'", [("sh", "-c", "a b; c"), ("a", "b"), ("c",)]),
        ("sudo -u x a b", [("a", "b")]),
        ("sudo", [("sudo",)]),
        ("a 2>&1 >x", [("a", "2>&1", ">x")]),
        ("'unclosed", [("unclosed",)]),
        ('"also', [("also",)]),
        ("", []),
        ("X=1", []),
    ],
)
def test_commands(text, expected):
    assert shown(text) == expected


def test_pipes_and_sudo():
    found = read_commands("curl x | sudo bash -s && tee y")
    assert [(one.program, one.feeds, one.sudo) for one in found] == [
        ("curl", "bash", False),
        ("bash", "", True),
        ("tee", "", False),
    ]


def test_inner_shells_have_an_end():
    text = "x"
    for _ in range(8):
        text = "sh -c '" + text.replace("'", "") + "'"
    assert len(read_commands(text)) < 12


@given(some.text(alphabet="ab '\"\\|&;()#$`\n-<{}=", max_size=200))
def test_anything_is_taken_apart(text):
    for command in read_commands(text):
        assert command.program


@pytest.mark.parametrize("piece", ["a;", "'", '"', "\\", "sh -c ", "| ", "#", "((", "\\\n", "<<", "a=", "sudo "])
def test_it_is_linear(piece):
    started = time.process_time()
    assert len(read_commands(piece * 20_000)) <= COMMAND_COUNT
    assert time.process_time() - started < 5
