"""R's lock file: `renv.lock`.

This module alone decides which entries are packages of CRAN: all; Bioconductor's are called alike.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.json_text import decode_json, decode_part, text_in
from rafsight.analysis.locks.locked import LOCK_SIZE, locked
from rafsight.image.selection import Wants


class _Lock(msgspec.Struct):
    packages: dict[str, msgspec.Raw] = msgspec.field(name="Packages", default_factory=dict)


class _Package(msgspec.Struct):
    package: object = msgspec.field(name="Package", default=None)
    version: object = msgspec.field(name="Version", default=None)


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file.

    Raises: MalformedFile.
    """
    for name, raw in decode_json(file.content, _Lock).packages.items():
        package = decode_part(raw, _Package)
        if package is not None:
            yield locked(Ecosystem.CRAN, text_in(package.package) or name, package.version)


RENV_LOCK: Final = Extractor(
    name="locks/renv-lock",
    version=1,
    wants=Wants(patterns=(b"**/renv.lock",), max_size=LOCK_SIZE),
    extract=read_lock,
    declared=True,
)
