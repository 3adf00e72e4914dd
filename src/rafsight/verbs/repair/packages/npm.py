"""A package of npm in place of its installed copies.

This module alone decides which copies are replaced, what of a copy is the package's own (all but the packages inside of
it), and where the links to its programs are.
"""

import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from rafsight.base.text import escape
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Put
from rafsight.matching.versions import UncomparableVersion
from rafsight.matching.versions.semver import SEMVER
from rafsight.verbs.repair.packages.exchange import Owner, exchange
from rafsight.verbs.repair.packages.faults import NotInstalled
from rafsight.verbs.repair.packages.items import Item
from rafsight.verbs.repair.packages.npm_file import (
    MANIFEST_SIZE,
    NpmFile,
    binaries_of,
    is_package_name,
    open_tarball,
    parse_json,
    texts_of,
)
from rafsight.verbs.repair.packages.npm_locks import Copy, aliases, update_locks
from rafsight.verbs.repair.packages.npm_ranges import satisfies
from rafsight.verbs.repair.packages.outcome import NPM, Outcome, older_note
from rafsight.verbs.repair.packages.places import Place, above_of
from rafsight.verbs.repair.packages.staging import Staged

_SCRIPTS: Final = ("preinstall", "install", "postinstall")


def stage_npm(staged: Staged, path: Path, only: frozenset[str] = frozenset()) -> Outcome:
    """Replace the installed copies of a package.

    Args:
        staged: the image.
        path: of the tarball.
        only: installed versions that are replaced; empty for all that are not newer, or for all if all are.
    Raises: UnreadablePackage, MalformedPackage, NotInstalled, InTheWay; MalformedPackageDatabase, RegistryFault,
        ImageFault.
    """
    package = open_tarball(path)
    copies, notes = _copies(staged, package.name)
    wanted = [copy for copy in copies if not only or copy.version in only]
    if not wanted:
        raise NotInstalled(kind="Node.js", name=package.name)
    chosen = wanted if only else [copy for copy in wanted if not _is_newer(copy.version, package.version)] or wanted
    notes += [f"/{escape(copy.folder)} was left: it is {copy.version}" for copy in copies if copy not in chosen]
    for copy in chosen:
        notes += _replace(staged, copy, package)
    notes += update_locks(staged, chosen, package)
    notes += _package_notes(package, chosen)
    old = tuple(dict.fromkeys(copy.version for copy in chosen))
    return Outcome(
        kind=NPM,
        name=package.name,
        old_versions=old,
        new_version=package.version,
        notes=tuple(dict.fromkeys(notes + older_note(package.name, old, package.version, SEMVER.key))),
        check=lambda: _unmet(staged, chosen, package),
    )


def _copies(staged: Staged, name: str) -> tuple[list[Copy], list[str]]:
    """Find the copies of a package below `node_modules`; notes name those elsewhere."""
    encoded = name.encode()
    inside = staged.files(b"**/node_modules/" + encoded + b"/package.json")
    renamed = [folder + b"/package.json" for folder in aliases(staged, name)]
    anywhere = [path for path in staged.files(b"**/" + encoded + b"/package.json") if path not in inside]
    places: dict[bytes, Place] = {}
    for path in [*inside, *renamed, *anywhere]:
        place = staged.find_file(path)
        if place is not None:
            places[place.path] = place
    copies, notes = [], []
    for place, content in staged.read_each(places.values(), MANIFEST_SIZE):
        try:
            manifest = parse_json(content)
        except ValueError:
            continue
        if not isinstance(manifest, dict) or manifest.get("name") != name:
            continue
        version, folder = str(manifest.get("version", ""))[:256], place.path.rpartition(b"/")[0]
        if place.path in anywhere:
            notes.append(f"/{escape(folder)} was left: it is not in a node_modules folder")
        else:
            copies.append(Copy(folder=folder, version=version, manifest=manifest))
    return sorted(copies, key=lambda copy: copy.folder), sorted(notes)


def _is_newer(old: str, new: str) -> bool:
    try:
        return SEMVER.key(old) > SEMVER.key(new)
    except UncomparableVersion:
        return False


def _replace(staged: Staged, copy: Copy, package: NpmFile) -> list[str]:
    folder = staged.exact(copy.folder)
    assert folder is not None
    owner = Owner(uid=folder.uid, gid=folder.gid)
    others = copy.folder + b"/node_modules/"
    own = [place for place in staged.walk(folder) if not (place.path + b"/").startswith(others)]
    programs = {path.encode() for path in binaries_of(package.manifest).values()}
    puts = [_put(staged, copy.folder, item, owner, programs) for item in package.items]
    inside = copy.folder + b"/"
    exchange(
        staged,
        old=[place.path for place in own if place.kind is not MemberKind.DIRECTORY],
        puts=puts,
        owner=owner,
        stays=lambda path: not path.startswith(inside),
        old_folders=[place.path for place in own if place.kind is MemberKind.DIRECTORY],
    )
    return _relink(staged, copy, package, owner)


