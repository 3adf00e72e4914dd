"""A wheel as a file: what it calls itself, what it is for, and which files it holds.

This module alone decides which wheels are believed: one `.dist-info` folder that names the distribution, and a RECORD
that lists every file with a digest that is right (binary distribution format, PEP 427 and what followed it).
"""

import base64
import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.base.text import escape
from rafsight.base.units import MiB
from rafsight.matching.ecosystems import package_name
from rafsight.verbs.repair.packages.faults import MalformedPackage
from rafsight.verbs.repair.packages.items import Item, read_item
from rafsight.verbs.repair.packages.zip_items import zip_items

METADATA_SIZE: Final = 8 * MiB
RECORD_SIZE: Final = 64 * MiB
_INFO: Final = b".dist-info"
_DIGESTS: Final = frozenset({"sha256", "sha384", "sha512"})
_UNLISTED: Final = (b"RECORD", b"RECORD.jws", b"RECORD.p7s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What METADATA says, as far as it matters here."""

    name: str
    version: str
    requires_python: str = ""
    requires: tuple[str, ...] = ()
    """Requires-Dist as written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFile:
    """A wheel that was checked."""

    path: Path
    metadata: Metadata
    tags: tuple[str, ...]
    """As WHEEL has them: `cp311-cp311-manylinux_2_17_x86_64`."""
    info: bytes
    """Name of the `.dist-info` folder."""
    items: tuple[Item, ...]
    """All files."""
    hashes: dict[bytes, str]
    """By name: `sha256=...` as RECORD has them."""
    sizes: dict[bytes, str]
    """By name: [bytes] as RECORD has them, empty where it does not say."""

    @property
    def key(self) -> str:
        """The normalised name."""
        return package_name("PyPI", self.metadata.name)

    def read(self, name: bytes, max_size: int = METADATA_SIZE) -> bytes:
        """Read a file of the `.dist-info` folder; empty if there is none.

        Raises: MalformedPackage.
        """
        found = next((item for item in self.items if item.name == self.info + b"/" + name), None)
        return b"" if found is None else read_item(found, max_size, self.path)


def open_wheel(path: Path) -> WheelFile:
    """Read and check a wheel.

    Raises: UnreadablePackage, MalformedPackage.
    Cost: all files are unpacked once to check their digests; memory of a few pieces.
    """
    wheel = _outline(path)
    items = {item.name: item for item in wheel.items}
    if len(items) != len(wheel.items):
        raise MalformedPackage(file=str(path), what="two of its files have the same name")
    _check(wheel, items)
    return wheel


def identify_wheel(path: Path) -> WheelFile:
    """Read what a wheel calls itself, without checking its files.

    Raises: UnreadablePackage, MalformedPackage.
    """
    return _outline(path)


def parse_metadata(content: bytes) -> Metadata:
    """Read METADATA or PKG-INFO; what is missing is empty."""
    from packaging.metadata import parse_email

    raw, _ = parse_email(content)
    return Metadata(
        name=raw.get("name", "").strip(),
        version=raw.get("version", "").strip(),
        requires_python=raw.get("requires_python", ""),
        requires=tuple(raw.get("requires_dist", ())),
    )


def parse_record(content: bytes, *, max_rows: int = 1_000_000) -> list[tuple[str, str, str]]:
    """Read RECORD: path, hash and size of each row.

    Raises: ValueError: it is no table of that form, or too long.
    """
    rows: list[tuple[str, str, str]] = []
    try:
        for row in csv.reader(io.StringIO(content.decode("utf-8", "surrogateescape"), newline="")):
            if not row:
                continue
            if len(rows) >= max_rows:
                raise ValueError("it has more rows than any distribution has files")
            rows.append((row[0], row[1] if len(row) > 1 else "", row[2] if len(row) > 2 else ""))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return rows


def _outline(path: Path) -> WheelFile:
    items = zip_items(path)
    infos = {item.name.split(b"/")[0] for item in items if item.name.split(b"/")[0].endswith(_INFO)}
    if len(infos) != 1:
        raise MalformedPackage(file=str(path), what=f"it has {len(infos)} .dist-info folders, and a wheel has one")
    info = infos.pop()
    empty = Metadata(name="", version="")
    wheel = WheelFile(path=path, metadata=empty, tags=(), info=info, items=tuple(items), hashes={}, sizes={})
    metadata = parse_metadata(wheel.read(b"METADATA"))
    _check_identity(path, info, metadata)
    fields = [line.partition(":") for line in wheel.read(b"WHEEL").decode("utf-8", "replace").splitlines()]
    values = [(key.strip().lower(), value.strip()) for key, _, value in fields]
    layout = next((value for key, value in values if key == "wheel-version"), "")
    if layout.partition(".")[0] != "1":
        raise MalformedPackage(file=str(path), what=f"it is a wheel of version '{layout}', and 1 is what is known")
    try:
        rows = parse_record(wheel.read(b"RECORD", RECORD_SIZE))
    except ValueError as error:
        raise MalformedPackage(file=str(path), what=f"RECORD: {error}") from error
    return WheelFile(
        path=path,
        metadata=metadata,
        tags=tuple(value for key, value in values if key == "tag"),
        info=info,
        items=tuple(items),
        hashes={name.encode("utf-8", "surrogateescape"): digest for name, digest, _ in rows},
        sizes={name.encode("utf-8", "surrogateescape"): size for name, _, size in rows},
    )


def _check_identity(path: Path, info: bytes, metadata: Metadata) -> None:
    from packaging.utils import is_normalized_name
    from packaging.version import InvalidVersion, Version

    if not is_normalized_name(package_name("PyPI", metadata.name)):
        raise MalformedPackage(file=str(path), what=f"METADATA names no distribution: '{metadata.name}'")
    try:
        version = Version(metadata.version)
        name, _, said = info.removesuffix(_INFO).decode("utf-8", "replace").partition("-")
        same = Version(said) == version
    except InvalidVersion as error:
        raise MalformedPackage(file=str(path), what=str(error)) from error
    if not same or package_name("PyPI", name) != package_name("PyPI", metadata.name):
        raise MalformedPackage(file=str(path), what=f"{info.decode('utf-8', 'replace')} is not the name in METADATA")


def _check(wheel: WheelFile, items: dict[bytes, Item]) -> None:
    """Hold every file against RECORD."""
    file, unlisted = str(wheel.path), {wheel.info + b"/" + name for name in _UNLISTED}
    for name, item in items.items():
        if name in unlisted:
            continue
        kind, _, said = wheel.hashes.get(name, "").partition("=")
        if kind not in _DIGESTS:
            raise MalformedPackage(file=file, what=f"RECORD has no sha256 of {escape(name)}")
        size = str(item.content.size) if item.content is not None else ""
        if wheel.sizes.get(name, "") not in ("", size) or digest_of(item, kind) != said.rstrip("="):
            raise MalformedPackage(file=file, what=f"{escape(name)} is not what RECORD says")
    missing = sorted(name for name in wheel.hashes if name not in items and name not in unlisted)
    if missing:
        raise MalformedPackage(file=file, what=f"{escape(missing[0])} of RECORD is missing")


def digest_of(item: Item, kind: str) -> str:
    """Hash a file as RECORD writes it: URL-safe base64 without padding."""
    digest = hashlib.new(kind)
    assert item.content is not None
    with item.content.open() as pieces:
        for piece in pieces:
            digest.update(piece)
    return encode_digest(digest.digest())


def encode_digest(digest: bytes) -> str:
    """Write a digest as RECORD has it."""
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
