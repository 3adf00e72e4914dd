"""What became of a repair, or would become, as values, and for people and programs.

This module alone decides the words and keys of it; keys stay.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from rafsight._version import __version__
from rafsight.base.text import escape, printable
from rafsight.base.units import format_size

SCHEMA_VERSION: Final = 1
REPLACED: Final = "replaced"
ADDED: Final = "added"
REMOVED: Final = "removed"
_SHOWN: Final = 20
_FATES: Final = {"sent": "sent", "mounted": "taken from the neighbour", "present": "there already"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedFile:
    """An entry that became different."""

    path: bytes
    """Relative to the root."""
    change: str
    """`replaced`, `added` or `removed`."""
    kind: str
    """`file`, `directory`, `symlink`, ... of the new entry; of the old one if it went."""
    old_size: int | None
    """[bytes] of the content; of a folder, that of all below it. None: there was nothing."""
    new_size: int | None
    """[bytes] likewise; None: there is nothing any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedPackage:
    """A package that was replaced."""

    kind: str
    """`wheel`, `npm` or `deb`."""
    name: str
    old_versions: tuple[str, ...]
    new_version: str
    notes: tuple[str, ...]
    """What a person should know: scripts that were not run, what is missing."""
    findings: tuple[str, ...] = ()
    """Ids of findings that it was chosen for, from the report of a scan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemainingFinding:
    """A finding of the scan's report that stays."""

    finding: str
    """Its id."""
    package: str
    """Name and installed version."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What became of a repair."""

    source: str
    target: str
    """Empty: nothing was asked of a target (a dry run without one)."""
    is_dry_run: bool
    """Nothing was pushed; what is said of the new image is what it would be, `bytes_sent` an estimate."""
    platform: str
    old_digest: str
    """Of the manifest that was repaired."""
    digest: str
    """Of what has the tag: the repaired manifest, or the index with it. Empty for an index in a dry run."""
    manifest_digest: str
    """Of the repaired manifest."""
    media_type: str
    config_digest: str
    bootstrap_digest: str
    """Of the bootstrap's layer."""
    bootstrap_size: int
    """[bytes] of that layer."""
    blob_digest: str
    """Of the new blob; empty: none was needed."""
    blob_size: int
    """[bytes]"""
    new_chunks: int
    reused_chunks: int
    """Slices of what came that are in the image already, or repeat each other."""
    files: tuple[RepairedFile, ...]
    packages: tuple[RepairedPackage, ...]
    remaining: tuple[RemainingFinding, ...]
    """Findings of the scan's report that no package file was found for; none without a report."""
    notes: tuple[str, ...]
    old_objects: tuple[tuple[str, int], ...]
    """What became of blobs of the old image: `sent`, `present` or `mounted`, and how many; none if all stay at home."""
    bytes_fetched: int
    bytes_sent: int
    elapsed: float
    """[s]"""


def render_json(done: Repaired) -> str:
    """Write a repair as one JSON document; everything is ASCII. Sizes are in bytes, times in seconds.

    Paths that are no UTF-8 have their bytes in `path_b64`, too.
    """
    members = _members(done)
    members["files"] = [_file_members(one) for one in done.files]
    members |= {name: [_members(one) for one in members[name]] for name in ("packages", "remaining")}
    members["old_objects"] = dict(done.old_objects)
    members["elapsed"] = round(done.elapsed, 6)
    document = {"schema_version": SCHEMA_VERSION, "rafsight_version": __version__, **members}
    return json.dumps(document, indent=2) + "\n"


def _members(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _file_members(one: RepairedFile) -> dict[str, Any]:
    try:
        path = {"path": "/" + one.path.decode()}
    except UnicodeDecodeError:
        path = {"path": "/" + escape(one.path), "path_b64": base64.b64encode(b"/" + one.path).decode()}
    return {
        **path,
        "change": one.change,
        "kind": one.kind,
        "old_size": one.old_size,
        "new_size": one.new_size,
    }


def render_text(done: Repaired) -> str:
    """Write a repair for people: a table of files, then lines of labels and values."""
    lines = [*_package_lines(done.packages), *_file_lines(done.files), *_remaining_lines(done.remaining)]
    lines += [f"note: {printable(note, 400)}" for note in dict.fromkeys(done.notes)]
    return "\n".join([*lines, "", ""]) + "".join(f"{label:<11}{value}\n" for label, value in _facts(done))


def _facts(done: Repaired) -> Iterator[tuple[str, str]]:
    if done.target:
        yield "Image", printable(done.target)
    yield "Digest", (done.digest or done.manifest_digest) + (" (not pushed)" if done.is_dry_run else "")
    if done.digest and done.digest != done.manifest_digest:
        yield "Manifest", done.manifest_digest
    new, old = _counted(done.new_chunks, "chunk"), f"{done.reused_chunks:,} taken over"
    yield "Blob", f"{format_size(done.blob_size)}: {new} of its own, {old}" if done.blob_digest else "none is needed"
    yield "Bootstrap", format_size(done.bootstrap_size)
    if done.old_objects:
        fates = ", ".join(f"{count:,} {_FATES.get(how, how)}" for how, count in done.old_objects)
        yield "Old blobs", fates
    sent = f"{format_size(done.bytes_sent)} {'would be sent' if done.is_dry_run else 'sent'}"
    yield "Cost", f"{format_size(done.bytes_fetched)} fetched, {sent}, {done.elapsed:.1f} s"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _package_lines(packages: Sequence[RepairedPackage]) -> Iterator[str]:
    for one in packages:
        old = ", ".join(map(printable, one.old_versions)) or "none"
        yield f"{one.kind:<10}{printable(one.name)}  {old} -> {printable(one.new_version)}"
        if one.findings:
            yield f"{'':<10}fixes {', '.join(map(printable, one.findings))}"
        for note in one.notes:
            yield f"{'':<10}{printable(note, 400)}"


def _file_lines(files: Sequence[RepairedFile]) -> Iterator[str]:
    shown = files if len(files) <= _SHOWN + 1 else files[:_SHOWN]
    paths = [printable("/" + escape(one.path)) for one in shown]
    width = min(max(map(len, paths), default=0), 60)
    for one, path in zip(shown, paths, strict=True):
        yield f"{one.change:<10}{path:<{width}}  {_sizes(one)}".rstrip()
    if len(shown) < len(files):
        counts = [(change, sum(one.change == change for one in files)) for change in (REPLACED, ADDED, REMOVED)]
        told = ", ".join(f"{count:,} {change}" for change, count in counts if count)
        yield f"and {len(files) - len(shown):,} more ({told} in all)"


def _remaining_lines(remaining: Sequence[RemainingFinding]) -> Iterator[str]:
    if remaining:
        yield f"{_counted(len(remaining), 'finding')} of the report {'stays' if len(remaining) == 1 else 'stay'}:"
    for one in remaining[:_SHOWN]:
        yield f"  {printable(one.finding)}  {printable(one.package)}: {printable(one.why)}"
    if len(remaining) > _SHOWN:
        yield f"  and {len(remaining) - _SHOWN:,} more"


def _sizes(one: RepairedFile) -> str:
    old = "" if one.old_size is None else format_size(one.old_size)
    new = "" if one.new_size is None else format_size(one.new_size)
    if one.change == REPLACED:
        return f"{old} -> {new}"
    return new or old
