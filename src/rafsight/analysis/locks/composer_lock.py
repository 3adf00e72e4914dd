"""Composer's lock file; its entries are those of `installed.json`.

This module alone decides which lists of it count: both.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.json_text import decode_json, decode_part
from rafsight.analysis.lang.php import Package, packages_in
from rafsight.analysis.locks.locked import LOCK_SIZE
from rafsight.image.selection import Wants


class _Lock(msgspec.Struct):
    packages: list[msgspec.Raw] = []
    development: list[msgspec.Raw] | None = msgspec.field(name="packages-dev", default=None)


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file.

    Raises: MalformedFile.
    """
    lock = decode_json(file.content, _Lock)
    for entry in (*lock.packages, *(lock.development or ())):
        package = decode_part(entry, Package)
        if package is not None:
            yield from packages_in(package, EvidenceClass.DECLARED)


COMPOSER_LOCK: Final = Extractor(
    name="locks/composer-lock",
    version=1,
    wants=Wants(patterns=(b"**/composer.lock",), max_size=LOCK_SIZE),
    extract=read_lock,
    declared=True,
)
