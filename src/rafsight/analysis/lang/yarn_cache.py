"""npm packages that Yarn runs out of their archives (Plug'n'Play): `.yarn/cache/*.zip`, where a `.pnp.cjs` lies beside.

Such an application has no `node_modules`, and its packages are never unpacked. Without that file the folder is a cache,
of which nobody runs anything. This module alone decides that, and how much of an archive is read: its directory and the
`package.json` of the package. What that says is decided in `node`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile, ReadMore
from rafsight.analysis.inventory import Component, Inventory
from rafsight.analysis.lang.node import read_package
from rafsight.base.units import KiB, MiB
from rafsight.formats.tables import MalformedImage
from rafsight.formats.zip_tail import Range, find_directory, read_directory, read_member
from rafsight.image.selection import Wants

_CACHE: Final = b".yarn/cache/"
_PLAN: Final = b".pnp.cjs"
_MANIFEST: Final = re.compile(rb"node_modules/(?:@[^/]{1,214}/)?[^/]{1,214}/package\.json")
_MANIFEST_SIZE: Final = 1 * MiB


def read_archive(file: FileView) -> Iterator[Found]:
    """Read one archive; one without a `package.json` at the place is none of Yarn's.

    Raises: MalformedFile.
    """
    try:
        found = _manifest(file)
    except MalformedImage as fault:
        raise MalformedFile(what=str(fault), where="the archive") from fault
    if isinstance(found, Range):
        yield ReadMore(ranges=((found.offset, found.size),))
    elif found is not None:
        member, content = found
        for item in read_package(FileView(path=member, size=len(content), runs=((0, content),))):
            yield replace(item, member=member) if isinstance(item, Component) else item


def _manifest(file: FileView) -> tuple[bytes, bytes] | Range | None:
    """Return the path and content of the manifest, what has to be read first, or None if there is none."""
    directory = find_directory(file.slice, file.size)
    if directory is None or isinstance(directory, Range):
        return directory
    listed = file.slice(directory.offset, directory.size)
    if listed is None:
        return Range(directory.offset, directory.size)
    entry = next(read_directory(listed, directory, lambda name: _MANIFEST.fullmatch(name) is not None), None)
    if entry is None:
        return None
    content = read_member(file.slice, entry, _MANIFEST_SIZE)
    return content if isinstance(content, Range) else (entry.name, content)


def _run_from(paths: Sequence[bytes], inventory: Inventory) -> Iterable[bytes]:  # noqa: ARG001
    """Choose the archives of applications that are run so."""
    roots = {path.removesuffix(_PLAN) for path in paths if path.rpartition(b"/")[2] == _PLAN}
    return (path for path in paths if _CACHE in path and path.rpartition(_CACHE)[0] in roots)


YARN_CACHE: Final = Extractor(
    name="lang/yarn-cache",
    version=1,
    wants=Wants(
        patterns=(b"**/.yarn/cache/*.zip", b"**/.pnp.cjs"),
        max_size=1024 * MiB,
        head=1 * KiB,
        tail=64 * KiB,
        whole=128 * KiB,
    ),
    extract=read_archive,
    choose=_run_from,
)
"""`.pnp.cjs` is only looked for and never read."""
