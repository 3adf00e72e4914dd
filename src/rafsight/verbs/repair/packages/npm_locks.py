"""Lock files of npm: what they say about a package after it was replaced.

This module alone decides which members change: the version, where it came from and its digest, and what npm itself
copies from `package.json`. Everything else stays, and so does the form: order, indentation, the end of the last line.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rafsight.base.text import escape
from rafsight.base.units import MiB
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Put
from rafsight.verbs.repair.packages.npm_file import NpmFile, binaries_of, parse_json
from rafsight.verbs.repair.packages.places import held
from rafsight.verbs.repair.packages.staging import Staged

LOCK_SIZE: Final = 128 * MiB
_LOCKS: Final = (b"node_modules/.package-lock.json", b"package-lock.json", b"npm-shrinkwrap.json")
_OTHERS: Final = (b"yarn.lock", b"pnpm-lock.yaml", b"bun.lock", b"node_modules/.pnpm/lock.yaml")
_COPIED: Final = (
    "dependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta", "engines", "os", "cpu",
)  # fmt: skip
_INDENT: Final = re.compile(rb"\{\r?\n([ \t]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One installed copy of a package."""

    folder: bytes
    """Canonical path."""
    version: str
    manifest: Mapping[str, Any]


def update_locks(staged: Staged, copies: Iterable[Copy], package: NpmFile) -> list[str]:
    """Write a new version into the lock files that name replaced copies.

    Args:
        staged: the image.
        copies: those that were replaced.
        package: what they were replaced by.
    Returns: notes about lock files that still name an old version.
    """
    keys: dict[bytes, list[str]] = {}
    notes: dict[str, None] = {}
    for copy in copies:
        for root, key in _roots(copy.folder):
            for name in _LOCKS:
                keys.setdefault(_join(root, name), []).append(key.decode("utf-8", "replace"))
            for name in _OTHERS:
                if staged.find_file(_join(root, name)) is not None:
                    notes[f"/{escape(_join(root, name))} was left: it may still name {copy.version}"] = None
    locks = {path: place for path in keys if (place := staged.find_file(path)) is not None}
    for place, content in list(staged.read_each(locks.values(), LOCK_SIZE)):
        changed = _updated(content, [key for path in locks if locks[path] == place for key in keys[path]], package)
        if changed is None:
            notes[f"/{escape(place.path)} was left: it is no lock file that can be read"] = None
        elif changed != content:
            staged.put(Put(path=place.path, kind=MemberKind.FILE, content=held(changed)))
    return list(notes)


def aliases(staged: Staged, name: str) -> list[bytes]:
    """Return the folders of copies that were installed under another name, as npm's hidden lock files know them."""
    found = []
    places = [place for path in staged.files(b"**/node_modules/.package-lock.json") if (place := staged.exact(path))]
    for place, content in staged.read_each(places, LOCK_SIZE):
        try:
            document = parse_json(content)
        except ValueError:
            continue
        packages = document.get("packages") if isinstance(document, dict) else None
        root = place.path.removesuffix(_LOCKS[0]).rstrip(b"/")
        for key, entry in packages.items() if isinstance(packages, dict) else ():
            if isinstance(entry, dict) and entry.get("name") == name and not key.endswith(f"node_modules/{name}"):
                found.append(_join(root, key.encode("utf-8", "surrogateescape")))
    return found


def _updated(content: bytes, keys: Iterable[str], package: NpmFile) -> bytes | None:
    """Return a lock file with new entries; None if it cannot be read."""
    try:
        document = parse_json(content)
        if not isinstance(document, dict):
            return None
        before = json.dumps(document)
        for key in keys:
            _update(document, key, package)
        if json.dumps(document) == before:
            return content
        indent = _INDENT.match(content)
        text = json.dumps(document, indent=indent[1].decode() if indent else None, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    return (text + ("\n" if content.endswith(b"\n") else "")).encode("utf-8", "surrogatepass")


def _update(document: dict[str, Any], key: str, package: NpmFile) -> None:
    """Refresh the entries of one copy: of the flat form, of the nested one, or both."""
    packages = document.get("packages")
    entry = packages.get(key) if isinstance(packages, dict) else None
    if isinstance(entry, dict) and not entry.get("link"):
        _refresh(entry, package, is_flat=True)
    nested = _nested(document, key)
    if nested is not None:
        _refresh(nested, package, is_flat=False)


def _nested(document: dict[str, Any], key: str) -> dict[str, Any] | None:
    """Find an entry of the older form, where packages stand inside of those that hold them."""
    here: Any = document
    for name in key.removeprefix("node_modules/").split("/node_modules/"):
        below = here.get("dependencies")
        here = below.get(name) if isinstance(below, dict) else None
        if not isinstance(here, dict):
            return None
    return here if isinstance(here, dict) else None


def _refresh(entry: dict[str, Any], package: NpmFile, *, is_flat: bool) -> None:
    old, resolved = entry.get("version"), entry.get("resolved")
    entry["version"] = package.version
    base = package.name.rpartition("/")[2]
    end = f"/-/{base}-{old}.tgz"
    if isinstance(resolved, str) and resolved.endswith(end):
        entry["resolved"] = f"{resolved.removesuffix(end)}/-/{base}-{package.version}.tgz"
    elif resolved is not None:
        del entry["resolved"]
    entry["integrity"] = package.integrity
    if not is_flat:
        _copy(entry, "requires", package.manifest.get("dependencies"))
        return
    for name in _COPIED:
        _copy(entry, name, package.manifest.get(name))
    _copy(entry, "bin", binaries_of(package.manifest))
    licence = package.manifest.get("license")
    _copy(entry, "license", licence if isinstance(licence, str) else None)
    entry.pop("deprecated", None)
    scripts = package.manifest.get("scripts")
    runs = isinstance(scripts, dict) and not scripts.keys().isdisjoint(("preinstall", "install", "postinstall"))
    _copy(entry, "hasInstallScript", runs)


def _copy(entry: dict[str, Any], name: str, value: object) -> None:
    """Set a member, or leave it out where it is empty."""
    if value:
        entry[name] = value
    else:
        entry.pop(name, None)


def _roots(folder: bytes) -> Iterable[tuple[bytes, bytes]]:
    """Yield the projects above a package, and what their lock files call it."""
    parts = folder.split(b"/")
    for index, part in enumerate(parts):
        if part == b"node_modules":
            yield b"/".join(parts[:index]), b"/".join(parts[index:])


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name
