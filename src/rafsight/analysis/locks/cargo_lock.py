"""Cargo's lock file.

This module alone decides which entries are packages: those with a source; the others are the project's own.
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.locks.locked import locked
from rafsight.analysis.toml_text import TOML_SIZE, read_toml, tables_in
from rafsight.image.selection import Wants


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file.

    Raises: MalformedFile.
    """
    for package in tables_in(read_toml(file.content), "package"):
        if "source" in package:
            yield locked(Ecosystem.CARGO, package.get("name"), package.get("version"))


CARGO_LOCK: Final = Extractor(
    name="locks/cargo-lock",
    version=1,
    wants=Wants(patterns=(b"**/Cargo.lock",), max_size=TOML_SIZE),
    extract=read_lock,
    declared=True,
)
