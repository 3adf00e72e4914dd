"""What all readers of lock files yield: a component that is declared, or that it could not be read.

This module alone decides that an entry without a version is said, not passed over.
"""

from typing import Final

from rafsight.analysis.extractor import Found, Skipped
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.analysis.json_text import text_in
from rafsight.base.text import printable
from rafsight.base.units import MiB

LOCK_SIZE: Final = 16 * MiB
"""[bytes] no lock file is larger."""
_SHOWN: Final = 80


def locked(
    ecosystem: Ecosystem, name: object, version: object, *, qualifiers: tuple[tuple[str, str], ...] = ()
) -> Found:
    """Make a component of an entry, or say that it is none.

    Args:
        ecosystem: its kind.
        name: as the document has it; anything but a usable text is said.
        version: likewise.
        qualifiers: of the package URL, ordered by key.
    """
    name_text, version_text = text_in(name), text_in(version)
    if not name_text:
        return Skipped(what="an entry without a usable name")
    if not version_text:
        return Skipped(what=f"{printable(name_text, _SHOWN)} has no usable version")
    return Component(
        ecosystem=ecosystem,
        name=name_text,
        version=version_text,
        evidence=EvidenceClass.DECLARED,
        qualifiers=qualifiers,
    )
