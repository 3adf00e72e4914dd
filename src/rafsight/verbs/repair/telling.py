"""What a repair tells: which entries became different, and what came of it.

This module alone decides what counts as one entry of the report: whatever was asked for, and what packages are made of;
folders on the way to it are not listed.
"""

import stat as st
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from rafsight.base.text import escape
from rafsight.base.units import format_size
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Changes, Put
from rafsight.image.tree import KINDS, ImageTree
from rafsight.reports.repair import ADDED, REMOVED, REPLACED, Repaired, RepairedFile, RepairedPackage
from rafsight.verbs.repair.building import Built
from rafsight.verbs.repair.delivering import Delivered
from rafsight.verbs.repair.opening import Original
from rafsight.verbs.repair.planning import Planned

_ENCRYPTED: Final = "the image has encrypted blobs; the new one is not encrypted"
_OTHERS: Final = "the other images of the index are as they were"
_PLAIN_FORM: Final = "hosts that take the plain form of the image see the old files"


@dataclass(slots=True, kw_only=True)
class Telling:
    """One repair."""

    original: Original
    planned: Planned
    files: tuple[RepairedFile, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.files = tuple(describe_changes(self.original.image.tree, self.planned.changes))

    @property
    def comment(self) -> str:
        """What the history says was done."""
        if self.planned.packages:
            done = [f"{one.kind} {one.name} {one.new_version}" for one in self.planned.packages]
        else:
            counts = Counter(one.change for one in self.files)
            done = [f"{counts[change]} {change}" for change in (REPLACED, ADDED, REMOVED) if counts[change]]
        return "Nydus Repair: " + ", ".join(done)

    def result(self, target: str, built: Built, delivered: Delivered | None, moving: tuple[int, int]) -> Repaired:
        """Tell all; what was sent is estimated, and no time is measured.

        Args:
            target: as the user typed it.
            built: the new objects.
            delivered: what became of them; None: nothing was pushed.
            moving: old blobs that have to be brought to the target, and their [bytes].
        """
        ahead = moving[1] if delivered is None else 0
        old, estimate = self.original.found.manifest, built.blob_size + built.layer.size + len(built.config)
        estimate += len(self.original.document.content) if self.original.is_in_index else 0
        named = "" if self.original.is_in_index else built.manifest_digest
        return Repaired(
            source=self.original.image.identity.reference,
            target=target,
            is_dry_run=delivered is None,
            platform=self.original.image.identity.platform,
            old_digest=old.digest,
            digest=delivered.digest if delivered else named,
            manifest_digest=built.manifest_digest,
            media_type=delivered.media_type if delivered else old.media_type,
            config_digest=built.config_digest,
            bootstrap_digest=built.layer.digest,
            bootstrap_size=built.layer.size,
            blob_digest=built.blob_digest,
            blob_size=built.blob_size,
            new_chunks=built.packed.new_chunks,
            reused_chunks=built.packed.reused_chunks,
            files=self.files,
            packages=tuple(self._packages()),
            remaining=self.planned.wishes.remaining,
            notes=(*self._notes(built), *(self._moving_notes(*moving) if delivered is None else ())),
            old_objects=delivered.fates if delivered else (),
            bytes_fetched=self.original.backend.meter.cost.bytes_fetched + ahead,
            bytes_sent=estimate + len(built.manifest) + ahead,
            elapsed=0.0,
        )

    def _packages(self) -> Iterator[RepairedPackage]:
        wishes = self.planned.wishes
        for file, one in zip(wishes.packages, self.planned.packages, strict=True):
            yield RepairedPackage(
                kind=one.kind,
                name=one.name,
                old_versions=one.old_versions,
                new_version=one.new_version,
                notes=one.notes,
                findings=wishes.findings.get(file.path, ()),
            )

    def _notes(self, built: Built) -> Iterator[str]:
        yield from self.planned.wishes.notes
        yield from _shared_files(self.original.image.tree, self.planned.changes)
        if built.blob_size and any(entry.features & shared.ENCRYPTED for entry in built.tables.blobs):
            yield _ENCRYPTED
        if self.original.is_in_index:
            yield f"{_OTHERS}: {_PLAIN_FORM}" if self.original.has_plain_form else _OTHERS

    def _moving_notes(self, count: int, size: int) -> Iterator[str]:
        if count:
            more = "; the other images of the index come on top" if self.original.is_in_index else ""
            blobs = "blob" if count == 1 else "blobs"
            yield f"{count} old {blobs} cannot be taken over there: up to {format_size(size)} down and up{more}"


def describe_changes(tree: ImageTree, changes: Changes) -> Iterator[RepairedFile]:
    """List what becomes different, ordered by path; folders on the way that are only made are not listed."""
    puts = {put.path: put for put in changes.puts}
    for path in sorted({*puts, *changes.removed}):
        row, put = _exact(tree, path), puts.get(path)
        old = None if row is None else _old_size(tree, row)
        if put is None:
            assert row is not None
            yield RepairedFile(path=path, change=REMOVED, kind=tree.kind(row), old_size=old, new_size=None)
        else:
            change = ADDED if row is None else REPLACED
            yield RepairedFile(path=path, change=change, kind=_kind(put), old_size=old, new_size=_new_size(put))


def _shared_files(tree: ImageTree, changes: Changes) -> Iterator[str]:
    """Tell of files that change by other names, too."""
    names = np.bincount(tree.entries.link_row, minlength=len(tree))
    for put in changes.puts:
        row = _exact(tree, put.path) if put.kind == MemberKind.FILE and put.path not in changes.removed else None
        if row is not None and tree.is_file(row) and (count := int(names[tree.entries.link_row[row]])) > 1:
            yield f"/{escape(put.path)} is one of {count} names of a file; all show the new content"


def _exact(tree: ImageTree, path: bytes) -> int | None:
    row: int | None = 0
    for name in path.split(b"/") if path else ():
        row = None if row is None else tree.child(row, name)
    return row


def _kind(put: Put) -> str:
    return KINDS[st.S_IFREG] if put.kind == MemberKind.HARDLINK else str(put.kind)


def _new_size(put: Put) -> int:
    return put.content.size if put.content is not None else 0


def _old_size(tree: ImageTree, row: int) -> int:
    """Return the [bytes] of a file, or of all files below a folder, each name counted."""
    if not tree.is_directory(row):
        return int(tree.entries.size[row]) if tree.is_file(row) else 0
    below = np.fromiter(tree.walk(row), np.int64)
    is_file = (tree.entries.mode[below] & np.uint32(0o170000)) == st.S_IFREG
    return int(tree.entries.size[below[is_file]].sum())
