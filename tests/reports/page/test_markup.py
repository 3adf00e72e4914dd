from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.reports.page.markup import Html, element, link, paragraphs


def test_an_element():
    made = element("td", "a<b", Html("<i>ours</i>"), ["c", ["d"]], class_="x", hidden=True, title=None, data_a_b='"')
    assert made == Html('<td class="x" hidden data-a-b="&quot;">a&lt;b<i>ours</i>cd</td>')
    assert element("input", type="text", disabled=False) == Html('<input type="text">')


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.values = [], "", {}

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.values |= dict(attrs)

    def handle_data(self, data):
        self.text += data


@given(text=st.text(max_size=80), value=st.text(max_size=80))
def test_text_stays_text(text, value):
    reader = Reader()
    reader.feed(element("p", text, title=value).text)
    reader.close()
    assert reader.tags == ["p"]
    assert set(reader.values) == {"title"}
    if text.isascii() and text.isprintable():
        assert reader.text == text


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "JAVASCRIPT:x", "data:text/html,x", "//x.example", "/x", "", "http://", "https://x y",
        'https://x/"onmouseover=', "https://x/<", "http://x\n.example", "https://user@x.example/", "file:///etc",
        "https://x.example\u202e/", " https://x.example",
    ],
)  # fmt: skip
def test_only_sound_addresses_are_followed(address):
    assert "href" not in link("x", address).text


@pytest.mark.parametrize(
    "address", ["https://x.example", "http://x.example:8080/a/b?c=d&e=f#g", "https://x.example/a(b)~c%20'd'"]
)
def test_sound_addresses(address):
    assert 'href="http' in link("x", address).text
    assert 'rel="noreferrer noopener"' in link("x", address).text


def test_paragraphs():
    assert [part.text for part in paragraphs("a\n\n b\r\nc<", 100)] == ["<p>a</p>", "<p> b</p>", "<p>c&lt;</p>"]
    assert [part.text for part in paragraphs("abcdef", 3)] == ["<p>abc</p>", "<p>\u2026</p>"]
