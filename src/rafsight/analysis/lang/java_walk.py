"""A walk through a Java archive and those inside it.

Archives are walked from their ends: end record, directory, then the manifest, the `pom.properties` and the archives
that they hold. A stored one is read by ranges of the outer file, as if it lay beside it. A deflated one has to be
inflated whole, which happens once, in memory, when nothing has to be read any more. This module alone decides how deep,
how many and how large; what goes beyond is said and not read. Nothing is recursive, so the depth of a nest costs
nothing.
"""

from collections.abc import Callable
from typing import Final

from rafsight.analysis.extractor import FileView, Skipped
from rafsight.analysis.isolation import SKIPPED_COUNT
from rafsight.analysis.lang.java_archive import (
    Archive,
    Place,
    Walked,
    Wanted,
    base_name,
    inside,
    is_surely_java,
    reader,
)
from rafsight.analysis.lang.java_metadata import (
    MANIFEST_SIZE,
    POM,
    POM_SIZE,
    Coordinates,
    Fields,
    parse_manifest,
    parse_pom,
)
from rafsight.base.text import printable
from rafsight.base.units import MiB, format_size
from rafsight.formats.tables import MalformedImage
from rafsight.formats.zip_tail import (
    DIRECTORY_SIZE,
    FIRST_TAIL,
    Range,
    ZipDirectory,
    ZipEntry,
    check_form,
    find_content,
    find_directory,
    member_range,
    overlapping,
    read_directory,
    read_head,
    read_member,
)

NESTING: Final = 5
"""Archives within archives within the file that are looked into."""
ARCHIVE_COUNT: Final = 5_000
"""Archives in one file."""
POM_COUNT: Final = 5_000
"""`pom.properties` in one file."""
INFLATED_SIZE: Final = 512 * MiB
"""[bytes] that all deflated archives of one file may become together; it bounds memory, too."""
STORED_SIZE: Final = 256 * MiB
"""[bytes] of deflated archives that are fetched of one file."""
DIRECTORIES_SIZE: Final = 2 * DIRECTORY_SIZE
"""[bytes] of all directories in one file."""
_SHIFT: Final = 64
"""[bytes] by which a local header may differ from what the directory makes one expect, mostly."""


def walk(file: FileView) -> Walked:
    """Look at all archives in a file, as far as it was read.

    Cost: time and memory are bounded by the constants of this module, whatever the file says.
    """
    walker = _Walker()
    walker.push(Place(read=reader(file), start=0, size=file.size, path=b"", name=file.name, depth=0))
    while walker.step():
        pass
    return walker.walked


