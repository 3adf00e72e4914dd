"""A wheel in place of an installed Python distribution.

This module alone decides where the files of a wheel go, what its RECORD says afterwards, and which of several
installations are replaced: those that the wheel fits and that say which files are their own.
"""

import csv
import io
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rafsight.base.text import escape
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Content, Put
from rafsight.matching.versions.pypi import PYPI
from rafsight.verbs.repair.packages.dpkg_database import ADMIN, Database
from rafsight.verbs.repair.packages.exchange import Owner, exchange
from rafsight.verbs.repair.packages.faults import MalformedPackage, NotInstalled, NotReplaceable, WrongPackage
from rafsight.verbs.repair.packages.items import Item
from rafsight.verbs.repair.packages.outcome import WHEEL, Outcome, older_note
from rafsight.verbs.repair.packages.places import Place, above_of, held
from rafsight.verbs.repair.packages.python_installed import Installed, find_installed, own_entries, owned_by_others
from rafsight.verbs.repair.packages.python_requirements import unmet
from rafsight.verbs.repair.packages.python_scripts import (
    digest_and_size,
    entry_scripts,
    first_lines,
    renamed_scripts,
    with_interpreter,
)
from rafsight.verbs.repair.packages.python_site import Site
from rafsight.verbs.repair.packages.staging import Staged
from rafsight.verbs.repair.packages.wheel_file import WheelFile, encode_digest, open_wheel
from rafsight.verbs.repair.packages.wheel_fit import libc_of, machine_of, why_unfit

