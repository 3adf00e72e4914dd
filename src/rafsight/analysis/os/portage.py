"""Portage's database (Gentoo): a folder `CATEGORY/NAME-VERSION` for each package, whose name says it all.

No byte is read: that `CONTENTS` is there shows that the package is installed. This module alone decides where a name
ends and its version begins, by the rules of the package manager specification.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile
from rafsight.analysis.fields import identity_of
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_VERSION: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*[a-z]?(?:_(?:alpha|beta|pre|rc|p)[0-9]*)*")
_REVISION: Final = re.compile(r"r[0-9]+")


def read_entry(file: FileView) -> Iterator[Found]:
    """Read the folder's name.

    Raises: MalformedFile: it has no version.
    """
    category, _, name = identity_of(entry_of(file.path)).partition("/")
    parts = name.split("-")
    count = 2 if len(parts) > 2 and _REVISION.fullmatch(parts[-1]) else 1
    if not category or len(parts) <= count or not _VERSION.fullmatch(parts[-count]) or not parts[0]:
        raise MalformedFile(what="no NAME-VERSION", where="its folder")
    yield Component(
        ecosystem=Ecosystem.PORTAGE,
        name=f"{category}/{'-'.join(parts[:-count])}",
        version="-".join(parts[-count:]),
        evidence=EvidenceClass.INSTALLED,
    )


def entry_of(path: bytes) -> bytes:
    """Return `CATEGORY/NAME-VERSION`: what of the path counts."""
    return b"/".join(path.split(b"/")[-3:-1])


PORTAGE: Final = Extractor(
    name="os/portage",
    version=1,
    wants=Wants(patterns=(b"var/db/pkg/*/*/CONTENTS",), max_size=256 * MiB, head=0),
    extract=read_entry,
    name_of=entry_of,
)
