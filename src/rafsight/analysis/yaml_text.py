"""YAML of strangers as a tree of texts, lists and maps, built event by event.

This module alone decides what YAML may do here: no value is anything but text (a version `1.10` stays what it is), an
alias is malformed (a few of them can stand for billions of values), and depth and count are bounded.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from rafsight.analysis.extractor import MalformedFile

Node: TypeAlias = "str | list[Node] | dict[str, Node] | None"
"""None is an empty value."""

DEPTH: Final = 64
NODE_COUNT: Final = 1_000_000
"""Values in one file; memory is bounded by it."""
_EMPTY: Final = ("", "~", "null")
_SHOWN: Final = 120


def read_documents(content: bytes) -> Iterator[Node]:
    """Yield the documents of a file.

    Raises: MalformedFile; what was yielded before stands.
    """
    import yaml

    loader = getattr(yaml, "CLoader", yaml.Loader)  # of which only the parser of events is used
    try:
        yield from _documents(yaml.parse(content, Loader=loader))
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        raise MalformedFile(what=f"no YAML: {' '.join(str(fault).split())[:_SHOWN]}", where="its text") from fault


def _documents(events: Iterator[Any]) -> Iterator[Node]:
    import yaml

    tree = _Tree()
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            raise MalformedFile(what="an alias, which no lock file has", where=f"line {event.start_mark.line + 1}")
        if isinstance(event, yaml.ScalarEvent):
            plain = not event.style
            tree.add(None if plain and event.value in _EMPTY else event.value, event)
        elif isinstance(event, yaml.MappingStartEvent):
            tree.open({}, event)
        elif isinstance(event, yaml.SequenceStartEvent):
            tree.open([], event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            tree.close()
        elif isinstance(event, yaml.DocumentEndEvent):
            yield tree.take()


class _Tree:
    """A document while it grows."""

    def __init__(self) -> None:
        self._root: list[Node] = []
        self._open: list[list[Node] | dict[str, Node]] = [self._root]
        self._keys: list[str | None] = [None]
        self._count = 0

    def take(self) -> Node:
        """Return the document and begin another."""
        root, self._root = self._root, []
        self._open, self._keys = [self._root], [None]
        return root[0] if root else None

    def add(self, value: Node, event: Any) -> None:
        """Put a value where it belongs: into the list, or as the next key or value of the map."""
        self._count += 1
        if self._count > NODE_COUNT:
            raise MalformedFile(what=f"more than {NODE_COUNT} values", where=f"line {event.start_mark.line + 1}")
        inside, key = self._open[-1], self._keys[-1]
        if isinstance(inside, list):
            inside.append(value)
        elif key is None:
            if isinstance(value, (list, dict)):
                raise MalformedFile(what="a key that is no text", where=f"line {event.start_mark.line + 1}")
            self._keys[-1] = value or ""
        else:
            inside[key] = value
            self._keys[-1] = None

    def open(self, value: list[Node] | dict[str, Node], event: Any) -> None:
        """Begin a list or a map."""
        if len(self._open) > DEPTH:
            raise MalformedFile(what=f"more than {DEPTH} levels", where=f"line {event.start_mark.line + 1}")
        self.add(value, event)
        self._open.append(value)
        self._keys.append(None)

    def close(self) -> None:
        """End the innermost list or map."""
        self._open.pop()
        self._keys.pop()


def map_in(node: Node, key: str) -> dict[str, Node]:
    """Return a member that has to be a map; an empty one where it is not."""
    value = node.get(key) if isinstance(node, dict) else None
    return value if isinstance(value, dict) else {}


def list_in(node: Node, key: str) -> list[Node]:
    """Return a member that has to be a list; an empty one where it is not."""
    value = node.get(key) if isinstance(node, dict) else None
    return value if isinstance(value, list) else []


def text_at(node: Node, key: str) -> str:
    """Return a member that has to be a text; an empty one where it is not."""
    value = node.get(key) if isinstance(node, dict) else None
    return value if isinstance(value, str) else ""