_OURS: Final = "rafsight"
_SYSTEM: Final = b"usr/lib/"
"""Where packages of the system put distributions."""
_GENERATED: Final = frozenset({b"RECORD", b"RECORD.jws", b"RECORD.p7s", b"INSTALLER", b"REQUESTED", b"direct_url.json"})
"""Files of the `.dist-info` folder that installers write, and do not take from a wheel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _New:
    """A file that comes."""

    path: bytes
    """Canonical."""
    content: Content
    executable: bool
    mtime: int
    digest: str
    """As RECORD has it, empty for none."""


def stage_wheel(staged: Staged, path: Path, only: frozenset[str] = frozenset()) -> Outcome:
    """Replace installations of a distribution by a wheel.

    Args:
        staged: the image.
        path: of the wheel.
        only: installed versions that are replaced; empty for all.
    Raises: UnreadablePackage, MalformedPackage, NotInstalled, NotReplaceable, WrongPackage, InTheWay;
        MalformedPackageDatabase, RegistryFault, ImageFault.
    """
    wheel = open_wheel(path)
    found = [one for one in find_installed(staged, wheel.key) if not only or one.version in only]
    if not found:
        raise NotInstalled(kind="Python", name=wheel.metadata.name)
    fitting, notes = _choose(staged, wheel, [_judged(staged, one) for one in found])
    for site in dict.fromkeys(one.site for one in fitting):
        notes += _Replacement(staged, wheel, site, [one for one in fitting if one.site == site]).apply()
    old = tuple(dict.fromkeys(one.version for one in fitting))
    version = wheel.metadata.version
    return Outcome(
        kind=WHEEL,
        name=wheel.metadata.name,
        old_versions=old,
        new_version=version,
        notes=tuple(notes + older_note(wheel.metadata.name, old, version, PYPI.key)),
        check=lambda: [note for one in fitting for note in unmet(staged, one.site, wheel)],
    )


def _choose(staged: Staged, wheel: WheelFile, found: Sequence[Installed]) -> tuple[list[Installed], list[str]]:
    """Tell which installations the wheel can replace; notes say why not the others."""
    machine, libc = machine_of(staged.image.identity.platform), libc_of(staged)
    fitting: list[Installed] = []
    refused: list[str] = []
    unfit: list[str] = []
    for one in found:
        where = f"/{escape(one.info)}"
        if one.refusal:
            refused.append(f"{where} was left: {one.refusal}")
        elif why := why_unfit(wheel, one.site, machine=machine, libc=libc, old_tags=one.tags):
            unfit.append(f"{where} was left: {why}")
        else:
            fitting.append(one)
    if not fitting and unfit:
        raise WrongPackage(file=str(wheel.path), why=unfit[0].partition(": ")[2])
    if not fitting:
        raise NotReplaceable(name=wheel.metadata.name, why=refused[0].partition(": ")[2])
    return fitting, refused + unfit


def _judged(staged: Staged, installed: Installed) -> Installed:
    """Refuse an installation that a Debian package brought, where such packages may put files.

    Cost: the lists of all packages, once.
    """
    if installed.refusal or not installed.info.startswith(_SYSTEM) or staged.find_folder(ADMIN) is None:
        return installed
    head = installed.info + (b"/METADATA" if installed.info.endswith(b".dist-info") else b"/PKG-INFO")
    owners = Database(staged).owners([head, installed.info])
    names = sorted({name for there in owners.values() for name in there})
    return replace(installed, refusal=f"the Debian package {names[0]} installed it") if names else installed


class _Replacement:
    """The replacement in one folder of distributions."""

    def __init__(self, staged: Staged, wheel: WheelFile, site: Site, old: Sequence[Installed]) -> None:
        self.staged, self.wheel, self.site, self.old = staged, wheel, site, old
        self.entries = list(dict.fromkeys(path for one in old for path in own_entries(staged, one)))
        self.bin = self._bin()
        self.newest = max((item.mtime for item in wheel.items), default=0)
        info = staged.exact(old[0].info)
        self.owner = Owner(uid=info.uid, gid=info.gid) if info is not None else Owner()

    def apply(self) -> list[str]:
        """Make the changes; return notes."""
        scripts = [path for path in self.entries if path.rpartition(b"/")[0] == self.bin]
        places = [place for path in scripts if (place := self.staged.exact(path)) is not None]
        head = first_lines(self.staged, self.site, places)
        new = self._files(head, [path.rpartition(b"/")[2].decode("utf-8", "replace") for path in scripts])
        new += self._generated(new)
        own = tuple(one.info + b"/" for one in self.old)
        leaving = {path for path in self.entries if not path.startswith(own) and not path.endswith(b".pyc")}
        leaving -= {one.path for one in new}
        foreign = owned_by_others(self.staged, self.site, self.wheel.key, leaving)
        owner = self.owner
        exchange(
            self.staged,
            old=[path for path in self.entries if path not in foreign],
            puts=[self._put(one) for one in new],
            owner=owner,
            stays=self._stays,
        )
        notes = [f"/{escape(path)} was left: another distribution has it, too" for path in sorted(foreign)]
        if any(path.endswith(b".pyc") for path in self.entries):
            notes.append(f"/{escape(self.site.path)}: old bytecode was removed, and none was compiled")
        return notes

    def _bin(self) -> bytes:
        """Return the folder of scripts: where the old ones are, else where the folder of packages has it."""
        inside = self.site.path + b"/" if not self.site.is_target else b"\0"
        for path in self.entries:
            folder = path.rpartition(b"/")[0]
            if folder.rpartition(b"/")[2] == b"bin" and not path.startswith(inside):
                return folder
        return self.staged.resolve(self.site.prefix + b"/bin")

    def _files(self, head: bytes, old_scripts: Iterable[str]) -> list[_New]:
        """Place the files of the wheel, and write its entry points."""
        new: dict[bytes, _New] = {}
        for item in self.wheel.items:
            place = self._target(item.name)
            if place is None:
                continue
            path, is_script = self.staged.resolve(place[0]), place[1]
            if path in new:
                what = f"two of its files would be /{escape(path)}"
                raise MalformedPackage(file=str(self.wheel.path), what=what)
            new[path] = self._new(item, path, head, is_script=is_script)
        for name, content in self._entry_points(head, old_scripts).items():
            path = self.staged.resolve(self.bin + b"/" + name.encode("utf-8", "surrogateescape"))
            new[path] = _small(path, content, self.newest, executable=True)
        return list(new.values())

    def _target(self, name: bytes) -> tuple[bytes, bool] | None:
        """Return where a file of the wheel goes, and whether it is a script; None if it is not installed."""
        first, _, rest = name.partition(b"/")
        if first == self.wheel.info:
            return None if rest in _GENERATED else (self.site.path + b"/" + name, False)
        if first != self.wheel.info.removesuffix(b".dist-info") + b".data":
            return self.site.path + b"/" + name, False
        category, _, below = rest.partition(b"/")
        folders = {
            b"purelib": self.site.path,
            b"platlib": self.site.path,
            b"scripts": self.bin,
            b"data": self.site.prefix,
            b"headers": self._headers(),
        }
        if category not in folders or not below:
            raise MalformedPackage(file=str(self.wheel.path), what=f"{escape(name)} is of no known category")
        return folders[category] + b"/" + below, category == b"scripts"

    def _headers(self) -> bytes:
        """Return the folder of headers: where the old ones are, else where installers put them."""
        name = self.wheel.metadata.name.encode()
        for one in self.old:
            for path in one.files:
                start, found, _ = path.partition(b"/" + name + b"/")
                if found and b"include" in start.split(b"/"):
                    return start + found.rstrip(b"/")
        prefix = self.site.prefix
        if self.site.version is None:
            return prefix + b"/include/python/" + name
        version = b"python%d.%d%s" % (*self.site.version, self.site.threads.encode())
        is_virtual = self.staged.find(prefix + b"/pyvenv.cfg") is not None
        return prefix + (b"/include/site/" if is_virtual else b"/include/") + version + b"/" + name

    def _new(self, item: Item, path: bytes, head: bytes, *, is_script: bool) -> _New:
        assert item.content is not None
        content, digest = item.content, self.wheel.hashes.get(item.name, "")
        if is_script:
            content, changed = with_interpreter(content, head)
            digest = _digest(content) if changed else digest
        return _New(
            path=path,
            content=content,
            executable=is_script or bool(item.mode & 0o111),
            mtime=item.mtime,
            digest=digest,
        )

    def _entry_points(self, head: bytes, old_scripts: Iterable[str]) -> dict[str, bytes]:
        try:
            scripts = entry_scripts(self.wheel.read(b"entry_points.txt"), head)
        except ValueError as error:
            raise MalformedPackage(file=str(self.wheel.path), what=f"entry_points.txt: {error}") from error
        return scripts | renamed_scripts(old_scripts, scripts, self.site)

    def _generated(self, new: Sequence[_New]) -> list[_New]:
        """Write what an installer adds: who it was, whether it was asked for, and RECORD, which lists all."""
        info = self.staged.resolve(self.site.path + b"/" + self.wheel.info) + b"/"
        installer = next((one.installer for one in self.old if one.installer), _OURS)
        more = [_small(info + b"INSTALLER", installer.encode() + b"\n", self.newest)]
        if any(one.requested for one in self.old):
            more.append(_small(info + b"REQUESTED", b"", self.newest))
        rows = [
            (self._recorded(one.path), one.digest, str(one.content.size) if one.digest else "") for one in [*new, *more]
        ]
        rows.append((self._recorded(info + b"RECORD"), "", ""))
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(sorted(rows))
        more.append(_small(info + b"RECORD", text.getvalue().encode("utf-8", "surrogateescape"), self.newest))
        return more

    def _recorded(self, path: bytes) -> str:
        relative = posixpath.relpath(b"/" + path, b"/" + self.site.path)
        return relative.decode("utf-8", "surrogateescape")

    def _put(self, new: _New) -> Put:
        """Make an entry: what was there keeps its owner, and its mode unless it has to become executable or not."""
        here = self.staged.exact(new.path)
        mode = 0o755 if new.executable else 0o644
        if not _is_file(here):
            return Put(
                path=new.path,
                kind=MemberKind.FILE,
                mode=mode,
                uid=self.owner.uid,
                gid=self.owner.gid,
                mtime=new.mtime,
                content=new.content,
            )
        keeps = here is not None and bool(here.mode & 0o111) == new.executable
        return Put(
            path=new.path,
            kind=MemberKind.FILE,
            mode=None if keeps else mode,
            mtime=new.mtime,
            content=new.content,
        )

    def _stays(self, path: bytes) -> bool:
        """Tell whether an empty folder is kept: those that every environment has."""
        if path == self.site.path or path in above_of(self.site.path):
            return True
        return not self.site.is_target and path.rpartition(b"/")[0] == self.site.prefix


def _is_file(place: Place | None) -> bool:
    return place is not None and place.kind is MemberKind.FILE


def _small(path: bytes, content: bytes, mtime: int, *, executable: bool = False) -> _New:
    kept = held(content)
    return _New(path=path, content=kept, executable=executable, mtime=mtime, digest=_digest(kept))


def _digest(content: Content) -> str:
    return f"sha256={encode_digest(digest_and_size(content)[0])}"
