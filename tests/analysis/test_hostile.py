"""Every extractor on contents that are made to hurt: none of them may end in a mistake of the extractor."""

import pytest

from rafsight.analysis.catalogue import CATALOGUE
from rafsight.analysis.extractor import FileView
from rafsight.analysis.inventory import GapReason
from rafsight.analysis.isolation import analyse

SIZE = 1 << 16
CONTENTS = {
    "nothing": b"",
    "letters": b"a" * SIZE,
    "blanks": b" \t" * SIZE,
    "lines": b" \n" * SIZE,
    "quotes": b'"\\' * SIZE,
    "brackets": b"{([<" * SIZE,
    "nests": b'{"packages":{"a":[' * SIZE,
    "zeros": bytes(SIZE),
    "high": b"\xff" * SIZE,
    "fields": b"version:" * SIZE,
    "dots": b"a." * SIZE,
    "tables": b"[[a.b]]\n" * SIZE,
    "dashes": b"- " * SIZE,
    "escapes": b'{"name":"\\ud800","version":"\\ud800"}',
    "numbers": b'{"packages":[' + b"9" * 10_000 + b"]}",
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_no_content_is_a_mistake_of_an_extractor(content):
    for extractor in CATALOGUE:
        head = extractor.wants.head
        known = content if head is None else content[:head]
        name = extractor.wants.patterns[0].rpartition(b"/")[2].replace(b"*", b"x")
        view = FileView(path=b"a/b/c/d/e/f/" + name, size=len(content), runs=((0, known),) if known else ())
        faults = analyse(extractor, view).faults
        assert not [fault for fault in faults if fault.reason is GapReason.UNSUPPORTED and "mistake" in fault.detail]
