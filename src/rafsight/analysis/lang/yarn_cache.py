"""npm packages that Yarn runs out of their archives (Plug'n'Play): `.yarn/cache/*.zip`, where a `.pnp.cjs` lies beside.

Such an application has no `node_modules`, and its packages are never unpacked. Without that file the folder is a cache,
of which nobody runs anything. This module alone decides that, and which member is the `package.json` of the package.
What that says is decided in `node`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Inventory
from rafsight.analysis.lang.node import read_package
from rafsight.analysis.lang.zip_member import read_by_member
from rafsight.base.units import KiB, MiB
from rafsight.formats.zip_tail import read_member
from rafsight.image.selection import Wants

_CACHE: Final = b".yarn/cache/"
_PLAN: Final = b".pnp.cjs"
_MANIFEST: Final = re.compile(rb"node_modules/(?:@[^/]{1,214}/)?[^/]{1,214}/package\.json")
_MANIFEST_SIZE: Final = 1 * MiB


def read_archive(file: FileView) -> Iterator[Found]:
    """Read one archive; one without a `package.json` at the place is none of Yarn's.

    Raises: MalformedFile.
    """
    return read_by_member(file, _is_manifest, read_package, how=read_member, size=_MANIFEST_SIZE)


def _is_manifest(name: bytes) -> bool:
    return _MANIFEST.fullmatch(name) is not None


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
