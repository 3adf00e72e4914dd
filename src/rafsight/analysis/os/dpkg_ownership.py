"""The files that dpkg's packages own: what language packages and programs are weighed against.

A few hundred kilobytes, that save looking into hundreds of programs. They lie where dpkg is and nowhere else, so
nothing has to be known before they are read: they come with its database, in one plan. This module alone decides which
of the two kinds of lists is read.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile
from rafsight.analysis.fields import identity_of, lines_of, ownerships
from rafsight.analysis.inventory import Inventory
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_INFO: Final = b"var/lib/dpkg/info/"
_LIST, _SUMS = b".list", b".md5sums"


def read_list(file: FileView) -> Iterator[Found]:
    """Read `NAME[:ARCH].list` (paths) or `NAME[:ARCH].md5sums` (digest and path).

    Raises: MalformedFile.
    """
    name = file.name
    sums = name.endswith(_SUMS)
    package = identity_of(name.removesuffix(_SUMS).removesuffix(_LIST).partition(b":")[0])
    if not package:
        raise MalformedFile(what="no package name", where="its name")
    paths = _summed(file.content) if sums else _listed(file.content)
    yield from ownerships(package, paths, official=True)


def _listed(content: bytes) -> Iterator[bytes]:
    return (line.rstrip(b"\n") for line in lines_of(content) if line[:1] == b"/")


def _summed(content: bytes) -> Iterator[bytes]:
    for number, line in enumerate(lines_of(content), 1):
        if line.strip():
            if line[32:34] not in (b"  ", b" *"):
                raise MalformedFile(what="no digest and path", where=f"line {number}")
            yield line[34:].rstrip(b"\n")


def _best_lists(paths: Sequence[bytes], inventory: Inventory) -> Iterable[bytes]:  # noqa: ARG001
    """Leave out the check sums of packages that have the better list, which names links and directories too."""
    listed = {path.removesuffix(_LIST) for path in paths if path.startswith(_INFO) and path.endswith(_LIST)}
    return (path for path in paths if not (path.endswith(_SUMS) and path.removesuffix(_SUMS) in listed))


DPKG_OWNERSHIP: Final = Extractor(
    name="os/dpkg-ownership",
    version=1,
    wants=Wants(
        patterns=(_INFO + b"*.list", _INFO + b"*.md5sums", b"var/lib/dpkg/status.d/*.md5sums"), max_size=16 * MiB
    ),
    extract=read_list,
    choose=_best_lists,
)
