"""dpkg's database in an image: which packages are installed, and which files are whose.

This module alone decides where the database lies: stanzas in `status`, or one by one in `status.d` (distroless), lists
and sums of files beside them. Names in lists are those of the packages; diversions and links are followed here, so that
two names of one file are one file.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from rafsight.base.units import MiB
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Put
from rafsight.verbs.repair.packages.dpkg_stanza import Stanza, parse_stanza, value_of
from rafsight.verbs.repair.packages.faults import MalformedPackageDatabase
from rafsight.verbs.repair.packages.places import Place, held
from rafsight.verbs.repair.packages.staging import Staged

ADMIN: Final = b"var/lib/dpkg/"
INFO: Final = ADMIN + b"info/"
SINGLE: Final = ADMIN + b"status.d/"
STATUS_SIZE: Final = 64 * MiB
LIST_SIZE: Final = 64 * MiB
_LIST, _SUMS = b".list", b".md5sums"
_GONE: Final = frozenset({b"not-installed", b"config-files"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One installed package."""

    name: str
    version: str
    architecture: str
    stanza: Stanza
    file: bytes
    """Canonical path of the file that has the stanza."""
    start: int
    """[bytes] of the stanza in that file."""
    end: int
    """[bytes] behind its last line."""

    @property
    def is_single(self) -> bool:
        """True if the stanza has a file of its own."""
        return b"/status.d/" in self.file


class Database:
    """The database as it is now."""

    def __init__(self, staged: Staged) -> None:
        """Read all stanzas.

        Raises: MalformedPackageDatabase; RegistryFault, ImageFault.
        """
        self._staged = staged
        status = staged.find_file(ADMIN + b"status")
        places = [*([] if status is None else [status]), *_inside(staged, SINGLE)]
        wanted = [place for place in places if not place.path.endswith(_SUMS)]
        self.records = [
            record for place, content in staged.read_each(wanted, STATUS_SIZE) for record in _records(place, content)
        ]
        self.records.sort(key=lambda record: (record.file, record.start))
        self.diversions = self._diversions()

    def find(self, name: str) -> list[Record]:
        """Return the installed packages of a name, one for each architecture."""
        return [record for record in self.records if record.name == name]

    def replace(self, record: Record, stanza: bytes) -> None:
        """Write another stanza in place of a package's; the database is to be read again then."""
        place = self._staged.exact(record.file)
        assert place is not None
        content = self._staged.read(place, STATUS_SIZE)
        changed = stanza if record.is_single else content[: record.start] + stanza + content[record.end :]
        self._staged.put(Put(path=record.file, kind=MemberKind.FILE, content=held(changed)))

    def base(self, record: Record) -> bytes:
        """Return what the names of a package's files in the database begin with: a path without links."""
        if record.is_single:
            return record.file
        info = self._staged.resolve(INFO.rstrip(b"/")) + b"/" + record.name.encode()
        qualified = info + b":" + record.architecture.encode()
        ends = (_LIST, _SUMS)
        return qualified if any(self._staged.find(qualified + end) is not None for end in ends) else info

    def owned(self, record: Record) -> list[bytes] | None:
        """Return the names that a package has in its list, relative to the root; None if it has none.

        Sums know files only, no folders and no links; they are taken where there is no list.
        """
        base = self.base(record)
        for end in (_LIST, _SUMS):
            place = self._staged.find_file(base + end)
            if place is not None:
                return list(_names(place, self._staged.read(place, LIST_SIZE)))
        return None

    def place_of(self, name: bytes, package: str) -> bytes:
        """Return the canonical path of a package's file: past its diversion, if another package has one."""
        target, owner = self.diversions.get(name, (name, package))
        return self._staged.resolve(name if owner == package else target)

    def owners(self, paths: Collection[bytes], but: Record | None = None) -> dict[bytes, set[str]]:
        """Tell which other packages have some canonical paths in their lists.

        Args:
            paths: of files and folders.
            but: a package that does not count; another architecture's does.
        Raises: MalformedPackageDatabase; RegistryFault, ImageFault.
        Cost: one plan that reads all lists, if there are any paths.
        """
        found: dict[bytes, set[str]] = {}
        wanted, ends = set(paths), {path.rpartition(b"/")[2] for path in paths}
        for place, content in self._staged.read_each(self._lists(but) if wanted else [], LIST_SIZE):
            package = package_of(place.path)
            for name in _names(place, content):
                if name.rpartition(b"/")[2] in ends and (path := self.place_of(name, package)) in wanted:
                    found.setdefault(path, set()).add(package)
        return found

    def disown(self, package: str, paths: Collection[bytes]) -> None:
        """Take canonical paths out of a package's list: another one has replaced them."""
        for record in self.find(package):
            place = self._staged.find_file(self.base(record) + _LIST)
            if place is None:
                continue
            lines = self._staged.read(place, LIST_SIZE).splitlines(keepends=True)
            kept = [line for line in lines if self.place_of(_clean(line), package) not in paths]
            if len(kept) < len(lines):
                self._staged.put(Put(path=place.path, kind=MemberKind.FILE, content=held(b"".join(kept))))

    def _lists(self, but: Record | None) -> Iterator[Place]:
        """Yield the lists of all other packages, and the sums of those that have no list."""
        own = self.base(but) if but is not None else None
        places = [*_inside(self._staged, INFO), *_inside(self._staged, SINGLE)]
        there = {place.path for place in places}
        for place in places:
            stem, dot, kind = place.path.rpartition(b".")
            if stem == own or not dot:
                continue
            if dot + kind == _LIST or (dot + kind == _SUMS and stem + _LIST not in there):
                yield place

    def _diversions(self) -> dict[bytes, tuple[bytes, str]]:
        """Return where names are diverted to, and which package wants it so."""
        place = self._staged.find_file(ADMIN + b"diversions")
        if place is None:
            return {}
        lines = self._staged.read(place, LIST_SIZE).splitlines()
        if len(lines) % 3:
            raise MalformedPackageDatabase(path=b"/" + place.path, what="its lines do not come in threes")
        threes = zip(lines[::3], lines[1::3], lines[2::3], strict=True)
        return {_clean(name): (_clean(target), owner.decode("utf-8", "replace")) for name, target, owner in threes}


