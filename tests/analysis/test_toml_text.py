from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.toml_text import TOML_SIZE, read_toml, table_in, tables_in


def test_tables():
    document = read_toml(b'\xef\xbb\xbf[[package]]\nname = "a"\n[[package]]\nname = "b"\n[metadata]\nx = 1\n')
    assert [table["name"] for table in tables_in(document, "package")] == ["a", "b"]
    assert table_in(document, "metadata") == {"x": 1}
    assert (tables_in(document, "metadata"), table_in(document, "package")) == ([], {})
    assert tables_in({"package": [1, {"a": 2}]}, "package") == [{"a": 2}]


@pytest.mark.parametrize(
    "content",
    [
        b"a",
        b"a = [" * 100_000,
        b"a = " + b"[" * 100_000,
        b"a" + b".a" * 100_000 + b" = 1",
        b"[" + b"a." * 100 + b"a]\n" + b"b = 1\n" * 1000,
        b"x = " + b"1" * 10_000,
        b"#" * (TOML_SIZE + 1),
        b"a = 1979-99-99",
    ],
)
def test_what_costs_too_much_is_malformed(content):
    with pytest.raises(MalformedFile):
        read_toml(content)


@settings(deadline=None)
@given(st.text("ab=[].{},'\"#\n 1-:", max_size=60))
def test_any_text_is_read_or_malformed(text):
    with suppress(MalformedFile):
        read_toml(text.encode())
