from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.analysis import yaml_text
from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.yaml_text import list_in, map_in, read_documents, text_at


def test_every_value_is_text():
    content = b"version: 1.10\nyes: true\nnone: ~\nempty:\nquoted: 'null'\nlist: [1, {a: b}]\n---\n- x\n"
    first, second = read_documents(content)
    assert first == {
        "version": "1.10",
        "yes": "true",
        "none": None,
        "empty": None,
        "quoted": "null",
        "list": ["1", {"a": "b"}],
    }
    assert second == ["x"]


def test_members_of_the_wrong_kind_are_empty():
    (node,) = read_documents(b"a: [1]\nb: {c: d}\n")
    assert (map_in(node, "a"), list_in(node, "b"), text_at(node, "a")) == ({}, [], "")
    assert (map_in(None, "a"), list_in("x", "b"), text_at([], "a")) == ({}, [], "")


@pytest.mark.parametrize(
    "content",
    [
        b"a: &x [1]\nb: *x\n",
        b"a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        b"[" * 100_000,
        b"- " * 500,
        b"? [a]\n: b\n",
        b"a: b: c",
        b"\xff\xff",
        b"a: \x00",
    ],
)
def test_what_may_not_be_is_malformed(content):
    with pytest.raises(MalformedFile):
        list(read_documents(content))


def test_the_count_of_values_is_bounded(monkeypatch):
    monkeypatch.setattr(yaml_text, "NODE_COUNT", 100)
    assert len(next(read_documents(b"- a\n" * 99))) == 99
    with pytest.raises(MalformedFile, match="100 values"):
        list(read_documents(b"- a\n" * 101))


def test_tags_build_nothing():
    assert list(read_documents(b"!!python/object/apply:os.system [ls]")) == [["ls"]]


@settings(deadline=None)
@given(st.text("ab:-[]{}?,&*!|>'\"%#\n \t", max_size=60))
def test_any_text_is_read_or_malformed(text):
    with suppress(MalformedFile):
        list(read_documents(text.encode()))
