"""A package of npm as a file: a tar with one folder, whose `package.json` says what it is.

This module alone decides which tarballs are believed, and which of their members are installed: links never are, as
with npm itself.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rafsight.base.units import MiB
from rafsight.formats.tar import MemberKind, read_members
from rafsight.verbs.repair.packages.faults import MalformedPackage, reading
from rafsight.verbs.repair.packages.items import FILE_SIZE, Item, file_pieces, read_item
from rafsight.verbs.repair.packages.tar_items import tar_items, unpacked

MANIFEST_SIZE: Final = 4 * MiB
_NAME: Final = re.compile(r"(?:@[A-Za-z0-9~_-][A-Za-z0-9._~-]*/)?[A-Za-z0-9~_-][A-Za-z0-9._~-]*")
_NAME_LENGTH: Final = 214
_TEXT_LENGTH: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmFile:
    """A tarball that was read."""

    path: Path
    name: str
    version: str
    manifest: Mapping[str, Any]
    """Its `package.json`."""
    items: tuple[Item, ...]
    """Files, by names relative to the package."""
    links: int
    """How many links it has, which are not installed."""
    integrity: str
    """`sha512-...` of the file, as lock files have it."""


def open_tarball(path: Path) -> NpmFile:
    """Read a tarball.

    Raises: UnreadablePackage, MalformedPackage; NoTemporarySpace.
    Cost: one pass; the size of the content in a temporary file.
    """
    with reading(path), path.open("rb") as file:
        if file.seek(0, 2) > FILE_SIZE:
            raise MalformedPackage(file=str(path), what="it is larger than any package")
        file.seek(0)
        members = tar_items(unpacked(file_pieces(file), where=path.name), where=path.name)
        file.seek(0)
        digest = hashlib.sha512()
        for piece in file_pieces(file):
            digest.update(piece)
    folders = {item.name.split(b"/")[0] for item in members}
    if len(folders) != 1:
        raise MalformedPackage(file=str(path), what=f"it has {len(folders)} folders where a package has one")
    inside: dict[bytes, Item] = {}  # where a name comes twice, the last one counts
    links = 0
    for item in members:
        below = item.name.partition(b"/")[2]
        if item.kind is MemberKind.FILE and below:
            inside[below] = replace(item, name=below)
        links += item.kind in (MemberKind.SYMLINK, MemberKind.HARDLINK)
    manifest = _manifest(path, inside)
    name, version = str(manifest["name"]), str(manifest["version"])
    integrity = "sha512-" + base64.b64encode(digest.digest()).decode()
    return NpmFile(
        path=path,
        name=name,
        version=version,
        manifest=manifest,
        items=tuple(inside.values()),
        links=links,
        integrity=integrity,
    )


def identify_tarball(path: Path) -> tuple[str, str]:
    """Read name and version of a package, without what it holds.

    Raises: UnreadablePackage, MalformedPackage.
    Cost: the tarball is read up to its `package.json`, mostly its first member.
    """
    with reading(path), path.open("rb") as file:
        for member in read_members(unpacked(file_pieces(file), where=path.name), where=path.name):
            if member.name.count(b"/") == 1 and member.name.endswith(b"/package.json"):
                manifest = _parsed(path, member.content.read(MANIFEST_SIZE))
                return str(manifest["name"]), str(manifest["version"])
    raise MalformedPackage(file=str(path), what="it has no package.json")


def parse_json(content: bytes) -> Any:
    """Read JSON, with or without a mark of the byte order.

    Raises: ValueError: it is none.
    """
    try:
        return json.loads(content.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def binaries_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the programs of a package: name and path inside of it."""
    value = manifest.get("bin")
    if isinstance(value, str):
        value = {str(manifest.get("name", "")).rpartition("/")[2]: value}
    if not isinstance(value, dict):
        return {}
    found = {}
    for name, target in value.items():
        clean = [part for part in str(target).split("/") if part not in ("", ".")]
        plain = name.isprintable() and "/" not in name and name not in ("", ".", "..")
        if plain and isinstance(target, str) and clean and ".." not in clean:
            found[name] = "/".join(clean)
    return found


def texts_of(value: object) -> dict[str, str]:
    """Return the members of an object that are texts; nothing of anything else."""
    if not isinstance(value, dict):
        return {}
    return {name: text for name, text in value.items() if isinstance(text, str) and len(text) <= _TEXT_LENGTH}


def is_package_name(name: object) -> bool:
    """Tell whether a text may name a package, and so a folder."""
    if not isinstance(name, str) or len(name) > _NAME_LENGTH or _NAME.fullmatch(name) is None:
        return False
    return name not in ("node_modules", "favicon.ico")


def _manifest(path: Path, inside: Mapping[bytes, Item]) -> dict[str, Any]:
    found = inside.get(b"package.json")
    if found is None:
        raise MalformedPackage(file=str(path), what="it has no package.json")
    return _parsed(path, read_item(found, MANIFEST_SIZE, path))


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    """Read a `package.json` that has to name a package and its version."""
    try:
        manifest = parse_json(content)
    except ValueError as error:
        raise MalformedPackage(file=str(path), what=f"package.json: {error}") from error
    if not isinstance(manifest, dict) or not is_package_name(manifest.get("name")):
        raise MalformedPackage(file=str(path), what="its package.json names no package")
    version = manifest.get("version")
    if not isinstance(version, str) or not version or len(version) > _TEXT_LENGTH:
        raise MalformedPackage(file=str(path), what="its package.json has no version")
    return manifest
