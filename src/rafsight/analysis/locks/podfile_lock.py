"""CocoaPods' lock file: `PODS`, a list of `NAME[/PART] (VERSION)`.

This module alone decides that parts of a pod are the pod.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, Skipped
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.locks.locked import locked
from rafsight.analysis.yaml_text import Node, list_in, read_documents
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_POD: Final = re.compile(r"([^\s()/]{1,250})[^\s()]{0,500} \(([^()\s]{1,250})\)")


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file.

    Raises: MalformedFile.
    """
    seen: set[tuple[str, str]] = set()
    for document in read_documents(file.content):
        for item in list_in(document, "PODS"):
            match = _POD.fullmatch(_text(item))
            if match is None:
                yield Skipped(what="a pod that is not written as NAME (VERSION)")
            elif (match[1], match[2]) not in seen:
                seen.add((match[1], match[2]))
                yield locked(Ecosystem.COCOAPODS, match[1], match[2])


def _text(item: Node) -> str:
    """Return the text of a pod; one with dependencies is a map with a single key."""
    return next(iter(item), "") if isinstance(item, dict) else item if isinstance(item, str) else ""


PODFILE_LOCK: Final = Extractor(
    name="locks/podfile-lock",
    version=1,
    wants=Wants(patterns=(b"**/Podfile.lock",), max_size=4 * MiB),
    extract=read_lock,
    declared=True,
)
