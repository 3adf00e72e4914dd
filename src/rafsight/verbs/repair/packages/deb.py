"""A package of Debian or its relatives in place of the installed one.

This module alone decides the order of the steps: find the record, work out what goes and what comes, exchange the
files, write the database. No script of any package is run; which there were is said.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rafsight.base.text import escape
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Put
from rafsight.matching.versions.dpkg import DPKG
from rafsight.verbs.repair.packages.deb_file import DebFile, open_deb
from rafsight.verbs.repair.packages.deb_files import FileChange, plan_files
from rafsight.verbs.repair.packages.dpkg_conffiles import field_of, md5_of
from rafsight.verbs.repair.packages.dpkg_database import INFO, Database, Record
from rafsight.verbs.repair.packages.dpkg_relations import Installed, unmet
from rafsight.verbs.repair.packages.dpkg_stanza import Stanza, format_stanza, value_of, with_fields
from rafsight.verbs.repair.packages.exchange import Owner, exchange
from rafsight.verbs.repair.packages.faults import NotInstalled, WrongPackage
from rafsight.verbs.repair.packages.outcome import DEB, Outcome, older_note
from rafsight.verbs.repair.packages.places import held
from rafsight.verbs.repair.packages.staging import Staged

_NEW_SCRIPTS: Final = (b"preinst", b"postinst", b"config")
_OLD_SCRIPTS: Final = (b"prerm", b"postrm")
_ALTERNATIVES: Final = b"etc/alternatives"
_ALL: Final = "all"


def stage_deb(staged: Staged, path: Path, only: frozenset[str] = frozenset()) -> Outcome:
    """Replace an installed package.

    Args:
        staged: the image.
        path: of the package file.
        only: installed versions that may be replaced; empty for any.
    Raises: UnreadablePackage, MalformedPackage, NotInstalled, WrongPackage, InTheWay; MalformedPackageDatabase,
        RegistryFault, ImageFault; NoTemporarySpace.
    """
    deb = open_deb(path)
    database = Database(staged)
    record = _record(deb, database, only)
    change = plan_files(staged, database, record, deb)
    notes = list(change.notes) + _script_notes(staged, database, record, deb)
    for package, paths in change.taken.items():
        database.disown(package, paths)
    exchange(
        staged,
        old=change.leaving,
        puts=change.puts,
        owner=Owner(),
        stays=lambda path: path not in change.leaving_folders,
        old_folders=change.leaving_folders,
    )
    notes += _alternative_notes(staged, change.leaving)
    _write_info(staged, database, record, deb, change)
    _write_stanza(database, record, deb, change)
    return Outcome(
        kind=DEB,
        name=deb.name,
        old_versions=(record.version,),
        new_version=deb.version,
        notes=tuple(notes + older_note(deb.name, [record.version], deb.version, DPKG.key)),
        check=lambda: unmet(Installed(Database(staged).records), [deb.name]),
    )


def _record(deb: DebFile, database: Database, only: frozenset[str]) -> Record:
    """Find the installed package that a package file takes the place of."""
    there = database.find(deb.name)
    if not there:
        raise NotInstalled(kind="Debian", name=deb.name)
    fitting = [record for record in there if record.architecture == deb.architecture]
    if not fitting and len(there) == 1 and _ALL in (deb.architecture, there[0].architecture):
        fitting = there
    if not fitting:
        has = ", ".join(sorted(record.architecture for record in there))
        raise WrongPackage(file=str(deb.path), why=f"it is for {deb.architecture}, and {deb.name} is there for {has}")
    if only and fitting[0].version not in only:
        raise NotInstalled(kind="Debian", name=f"{deb.name} {', '.join(sorted(only))}")
    return fitting[0]


def _script_notes(staged: Staged, database: Database, record: Record, deb: DebFile) -> list[str]:
    """Say which scripts dpkg would have run, and which triggers it would have set off."""
    base = database.base(record)
    scripts = [f"{name.decode()} of {deb.version}" for name in _NEW_SCRIPTS if name in deb.control]
    if not record.is_single:
        old = [name for name in _OLD_SCRIPTS if staged.find_file(base + b"." + name) is not None]
        scripts += [f"{name.decode()} of {record.version}" for name in old]
    notes = [f"scripts of {deb.name} that were not run: {', '.join(scripts)}"] if scripts else []
    words = [line.split() for line in deb.read(b"triggers").decode("utf-8", "replace").splitlines()]
    activated = [line[1] for line in words if len(line) > 1 and line[0].startswith("activate")]
    if activated:
        notes.append(f"triggers of {deb.name} that were not set off: {', '.join(dict.fromkeys(activated))}")
    return notes


def _alternative_notes(staged: Staged, leaving: Iterable[bytes]) -> list[str]:
    """Say which alternatives led to a file that is gone."""
    folder = staged.find_folder(_ALTERNATIVES)
    gone = set(leaving)
    notes = []
    for name in staged.names(folder) if folder is not None and gone else ():
        link = staged.find(folder.path + b"/" + name, follow=False) if folder is not None else None
        if link is not None and link.kind is MemberKind.SYMLINK and staged.resolve(link.target) in gone:
            notes.append(f"the alternative {escape(name)} leads to {escape(link.target)}, which is gone")
    return notes


def _write_info(staged: Staged, database: Database, record: Record, deb: DebFile, change: FileChange) -> None:
    """Replace what the database keeps of a package beside its stanza: its list, sums, scripts and the rest."""
    old_base = database.base(record)
    sums = deb.read(b"md5sums") or _sums(deb)
    if record.is_single:
        if staged.find_file(old_base + b".md5sums") is not None:
            _put(staged, old_base + b".md5sums", sums)
        return
    base = _new_base(staged, old_base, deb)
    new = {base + b"." + name: item for name, item in deb.control.items()}
    folder = staged.find_folder(base.rpartition(b"/")[0])
    for name in staged.names(folder) if folder is not None else ():
        path = base.rpartition(b"/")[0] + b"/" + name
        if path.rpartition(b".")[0] == old_base and path not in new:
            staged.remove(path)
    for path, item in new.items():
        staged.put(Put(path=path, kind=MemberKind.FILE, mode=item.mode, mtime=item.mtime, content=item.content))
    _put(staged, base + b".md5sums", sums)
    names = [b"/.", *(b"/" + item.name for item in deb.items), *(b"/" + one.name for one in change.obsolete)]
    _put(staged, base + b".list", b"".join(name + b"\n" for name in names))


def _sums(deb: DebFile) -> bytes:
    """Sum the files of a package that does not bring sums itself, other names of files included."""
    known: dict[bytes, str] = {}
    for item in deb.items:
        if item.kind is MemberKind.FILE:
            known[item.name] = md5_of(item.content)
        elif item.kind is MemberKind.HARDLINK and item.target in known:
            known[item.name] = known[item.target]
    return b"".join(b"%s  %s\n" % (md5.encode(), name) for name, md5 in known.items())


def _new_base(staged: Staged, old_base: bytes, deb: DebFile) -> bytes:
    """Return what names in the database begin with now: only packages that may be there for many architectures say it.

    Databases of the first format know nothing of architectures.
    """
    folder = old_base.rpartition(b"/")[0]
    form = staged.find_file(INFO + b"format")
    knows = b":" in old_base or (form is not None and staged.read(form, 4096).strip() == b"1")
    base = folder + b"/" + deb.name.encode()
    same = value_of(deb.stanza, b"multi-arch").lower() == "same"
    return base + b":" + deb.architecture.encode() if same and knows else base


def _write_stanza(database: Database, record: Record, deb: DebFile, change: FileChange) -> None:
    if record.is_single:
        old = record.stanza.get(b"status", (b"", b""))[1]
        database.replace(record, format_stanza(with_fields(deb.stanza, Status=old)))
        return
    want = record.stanza.get(b"status", (b"", b""))[1].split()
    kept: Stanza = {name: record.stanza[name] for name in (b"priority", b"section") if name in record.stanza}
    stanza = with_fields(
        {**kept, **deb.stanza},
        Status=(want[0] if want else b"install") + b" ok installed",
        Conffiles=field_of(change.conffiles, change.obsolete),
    )
    database.replace(record, format_stanza(stanza))


def _put(staged: Staged, path: bytes, content: bytes) -> None:
    staged.put(Put(path=path, kind=MemberKind.FILE, content=held(content)))
