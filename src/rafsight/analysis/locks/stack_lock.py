"""Stack's lock file: `stack.yaml.lock`.

This module alone decides how it names a package: `NAME-VERSION@sha256:...`.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.locks.locked import locked
from rafsight.analysis.yaml_text import list_in, map_in, read_documents, text_at
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_HACKAGE: Final = re.compile(r"([A-Za-z0-9-]{1,250})-([0-9.]{1,100})(?:@.{0,500})?")


def read_stack(file: FileView) -> Iterator[Found]:
    """Read `stack.yaml.lock`.

    Raises: MalformedFile.
    """
    for document in read_documents(file.content):
        for item in list_in(document, "packages"):
            match = _HACKAGE.fullmatch(text_at(map_in(item, "original"), "hackage"))
            if match is not None:
                yield locked(Ecosystem.HACKAGE, match[1], match[2])


STACK_LOCK: Final = Extractor(
    name="locks/stack-lock",
    version=1,
    wants=Wants(patterns=(b"**/stack.yaml.lock",), max_size=4 * MiB),
    extract=read_stack,
    declared=True,
)
