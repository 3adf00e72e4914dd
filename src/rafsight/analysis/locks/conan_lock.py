"""Conan's lock file, of Conan 1 (a graph) and 2 (lists).

This module alone decides which lists count: what is built into a product, and what builds it.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found, Skipped
from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.json_text import decode_json, decode_part, text_in
from rafsight.analysis.lang.conan import component_of
from rafsight.analysis.locks.locked import LOCK_SIZE
from rafsight.base.text import printable
from rafsight.image.selection import Wants

_SHOWN: Final = 80


class _Node(msgspec.Struct):
    ref: object = None
    path: object = None


class _Graph(msgspec.Struct):
    nodes: dict[str, msgspec.Raw] = {}


class _Lock(msgspec.Struct):
    graph_lock: _Graph | None = None
    requires: list[object] = []
    build_requires: list[object] = []
    python_requires: list[object] = []


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file.

    Raises: MalformedFile.
    """
    for reference in _references(decode_json(file.content, _Lock)):
        component = component_of(reference, EvidenceClass.DECLARED)
        yield component or Skipped(what=f"'{printable(reference, _SHOWN)}' is no package with a version")


def _references(lock: _Lock) -> Iterator[str]:
    for raw in lock.graph_lock.nodes.values() if lock.graph_lock else ():
        node = decode_part(raw, _Node)
        if node is not None and node.path is None and text_in(node.ref):  # the project itself has a path, or no name
            yield text_in(node.ref)
    for item in (*lock.requires, *lock.build_requires, *lock.python_requires):
        yield text_in(item)


CONAN_LOCK: Final = Extractor(
    name="locks/conan-lock",
    version=1,
    wants=Wants(patterns=(b"**/conan.lock",), max_size=LOCK_SIZE),
    extract=read_lock,
    declared=True,
)
