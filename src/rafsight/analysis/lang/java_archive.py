"""What is read of a Java archive, and what it looks like to those who read it. Values only.

This module alone decides which members say something about an archive, and what an archive is as a part of the file
that holds it.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

from rafsight.analysis.extractor import FileView, Skipped
from rafsight.analysis.fields import PATH_LENGTH
from rafsight.analysis.lang.java_metadata import POM, Coordinates, Fields
from rafsight.formats.zip_tail import Read, ZipEntry

SUFFIXES: Final = (
    b".jar",
    b".war",
    b".ear",
    b".par",
    b".sar",
    b".nar",
    b".jpi",
    b".hpi",
    b".kar",
    b".far",
    b".lpkg",
    b".rar",
    b".jmod",
)
_SURE: Final = (b".jar", b".war", b".ear", b".jpi", b".hpi")
"""The other suffixes have other owners, too: sounds, statistics, archives of other kinds."""
SEPARATOR: Final = b":"
"""Between the path of an archive and that of a member, as Syft writes it: `app.war:WEB-INF/lib/x.jar`."""
_POM_FOLDER: Final = b"META-INF/maven/"
_MANIFEST: Final = b"meta-inf/manifest.mf"
_JMOD: Final = b".jmod"
_JMOD_ROOT: Final = b"classes/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One archive, as far as it says what it is."""

    path: bytes
    """Where inside the file, with `SEPARATOR` between archives; empty for the file itself."""
    name: bytes
    """The base name."""
    fields: Fields = field(default_factory=dict)
    """Of the manifest."""
    poms: tuple[tuple[bytes, Coordinates], ...] = ()
    """What each `pom.properties` says, by its path in the archive."""
    has_classes: bool = False
    has_archives: bool = False


@dataclass(slots=True, kw_only=True)
class Walked:
    """What a walk found."""

    archives: list[Archive] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    missing: list[tuple[int, int]] = field(default_factory=list)
    """(offset, size) of the file that have to be read first; then nothing else counts yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An archive that is to be looked at."""

    read: Read
    """Of whatever holds the archive: the file, or an inflated archive."""
    start: int
    """[bytes] where the archive begins there."""
    size: int
    path: bytes
    name: bytes
    depth: int
    entry: ZipEntry | None = None
    """Set if it is deflated and has to be inflated first."""
    in_memory: bool = False

    def read_here(self, offset: int, size: int) -> bytes | None:
        """Read a range of the archive."""
        if offset < 0 or offset >= self.size:
            return b""
        return self.read(self.start + offset, min(size, self.size - offset))


class Wanted:
    """Tells which members are wanted, and remembers whether there were classes."""

    def __init__(self, name: bytes) -> None:
        """Begin.

        Args:
            name: of the archive.
        """
        self.has_classes = False
        self._manifest = (_JMOD_ROOT if name.lower().endswith(_JMOD) else b"") + _MANIFEST

    def __call__(self, name: bytes) -> bool:
        """Tell whether a member is wanted."""
        if name.endswith(b".class"):
            self.has_classes = True
            return False
        if len(name) > PATH_LENGTH:
            return False
        return (name.endswith(POM) and _POM_FOLDER in name) or name.lower().endswith(SUFFIXES) or self.is_manifest(name)

    def is_manifest(self, name: bytes) -> bool:
        """Tell whether a member is the manifest, in any case, as Java itself takes it."""
        return len(name) == len(self._manifest) and name.lower() == self._manifest


def reader(file: FileView) -> Read:
    """Return a reader of the runs of a file that finds the right one of thousands at once."""
    starts = [start for start, _ in file.runs]
    runs = file.runs

    def read(offset: int, size: int) -> bytes | None:
        end = min(offset + size, file.size)
        if end <= offset:
            return b""
        index = bisect_right(starts, offset) - 1
        if index < 0:
            return None
        start, content = runs[index]
        return content[offset - start : end - start] if end <= start + len(content) else None

    return read


def inside(path: bytes, name: bytes) -> bytes:
    """Return the path of a member in the file."""
    return path + SEPARATOR + name if path else name


def is_surely_java(name: bytes) -> bool:
    """Tell whether a file with this name can be nothing but a Java archive."""
    return name.lower().endswith(_SURE)


def base_name(path: bytes) -> bytes:
    """Return the last part of a path."""
    return path.rpartition(b"/")[2]