class _Walker:
    """The state of one walk: what is still to be looked at, and what may still be spent."""

    def __init__(self) -> None:
        self.walked = Walked()
        self._stack: list[Place] = []
        self._deflated: list[Place] = []
        self._archives_left = ARCHIVE_COUNT
        self._poms_left = POM_COUNT
        self._inflated_left = INFLATED_SIZE
        self._stored_left = STORED_SIZE
        self._directories_left = DIRECTORIES_SIZE

    def push(self, place: Place) -> None:
        """Look at an archive later; those that need not be inflated first."""
        (self._deflated if place.entry is not None and not place.in_memory else self._stack).append(place)

    def step(self) -> bool:
        """Look at one archive; False when there is nothing left to do now."""
        if not self._stack:
            if self.walked.missing or not self._deflated:
                return False
            self._stack.append(self._deflated.pop())
        place = self._stack.pop()
        try:
            inner = self._inflate(place) if place.entry is not None else place
            if inner is not None:
                self._look(inner)
        except MalformedImage as fault:
            self.skip(place.path, str(fault))
        return True

    def skip(self, path: bytes, what: str) -> None:
        """Say that something was not read."""
        if len(self.walked.skipped) < SKIPPED_COUNT:
            where = f"{printable(path)}: " if path else ""
            self.walked.skipped.append(Skipped(what=where + what))

    def _inflate(self, place: Place) -> Place | None:
        entry = place.entry
        assert entry is not None
        if entry.size > self._inflated_left:
            limit = format_size(INFLATED_SIZE)
            what = f"its {format_size(entry.size)} would exceed the {limit} that are inflated of a file"
            self._only_name(place, entry, what)
            return None
        self._inflated_left -= entry.size
        content = read_member(place.read_here, entry, max(entry.size, entry.compressed_size))
        assert isinstance(content, bytes), "all of it was asked for before"
        return Place(
            read=lambda offset, size: content[offset : offset + size], start=0, size=len(content),
            path=place.path, name=place.name, depth=place.depth, in_memory=True,
        )  # fmt: skip

    def _look(self, place: Place) -> None:
        directory = find_directory(place.read_here, place.size)
        if isinstance(directory, Range):
            self._miss(place, directory)
            return
        if directory is None:
            if is_surely_java(place.name):
                self.skip(place.path, "this is no zip archive")
            return
        if directory.size > self._directories_left:
            self.skip(place.path, f"the directories exceed {format_size(DIRECTORIES_SIZE)}")
            return
        content = place.read_here(directory.offset, directory.size)
        if content is None:
            self._miss(place, Range(directory.offset, directory.size))
            return
        self._directories_left -= directory.size
        self._read(place, directory, content)

    def _read(self, place: Place, directory: ZipDirectory, content: bytes) -> None:
        """Read the wanted members of an archive whose directory is at hand."""
        wanted = Wanted(place.name)
        entries: list[ZipEntry] = []
        try:
            for entry in read_directory(content, directory, wanted):
                if len(entries) > ARCHIVE_COUNT + POM_COUNT:
                    self.skip(place.path, f"more than {ARCHIVE_COUNT + POM_COUNT} members that could say something")
                    break
                entries.append(entry)
        except MalformedImage as fault:
            self.skip(place.path, str(fault))
        bad = overlapping(entries, directory)
        fields: Fields = {}
        poms: list[tuple[bytes, Coordinates]] = []
        has_archives = False
        for index, entry in enumerate(entries):
            if index in bad:
                self._skip_member(place, entry, "it overlaps with other members")
            elif wanted.is_manifest(entry.name):
                fields = fields or self._manifest(place, entry)
            elif entry.name.endswith(POM):
                if found := self._pom(place, entry):
                    poms.append((entry.name, found))
            else:
                has_archives = True
                self._nest(place, entry)
        self.walked.archives.append(
            Archive(
                path=place.path, name=place.name, fields=fields, poms=tuple(poms),
                has_classes=wanted.has_classes, has_archives=has_archives,
            )
        )  # fmt: skip

    def _manifest(self, place: Place, entry: ZipEntry) -> Fields:
        content = self._member(place, entry, lambda one: read_head(place.read_here, one, MANIFEST_SIZE))
        return parse_manifest(content or b"")

    def _pom(self, place: Place, entry: ZipEntry) -> Coordinates | None:
        self._poms_left -= 1
        if self._poms_left < 0:
            if self._poms_left == -1:
                self.skip(place.path, f"more than {POM_COUNT} pom.properties")
            return None
        content = self._member(place, entry, lambda one: read_member(place.read_here, one, POM_SIZE))
        found = parse_pom(content, entry.name) if content is not None else None
        if content is not None and found is None:
            self._skip_member(place, entry, "it names no artifact with a version")
        return found

    def _member(self, place: Place, entry: ZipEntry, read: Callable[[ZipEntry], bytes | Range]) -> bytes | None:
        """Return a small member; None if it has to be asked for, or cannot be read."""
        if self.walked.missing and place.read_here(*member_range(entry)) is not None:
            return None  # what it says does not count yet
        try:
            content = read(entry)
        except MalformedImage as fault:
            self._skip_member(place, entry, str(fault))
            return None
        if isinstance(content, Range):
            self._miss(place, content)
            return None
        return content

    def _nest(self, place: Place, entry: ZipEntry) -> None:
        """Look at a nested archive later, if that is within bounds."""
        self._archives_left -= 1
        if self._archives_left < 0:
            if self._archives_left == -1:
                self.skip(place.path, f"more than {ARCHIVE_COUNT} archives")
            return
        if place.depth == NESTING:
            self._only_name(place, entry, f"archives inside {NESTING} others are not read")
            return
        if entry.size == 0:
            return
        try:
            inner = self._stored(place, entry) if entry.is_stored else self._packed(place, entry)
        except MalformedImage as fault:
            self._skip_member(place, entry, str(fault))
            return
        if inner is not None:
            self.push(inner)

    def _stored(self, place: Place, entry: ZipEntry) -> Place | None:
        """Return the place of an archive that stands in another one as it is."""
        start = find_content(place.read_here, entry)
        if isinstance(start, Range):
            self._miss(place, start)
            # Where the content begins is only nearly known, so a little more than its tail is asked for.
            end = entry.header_offset + entry.header_size + entry.compressed_size + _SHIFT
            first = max(end - 2 * _SHIFT - FIRST_TAIL, entry.header_offset)
            self._miss(place, Range(first, end - first))
            return None
        if start + entry.size > place.size:
            self._skip_member(place, entry, "it reaches over the end of the archive that holds it")
            return None
        return Place(
            read=place.read, start=place.start + start, size=entry.size, path=inside(place.path, entry.name),
            name=base_name(entry.name), depth=place.depth + 1, in_memory=place.in_memory,
        )  # fmt: skip

    def _packed(self, place: Place, entry: ZipEntry) -> Place | None:
        """Return the place of a deflated archive, whose bytes have to be there as a whole."""
        check_form(entry)
        if not place.in_memory:
            if entry.compressed_size > self._stored_left:
                limit = format_size(STORED_SIZE)
                self._only_name(place, entry, f"more than {limit} of deflated archives are not fetched of a file")
                return None
            self._stored_left -= entry.compressed_size
            start = find_content(place.read_here, entry)
            if isinstance(start, Range):
                self._miss(place, member_range(entry))
                return None
            if place.read_here(start, entry.compressed_size) is None:
                self._miss(place, Range(start, entry.compressed_size))
                return None
        return Place(
            read=place.read, start=place.start, size=place.size, path=inside(place.path, entry.name),
            name=base_name(entry.name), depth=place.depth + 1, entry=entry, in_memory=place.in_memory,
        )  # fmt: skip

    def _only_name(self, place: Place, entry: ZipEntry, why: str) -> None:
        """Keep the name of an archive that is not read: often it says enough."""
        path = place.path if place.entry is entry else inside(place.path, entry.name)
        self.skip(path, f"only its name was looked at: {why}")
        self.walked.archives.append(Archive(path=path, name=base_name(entry.name)))

    def _miss(self, place: Place, part: Range) -> None:
        """Ask for a range of an archive that lies in the file."""
        self.walked.missing.append((place.start + part.offset, min(part.size, place.size - part.offset)))

    def _skip_member(self, place: Place, entry: ZipEntry, what: str) -> None:
        self.skip(inside(place.path, entry.name), what)