def _put(staged: Staged, folder: bytes, item: Item, owner: Owner, programs: set[bytes]) -> Put:
    path = folder + b"/" + item.name
    here = staged.exact(path)
    is_new = here is None or here.kind is not MemberKind.FILE
    return Put(
        path=path,
        kind=MemberKind.FILE,
        mode=0o755 if item.mode & 0o111 or item.name in programs else 0o644,
        uid=owner.uid if is_new else None,
        gid=owner.gid if is_new else None,
        mtime=item.mtime,
        content=item.content,
    )


def _relink(staged: Staged, copy: Copy, package: NpmFile, owner: Owner) -> list[str]:
    """Let the links to programs follow: those of old programs go, those of new ones come where such links are."""
    old, new = binaries_of(copy.manifest), binaries_of(package.manifest)
    folder = _programs_folder(staged, copy.folder)
    if old == new or folder is None:
        return []
    notes = []
    for name in sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)):
        path = folder.path + b"/" + name.encode()
        here = staged.exact(path)
        target = _relative(folder.path, copy.folder + b"/" + new[name].encode()) if name in new else b""
        if here is not None and not _leads_into(staged, here, copy.folder, old.get(name, "")):
            if here.target != target:
                notes.append(f"/{escape(path)} was left: it is no link to {package.name}")
        elif target and (here is not None or name not in old):
            link = Put(path=path, kind=MemberKind.SYMLINK, target=target, uid=owner.uid, gid=owner.gid)
            staged.put(link)
        elif here is not None:
            staged.remove(path)
    return notes


def _programs_folder(staged: Staged, folder: bytes) -> Place | None:
    """Return where links to the programs of a package are: `.bin` beside it, or the prefix's `bin` for global ones."""
    start, _, _ = folder.rpartition(b"/node_modules/") if b"/node_modules/" in folder else (b"", b"", b"")
    modules = start + b"/node_modules" if start else b"node_modules"
    found = staged.find_folder(modules + b"/.bin")
    if found is None and (start == b"lib" or start.endswith(b"/lib")):
        found = staged.find_folder(start.removesuffix(b"lib") + b"bin")
    return found


def _leads_into(staged: Staged, link: Place, folder: bytes, program: str) -> bool:
    """Tell whether a link was made for a program of the package."""
    if link.kind is not MemberKind.SYMLINK or not program:
        return False
    wanted = _relative(link.path.rpartition(b"/")[0], folder + b"/" + program.encode())
    found = staged.find(link.path)
    return link.target == wanted or (found is not None and found.path.startswith(folder + b"/"))


def _relative(start: bytes, path: bytes) -> bytes:
    return posixpath.relpath(b"/" + path, b"/" + start)


def _package_notes(package: NpmFile, chosen: Sequence[Copy]) -> list[str]:
    notes = []
    scripts = package.manifest.get("scripts")
    there = [name for name in _SCRIPTS if isinstance(scripts, dict) and name in scripts]
    if there:
        notes.append(f"scripts of {package.name} that were not run: {', '.join(there)}")
    if package.links:
        notes.append(f"{package.links} links of {package.path.name} were left out, as npm does")
    major = package.version.partition(".")[0]
    jumps = [copy for copy in chosen if copy.version.partition(".")[0] != major]
    notes += [f"/{escape(copy.folder)} was of another major version, {copy.version}" for copy in jumps]
    return notes


def _unmet(staged: Staged, copies: Iterable[Copy], package: NpmFile) -> list[str]:
    """Say which dependencies of a package its copies do not find."""
    optional = texts_of(package.manifest.get("optionalDependencies"))
    wanted = {
        name: text
        for name, text in texts_of(package.manifest.get("dependencies")).items()
        if name not in optional and is_package_name(name)
    }
    notes: dict[str, None] = {}
    places: dict[str, Place] = {}
    for copy in copies:
        for name, text in wanted.items():
            place = _dependency(staged, copy.folder, name)
            if place is None:
                notes[f"{package.name} requires {name} {text}, which /{escape(copy.folder)} does not find"] = None
            else:
                places[f"{name}\0{place.path!r}"] = place
    names = {place.path: key.partition("\0")[0] for key, place in places.items()}
    for place, content in staged.read_each(places.values(), MANIFEST_SIZE):
        name = names[place.path]
        version = _version(content)
        try:
            fits = satisfies(version, wanted[name])
        except UncomparableVersion:
            fits = None
        if fits is None:
            notes[f"{package.name}: whether its dependency {name} {wanted[name]} is met was not looked at"] = None
        elif not fits:
            notes[f"{package.name} requires {name} {wanted[name]}, and {version} is installed"] = None
    return sorted(notes)


def _dependency(staged: Staged, folder: bytes, name: str) -> Place | None:
    """Find a package as Node.js does: in `node_modules` here, then in each folder above."""
    for above in (folder, *above_of(folder), b""):
        if above.rpartition(b"/")[2] == b"node_modules":
            continue
        start = above + b"/" if above else b""
        found = staged.find_file(start + b"node_modules/" + name.encode() + b"/package.json")
        if found is not None:
            return found
    return None


def _version(content: bytes) -> str:
    try:
        manifest = parse_json(content)
    except ValueError:
        return ""
    return str(manifest.get("version", ""))[:256] if isinstance(manifest, dict) else ""
