"""A package of Debian as a file: `debian-binary`, `control.tar` and `data.tar` in an ar archive (deb(5)).

This module alone decides which of them are believed.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rafsight.base.text import escape
from rafsight.base.units import MiB
from rafsight.formats.ar import ArMember, read_members
from rafsight.formats.tar import MemberKind
from rafsight.verbs.repair.packages.dpkg_stanza import Stanza, parse_stanza, value_of
from rafsight.verbs.repair.packages.faults import MalformedPackage, reading
from rafsight.verbs.repair.packages.items import FILE_SIZE, Item, file_pieces, read_item
from rafsight.verbs.repair.packages.tar_items import tar_items, unpacked

CONTROL_SIZE: Final = 64 * MiB
"""[bytes] of control.tar, unpacked: some packages have long lists of sums."""
_STANZA_SIZE: Final = 1 * MiB
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_ARCHITECTURE: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_CONTROL_NAME: Final = re.compile(rb"[a-z0-9][a-z0-9-]{0,63}")
_RESERVED: Final = frozenset({b"list"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DebFile:
    """A package file that was read."""

    path: Path
    stanza: Stanza
    """Its control file."""
    control: dict[bytes, Item]
    """The other members of control.tar, by name: scripts, sums, lists of configuration files."""
    items: tuple[Item, ...]
    """What data.tar holds, in its order."""

    @property
    def name(self) -> str:
        """Of the package."""
        return value_of(self.stanza, b"package")

    @property
    def version(self) -> str:
        """Whole: `epoch:upstream-revision`."""
        return value_of(self.stanza, b"version")

    @property
    def architecture(self) -> str:
        """In dpkg's words: `amd64`, `all`."""
        return value_of(self.stanza, b"architecture")

    @property
    def source_version(self) -> str:
        """Of the source package, which advisories speak of."""
        return value_of(self.stanza, b"source").partition("(")[2].partition(")")[0].strip() or self.version

    def read(self, name: bytes) -> bytes:
        """Read a member of control.tar; empty if there is none.

        Raises: MalformedPackage.
        """
        found = self.control.get(name)
        return b"" if found is None else read_item(found, CONTROL_SIZE, self.path)


def open_deb(path: Path) -> DebFile:
    """Read a package.

    Raises: UnreadablePackage, MalformedPackage; NoTemporarySpace.
    Cost: one pass; the size of the content in a temporary file.
    """
    with _members(path) as members:
        deb = _control(path, members)
        data = _next(path, members, b"data.tar")
        items = tar_items(unpacked(data.content, where="data.tar"), where="data.tar")
    return replace(deb, items=tuple(_checked(path, items)))


def identify_deb(path: Path) -> DebFile:
    """Read what a package calls itself, without what it holds.

    Raises: UnreadablePackage, MalformedPackage; NoTemporarySpace.
    """
    with _members(path) as members:
        return _control(path, members)


@contextmanager
def _members(path: Path) -> Iterator[Iterator[ArMember]]:
    with reading(path), path.open("rb") as file:
        if file.seek(0, 2) > FILE_SIZE:
            raise MalformedPackage(file=str(path), what="it is larger than any package")
        file.seek(0)
        yield read_members(file_pieces(file), where=path.name)


def _next(path: Path, members: Iterator[ArMember], name: bytes) -> ArMember:
    """Return the next member, which must have this name; those that begin with an underscore are nobody's yet."""
    for member in members:
        if not member.name.startswith(b"_"):
            if member.name != name and not (name.endswith(b".tar") and member.name.startswith(name + b".")):
                break
            return member
    raise MalformedPackage(file=str(path), what=f"{name.decode()} is not where it has to be")


def _control(path: Path, members: Iterator[ArMember]) -> DebFile:
    version = _next(path, members, b"debian-binary")
    if version.size > 64 or not b"".join(version.content).startswith(b"2."):
        raise MalformedPackage(file=str(path), what="it is no package of format 2")
    found = _next(path, members, b"control.tar")
    pieces = unpacked(found.content, where="control.tar", max_size=CONTROL_SIZE)
    control = {
        item.name: item
        for item in tar_items(pieces, where="control.tar")
        if item.kind is MemberKind.FILE and _CONTROL_NAME.fullmatch(item.name) and item.name not in _RESERVED
    }
    if b"control" not in control:
        raise MalformedPackage(file=str(path), what="it has no control file")
    stanza = parse_stanza(read_item(control.pop(b"control"), _STANZA_SIZE, path).splitlines())
    deb = DebFile(path=path, stanza=stanza, control=control, items=())
    if not _NAME.fullmatch(deb.name) or not _ARCHITECTURE.fullmatch(deb.architecture):
        raise MalformedPackage(file=str(path), what="its control file names no package, or no architecture")
    from rafsight.matching.versions import UncomparableVersion
    from rafsight.matching.versions.dpkg import DPKG

    try:
        DPKG.key(deb.version)
    except UncomparableVersion as error:
        raise MalformedPackage(file=str(path), what=str(error)) from error
    return deb


def _checked(path: Path, items: list[Item]) -> Iterator[Item]:
    """Refuse names that come twice or cannot stand in a list, and kinds that no package has."""
    seen: set[bytes] = set()
    for item in items:
        if b"\n" in item.name or item.kind is MemberKind.OTHER:
            raise MalformedPackage(file=str(path), what=f"/{escape(item.name)} is nothing that a package can hold")
        if item.name in seen:
            raise MalformedPackage(file=str(path), what=f"/{escape(item.name)} comes twice")
        seen.add(item.name)
        yield item
