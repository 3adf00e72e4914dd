from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.xml_text import read_xml


def test_elements():
    root = read_xml(b'<p:a xmlns:p="u"><b x="1">one</b><b><c> two </c></b></p:a>')
    assert [element.value("x") for element in root.all("a", "b")] == ["1", ""]
    assert root.all("a", "b", "c")[0].text == " two "
    assert root.all("a", "b")[1].value("c") == "two"
    assert root.all("nothing", "here") == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<a>",
        b"<a/><b/>",
        b'<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><a>&z;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>" * 100_000,
        b"<a>" + b"<b/>" * 500_001 + b"</a>",
        b'<?xml version="1.0" encoding="nothing"?><a/>',
    ],
)
def test_what_is_dangerous_or_damaged_is_malformed(content):
    with pytest.raises(MalformedFile):
        read_xml(content)


def test_long_texts_are_cut():
    assert len(read_xml(b"<a>" + b"x\n" * 100_000 + b"</a>").all("a")[0].text) < 10_000


@settings(deadline=None)
@given(st.text("ab<>/&;=\"'!?- \n[]", max_size=60))
def test_any_text_is_read_or_malformed(text):
    with suppress(MalformedFile):
        read_xml(text.encode())
