"""Dart's lock file.

This module alone decides which entries are packages: not parts of the SDK, nor folders.
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.locks.locked import locked
from rafsight.analysis.yaml_text import map_in, read_documents, text_at
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_OTHERS: Final = ("sdk", "path")


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file.

    Raises: MalformedFile.
    """
    for document in read_documents(file.content):
        for name, entry in map_in(document, "packages").items():
            if text_at(entry, "source") not in _OTHERS:
                yield locked(Ecosystem.PUB, name, text_at(entry, "version"))


PUBSPEC_LOCK: Final = Extractor(
    name="locks/pubspec-lock",
    version=1,
    wants=Wants(patterns=(b"**/pubspec.lock",), max_size=4 * MiB),
    extract=read_lock,
    declared=True,
)
