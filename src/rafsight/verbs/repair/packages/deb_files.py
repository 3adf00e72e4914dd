"""The files of a package: which of the old ones go, which new ones come, and where to.

This module alone decides what dpkg decides when it unpacks one version over another: folders that are there stay as
they are, links above are followed, files of other packages are neither removed nor overwritten unless the package says
that it replaces them, configuration files follow `dpkg_conffiles`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from rafsight.base.text import escape
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Put
from rafsight.verbs.repair.packages.deb_file import DebFile
from rafsight.verbs.repair.packages.dpkg_conffiles import Conffile, Fate, declared, fate_of, md5_of, recorded
from rafsight.verbs.repair.packages.dpkg_database import Database, Record
from rafsight.verbs.repair.packages.dpkg_filters import excluded_by, overridden
from rafsight.verbs.repair.packages.dpkg_relations import matches
from rafsight.verbs.repair.packages.dpkg_stanza import parse_relations
from rafsight.verbs.repair.packages.faults import WrongPackage
from rafsight.verbs.repair.packages.items import Item
from rafsight.verbs.repair.packages.places import Place, above_of
from rafsight.verbs.repair.packages.staging import Staged

_BESIDE: Final = b".dpkg-dist"
_CAPABILITIES: Final = b"security.capability"


@dataclass(slots=True, kw_only=True)
class FileChange:
    """What becomes different among the files of a package."""

    puts: list[Put] = field(default_factory=list)
    leaving: list[bytes] = field(default_factory=list)
    """Canonical paths of old files that go."""
    leaving_folders: set[bytes] = field(default_factory=set)
    """Of old folders that go if they are empty."""
    taken: dict[str, set[bytes]] = field(default_factory=dict)
    """Files of other packages that are replaced, by package."""
    conffiles: dict[bytes, str] = field(default_factory=dict)
    """MD5 of each configuration file that the new package brings, by name."""
    obsolete: list[Conffile] = field(default_factory=list)
    """Configuration files that only the old package had, and that stay."""
    notes: list[str] = field(default_factory=list)


def plan_files(staged: Staged, database: Database, record: Record, deb: DebFile) -> FileChange:
    """Work out the change.

    Raises: WrongPackage: a file is another package's. MalformedPackage; MalformedPackageDatabase, RegistryFault,
        ImageFault.
    Cost: configuration files, and where files go or come, the lists of all packages.
    """
    return _Plan(staged, database, record, deb).make()


class _Plan:
    def __init__(self, staged: Staged, database: Database, record: Record, deb: DebFile) -> None:
        self.staged, self.database, self.record, self.deb = staged, database, record, deb
        self.change = FileChange()
        self.excluded: Callable[[bytes], bool] = excluded_by(staged)
        self.overridden = overridden(staged)
        self.paths: dict[bytes, bytes] = {}
        """Canonical path of each name in the package."""
        self.placed: set[bytes] = set()
        """Canonical paths of files that come."""

    def make(self) -> FileChange:
        change = self.change
        old_names = self.database.owned(self.record)
        if old_names is None:
            change.notes.append(f"nothing says which files {self.deb.name} had: none was removed")
        old = self._places(old_names or [])
        brought, unwanted = declared(self.deb.read(b"conffiles"))
        change.notes += [f"/{escape(name)} was left, although the package wants it removed" for name in unwanted]
        for item in self.deb.items:
            self.paths[item.name] = self.database.place_of(item.name, self.deb.name)
        self._conffiles(brought, old)
        for item in self.deb.items:
            if item.name not in change.conffiles:
                self._come(item)
        self._go(old)
        return change

    def _places(self, names: list[bytes]) -> dict[bytes, Place]:
        """Return what is there of some names, by canonical path.

        A link that stands where the package had a folder (`/bin` of a merged system) is not the package's.
        """
        found = {}
        folders = {above for name in names for above in above_of(name)}
        for name in names:
            place = self.staged.exact(self.database.place_of(name, self.record.name))
            if place is not None and not (place.kind is MemberKind.SYMLINK and name in folders):
                found[place.path] = place
        return found

    def _conffiles(self, brought: list[bytes], old: dict[bytes, Place]) -> None:
        """Decide about each configuration file; those that stay are no longer among the old files."""
        change, before = self.change, recorded(self.record.stanza)
        items = {item.name: item for item in self.deb.items if item.kind is MemberKind.FILE}
        for name in brought:
            if name not in items:
                continue
            change.conffiles[name] = md5_of(items[name].content)
            place = self.staged.find_file(self.paths[name])
            path = place.path if place is not None else self.paths[name]
            old.pop(path, None)
            self.placed.add(path)
            fate = fate_of(self.staged, place, before.get(name), change.conffiles[name])
            if fate is Fate.BESIDE and self.record.is_single and name not in before:
                fate = Fate.INSTALL  # these databases record nothing about configuration files
            if fate is Fate.INSTALL:
                put = self._put(items[name], path)
                change.puts.append(replace(put, mode=None, uid=None, gid=None) if place is not None else put)
            elif fate is Fate.BESIDE:
                put = self._put(items[name], path + _BESIDE)
                if place is not None:  # as the file that it lies beside, which may be nobody else's to read
                    put = replace(put, mode=place.mode, uid=place.uid, gid=place.gid)
                change.puts.append(put)
                done = "changed in the image and kept" if place is not None else "removed in the image and not put back"
                change.notes.append(f"/{escape(name)} was {done}: see /{escape(name + _BESIDE)}")
            elif place is None:
                change.notes.append(f"/{escape(name)} was removed in the image and not put back")
        for name, one in before.items():
            path = self.database.place_of(name, self.record.name)
            if name not in change.conffiles and path in old:
                del old[path]
                change.obsolete.append(one)
                change.notes.append(f"/{escape(name)} was kept: the new version has no such configuration file")

    def _come(self, item: Item) -> None:
        path = self.paths[item.name]
        here = self.staged.exact(path)
        if here is None and self.excluded(item.name):
            return
        there = self.staged.find(path)
        if there is not None and there.kind is MemberKind.DIRECTORY and item.kind is MemberKind.DIRECTORY:
            return
        if here is not None and here.kind is MemberKind.DIRECTORY and item.kind is MemberKind.SYMLINK:
            self.change.notes.append(f"/{escape(path)} stays a folder, although the package has a link there")
            return
        put = self._put(item, path)
        if item.name in self.overridden and here is not None:
            put = replace(put, mode=None, uid=None, gid=None)
        self.change.puts.append(put)
        if item.kind is not MemberKind.DIRECTORY:
            self.placed.add(path)
        self._note_capabilities(here, item)

    def _put(self, item: Item, path: bytes) -> Put:
        """Make an entry; a hard link to what does not come itself becomes a file of its own."""
        kind, target, content = item.kind, item.target, item.content
        if kind is MemberKind.HARDLINK:
            target = self.paths.get(item.target, b"")
            if target not in self.placed or item.target in self.change.conffiles:
                source = next((one for one in self.deb.items if one.name == item.target), item)
                kind, target, content = MemberKind.FILE, b"", source.content
        xattrs = item.xattrs or None
        return Put(
            path=path,
            kind=kind,
            mode=item.mode,
            uid=item.uid,
            gid=item.gid,
            mtime=item.mtime,
            xattrs=xattrs,
            target=target,
            rdev=item.rdev,
            content=content,
        )

    def _note_capabilities(self, here: Place | None, item: Item) -> None:
        if here is None or here.row is None or item.xattrs or here.kind is not item.kind:
            return
        if any(xattr.name == _CAPABILITIES for xattr in self.staged.tree.xattrs(here.row)):
            self.change.notes.append(f"/{escape(here.path)} keeps its capabilities, which scripts had given it")

    def _go(self, old: dict[bytes, Place]) -> None:
        """Tell which old files and folders go, and whether files of others would be overwritten."""
        files = [path for path, place in old.items() if place.kind is not MemberKind.DIRECTORY]
        needed = {self.database.place_of(item.name, self.deb.name) for item in self.deb.items}
        leaving = [path for path in files if path not in self.placed and path not in needed]
        folders = {path for path, place in old.items() if place.kind is MemberKind.DIRECTORY and path not in needed}
        new = {put.path for put in self.change.puts if put.kind is not MemberKind.DIRECTORY} - old.keys()
        strange = {path for path in new if self.staged.exact(path) is not None}
        owners = self.database.owners({*leaving, *folders, *strange}, self.record)
        for path in sorted(strange):
            self._overwrite(path, owners.get(path, set()) - {self.deb.name})
        self.change.leaving = [path for path in leaving if path not in owners]
        self.change.leaving_folders = {path for path in folders if path and path not in owners}
        for path in leaving:
            if path in owners:
                whose = ", ".join(sorted(owners[path]))
                self.change.notes.append(f"/{escape(path)} was left: {whose} has it, too")

    def _overwrite(self, path: bytes, owners: set[str]) -> None:
        """Take a file over from another package, if the new one says that it replaces that."""
        relations = parse_relations(self.deb.stanza.get(b"replaces", (b"", b""))[1]) or []
        for owner in sorted(owners):
            versions = [record.version for record in self.database.find(owner)]
            allowed = any(
                one.name == owner and any(matches(version, one) for version in versions)
                for alternatives in relations
                for one in alternatives
            )
            if not allowed:
                raise WrongPackage(file=str(self.deb.path), why=f"/{escape(path)} belongs to {owner}")
            self.change.taken.setdefault(owner, set()).add(path)
            self.change.notes.append(f"/{escape(path)} was taken over from {owner}")
