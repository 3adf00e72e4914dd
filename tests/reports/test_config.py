import pytest

from rafsight.reports.config import parse_config


def test_objects_are_repeated():
    assert parse_config(b'{"architecture": "amd64", "n": [1, 2.5, null]}') == {
        "architecture": "amd64",
        "n": [1, 2.5, None],
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'"text"',
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": ' * 40 + b"1" + b"}" * 40,
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda content: content[:12],
)
def test_what_is_no_honest_config_is_left_out(content):
    assert parse_config(content) is None
