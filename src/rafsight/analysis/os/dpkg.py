"""The database of dpkg: Debian, Ubuntu, and images that carry its stanzas one by one (distroless).

This module alone decides what counts as installed, and where a binary package comes from.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, Skipped
from rafsight.analysis.fields import identity_of, lines_of, text_of
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass, Inventory
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_ABSENT: Final = frozenset({b"not-installed", b"config-files"})
_FIELDS: Final = frozenset({b"package", b"status", b"version", b"architecture", b"source", b"maintainer"})


def read_status(file: FileView) -> Iterator[Found]:
    """Read stanzas; a stanza without a name or a version is skipped and said."""
    fields: dict[bytes, bytes] = {}
    start = 1
    for number, raw in enumerate(lines_of(file.content), 1):
        line = raw.rstrip(b"\r\n")
        if not line.strip():
            if fields:
                yield from _package(fields, start)
                fields = {}
            start = number + 1
        elif line[:1] not in b" \t#":
            name, colon, value = line.partition(b":")
            if not colon:
                yield Skipped(what=f"line {number} is no field")
            elif (key := name.strip().lower()) in _FIELDS:
                fields.setdefault(key, value.strip())
    yield from _package(fields, start)


def _package(fields: dict[bytes, bytes], start: int) -> Iterator[Found]:
    if not fields:
        return
    status = fields.get(b"status", b"").split()
    if len(status) > 2 and status[2] in _ABSENT:
        return
    name, version = identity_of(fields.get(b"package", b"")), identity_of(fields.get(b"version", b""))
    if not name or not version:
        yield Skipped(what=f"the stanza that begins in line {start} has no {'version' if name else 'name'}")
        return
    source, _, rest = identity_of(fields.get(b"source", b"")).partition("(")
    yield Component(
        ecosystem=Ecosystem.DEB,
        evidence=EvidenceClass.INSTALLED,
        name=name,
        version=version,
        arch=identity_of(fields.get(b"architecture", b"")),
        source_name=source.strip() or name,
        source_version=rest.partition(")")[0].strip() or version,
        maintainer=text_of(fields.get(b"maintainer", b"")[:4096]),
    )


def _stanzas_only(paths: Sequence[bytes], inventory: Inventory) -> Iterable[bytes]:  # noqa: ARG001
    """Leave out the lists of files that stand beside the stanzas in status.d."""
    return (path for path in paths if not path.endswith(b".md5sums"))


DPKG: Final = Extractor(
    name="os/dpkg",
    version=2,
    wants=Wants(patterns=(b"var/lib/dpkg/status", b"var/lib/dpkg/status.d/*"), max_size=32 * MiB),
    extract=read_status,
    choose=_stanzas_only,
)
