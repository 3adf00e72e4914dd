"""XML of strangers as a tree of elements, by the stdlib's parser without what makes XML dangerous.

This module alone decides what XML may do here: a document type (and with it every entity of its own) is malformed,
depth and count are bounded, namespaces do not count.
"""

from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from rafsight.analysis.extractor import MalformedFile

_DEPTH: Final = 64
_COUNT: Final = 500_000
"""Elements in one file."""
_TEXT: Final = 4096
"""[characters] of an element's own text that are kept."""


@dataclass(slots=True)
class Element:
    """An element; texts are cut, and those between children belong to the parent."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def all(self, *names: str) -> list["Element"]:
        """Return the elements at the end of a path of names below this one."""
        found = [self]
        for name in names:
            found = [child for element in found for child in element.children if child.name == name]
        return found

    def value(self, name: str) -> str:
        """Return the text of the first child of a name, or the attribute of that name; empty if there is neither."""
        child = next(iter(self.all(name)), None)
        return child.text.strip() if child is not None else self.attributes.get(name, "").strip()


def read_xml(content: bytes) -> Element:
    """Read a document.

    Raises: MalformedFile.
    """
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.take
    parser.StartDoctypeDeclHandler = builder.refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as fault:
        raise MalformedFile(what=f"no XML: {str(fault)[:120]}", where="its text") from fault
    return builder.root


class _Builder:
    """The tree while it grows."""

    def __init__(self) -> None:
        self.root = Element("")
        self._open = [self.root]
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        self._count += 1
        if len(self._open) > _DEPTH or self._count > _COUNT:
            raise MalformedFile(what="more elements than any real file has", where=f"element {self._count}")
        element = Element(name.rpartition(":")[2], attributes)
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, name: str) -> None:  # noqa: ARG002 - the parser holds that it is the right one
        """End the innermost element."""
        self._open.pop()

    def take(self, text: str) -> None:
        """Keep text."""
        element = self._open[-1]
        if len(element.text) < _TEXT:
            element.text += text[:_TEXT]

    def refuse(self, *declaration: object) -> None:  # noqa: ARG002
        """Refuse a document type."""
        raise MalformedFile(what="a document type, which no such file needs", where="its start")
