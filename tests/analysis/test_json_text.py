import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.fields import NAME_LENGTH
from rafsight.analysis.json_text import decode_json, decode_part, strip_comments, text_in


def test_marks_and_foreign_bytes_are_borne():
    assert decode_json(b'\xef\xbb\xbf{"a": "x"}', dict[str, str]) == {"a": "x"}
    assert decode_json(b'{"a": "Andr\xe9"}', dict[str, str]) == {"a": "Andr\ufffd"}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"a": 1}', b'{"a":' * 100_000, b"[" * 100_000, b"\xff"])
def test_everything_else_is_malformed(content):
    with pytest.raises(MalformedFile):
        decode_json(content, dict[str, str])


def test_an_odd_part_hides_no_other():
    parts = decode_json(b'[1, "a", {"b": 2}]', list[msgspec.Raw])
    assert [decode_part(part, str) for part in parts] == [None, "a", None]


@pytest.mark.parametrize(
    ("value", "text"), [(" a ", "a"), ("x\ud800", "x?"), (1, ""), (None, ""), ("x" * (NAME_LENGTH + 1), "")]
)
def test_texts(value, text):
    assert text_in(value) == text


COMMENTED = b"""{ // one "
  "a": "/* kept */ // kept \\" ,}", /* two
  lines */ "b": [1, 2, ],
}"""


def test_comments_and_last_commas_go():
    assert json.loads(strip_comments(COMMENTED)) == {"a": '/* kept */ // kept " ,}', "b": [1, 2]}


@given(
    st.lists(st.sampled_from([b'"', b"\\", b"/*", b"*/", b"//", b"\n", b",", b"]", b"a", b"{"]), max_size=60).map(
        b"".join
    )
)
def test_any_text_has_an_end(content):
    strip_comments(content)
    strip_comments(content * 500)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=4), v, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_json_stays_what_it_is(value):
    assert json.loads(strip_comments(json.dumps(value).encode())) == value
