"""Java archives: what they are, what they hold, and the archives inside them.

The tail of a file is read, then the directory, then the few members that say something; classes are never read. This
module alone decides which files are looked at, and how often one is asked for more. A component's `member` says where
inside the file it was found: `WEB-INF/lib/x.jar` for a nested archive (`:` between several), the path of its
`pom.properties` for a package whose classes were copied into another archive.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, ReadMore
from rafsight.analysis.inventory import Inventory
from rafsight.analysis.lang.java_archive import SUFFIXES
from rafsight.analysis.lang.java_identity import identify
from rafsight.analysis.lang.java_walk import walk
from rafsight.base.units import GiB, KiB
from rafsight.image.selection import Wants

_HEAD: Final = 8 * KiB
"""[bytes] that hold the manifest: by the rules of the platform it comes first."""
_TAIL: Final = 64 * KiB
"""[bytes] from the end that hold the directory of most libraries, and what Maven put last."""
_WHOLE: Final = 128 * KiB
"""[bytes] hardly more than head and tail. Larger archives are read whole where chunks have a megabyte, without being
asked for: what comes along is held for the next question."""
_PLATFORM: Final = b"java.base.jmod"
_SPELLINGS: Final = tuple(
    spelling for suffix in SUFFIXES for spelling in (suffix, suffix.upper(), suffix[:1] + suffix[1:].capitalize())
)
"""Trees from machines that take letter cases for the same have `X.JAR` and `X.Jar`."""


def read_archives(file: FileView) -> Iterator[Found]:
    """Read one file that may be a Java archive."""
    if not file.size:
        return
    walked = walk(file)
    if walked.missing:
        yield ReadMore(ranges=tuple(walked.missing))
        return
    yield from walked.skipped
    for archive in walked.archives:
        yield from identify(archive)


def _not_the_platform(paths: Sequence[bytes], inventory: Inventory) -> Iterable[bytes]:  # noqa: ARG001
    """Leave out the modules of a JDK: they are parts of it, of its version, and name nobody else's package."""
    platforms = tuple(path.removesuffix(_PLATFORM) for path in paths if path.rpartition(b"/")[2] == _PLATFORM)
    return (
        path
        for path in paths
        if not (path.endswith(b".jmod") and path[: len(path) - len(path.rpartition(b"/")[2])] in platforms)
    )


JAVA: Final = Extractor(
    name="lang/java",
    version=2,
    wants=Wants(
        patterns=tuple(b"**/*" + suffix for suffix in _SPELLINGS),
        max_size=16 * GiB,
        head=_HEAD,
        tail=_TAIL,
        whole=_WHOLE,
    ),
    extract=read_archives,
    choose=_not_the_platform,
)