def package_of(path: bytes) -> str:
    """Return the package that a list is about, by its name."""
    name = path.rpartition(b"/")[2].removesuffix(_LIST).removesuffix(_SUMS)
    return name.partition(b":")[0].decode("utf-8", "replace")


def _inside(staged: Staged, folder: bytes) -> list[Place]:
    """Return the files in a folder of the database."""
    found = staged.find_folder(folder)
    places = [staged.find_file(found.path + b"/" + name) for name in staged.names(found)] if found is not None else []
    return [place for place in places if place is not None]


def _records(place: Place, content: bytes) -> Iterator[Record]:
    """Take a file apart into stanzas; those of packages that are gone are left out."""
    lines: list[bytes] = []
    start = position = 0
    for line in [*content.splitlines(keepends=True), b"\n"]:
        if line.strip():
            start = start if lines else position
            lines.append(line)
        elif lines:
            yield from _record(place, lines, start)
            lines = []
        position += len(line)


def _record(place: Place, lines: list[bytes], start: int) -> Iterator[Record]:
    stanza = parse_stanza(lines)
    status = stanza.get(b"status", (b"", b""))[1].split()
    name, version = value_of(stanza, b"package"), value_of(stanza, b"version")
    if (len(status) > 2 and status[2] in _GONE) or not name or not version:
        return
    yield Record(
        name=name,
        version=version,
        architecture=value_of(stanza, b"architecture"),
        stanza=stanza,
        file=place.path,
        start=start,
        end=start + sum(map(len, lines)),
    )


def _names(place: Place, content: bytes) -> Iterator[bytes]:
    """Yield the names in a list or in sums, relative to the root."""
    for line in content.splitlines():
        text = line[34:] if place.path.endswith(_SUMS) else line
        name = _clean(text)
        if name:
            yield name


def _clean(text: bytes) -> bytes:
    """Bring a name of the database into the form of paths here; the root is empty."""
    name = text.rstrip(b"\r\n").lstrip(b"/").removeprefix(b"./").rstrip(b"/")
    return b"" if name == b"." else name
