"""C and C++ packages in Conan's cache: `NAME/VERSION/USER/CHANNEL/package/ID/conaninfo.txt` (Conan 1).

The folders say what the package is, the file which others it was built with. This module alone decides how both are
read.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.fields import identity_of, lines_of, text_of
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_LINE: Final = 2048
_REFERENCE: Final = re.compile(
    r"([A-Za-z0-9_][A-Za-z0-9_+.-]{1,100})/([A-Za-z0-9_][A-Za-z0-9_+.-]{0,100})"
    r"(?:@([A-Za-z0-9_+.-]{1,100})/([A-Za-z0-9_+.-]{1,100}))?(?:[:#%@].{0,1000})?"
)
_NO_ONE: Final = "_"


def component_of(reference: str, evidence: EvidenceClass) -> Component | None:
    """Make a component of `NAME/VERSION[@USER/CHANNEL][#REVISION]`; None if it is of another form (a range)."""
    match = _REFERENCE.fullmatch(reference.strip())
    if match is None:
        return None
    pairs = (("channel", match[4] or ""), ("user", match[3] or ""))
    return Component(
        ecosystem=Ecosystem.CONAN,
        name=match[1],
        version=match[2],
        evidence=evidence,
        qualifiers=tuple((key, value) for key, value in pairs if value not in ("", _NO_ONE)),
    )


def read_info(file: FileView) -> Iterator[Found]:
    """Read one package, and what it was built with."""
    parts = identity_of(reference_of(file.path)).split("/")
    if len(parts) == 4:
        own = component_of(f"{parts[0]}/{parts[1]}@{parts[2]}/{parts[3]}", EvidenceClass.INSTALLED)
        if own is not None:
            yield own
    wanted = False
    for line in lines_of(file.content):
        text = line.strip()
        if text[:1] == b"[":
            wanted = text == b"[full_requires]"
        elif wanted and text and len(text) <= _LINE:
            other = component_of(text_of(text), EvidenceClass.DECLARED)
            if other is not None:
                yield other


def reference_of(path: bytes) -> bytes:
    """Return `NAME/VERSION/USER/CHANNEL`: what of the path counts."""
    return b"/".join(path.split(b"/")[-7:-3])


CONAN: Final = Extractor(
    name="lang/conan",
    version=1,
    wants=Wants(patterns=(b"**/package/*/conaninfo.txt",), max_size=1 * MiB),
    extract=read_info,
    name_of=reference_of,
)
