"""Every byte of every blob: each chunk against the bootstrap, each file against the digest that names it.

One pass over each file does both. This module alone decides what of a blob counts as verified.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from rafsight.access.backend import Backend
from rafsight.access.fetch import MAX_REQUEST
from rafsight.access.threads import threads
from rafsight.access.verify import rules
from rafsight.access.verify.examined import Examined
from rafsight.access.verify.pipeline import in_order
from rafsight.access.verify.ranges import Piece, cut_file
from rafsight.access.verify.verifier import Measured, Outcome, Verifier
from rafsight.base.errors import ImageFault
from rafsight.base.events import Advanced, Finished, Listener, Started, silent
from rafsight.base.limits import Limits
from rafsight.formats.judge import EXAMPLES, Collector, Fault, Rule, fault_of
from rafsight.formats.rafs.blob_sizes import expected_files, is_foreign
from rafsight.formats.rafs.placement import place_chunks
from rafsight.formats.records import Buffer, Indexes
from rafsight.formats.tables import BlobEntry, Placement, TreeTables
from rafsight.image.chunk_users import ChunkUsers
from rafsight.image.tree import ImageTree

OPERATION: Final = "chunks"
_HEX: Final = re.compile(r"[0-9a-f]{64}\Z")
_NONE: Final = np.empty(0, np.intp)


@dataclass(slots=True, kw_only=True)
class _File:
    """One file: the data of a blob, or the other file that holds its chunk-info array."""

    name: str
    """Of the blob table."""
    entry: BlobEntry
    units: Indexes
    """Those that should lie in it."""
    size: int = 0
    """[bytes]"""
    uncovered: tuple[int, int] = (0, 0)
    unverifiable: int = 0
    is_cut: bool = False
    """True if a piece of it could not be read: then nothing is known about it as a whole."""
    whole: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    covered: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    """Of all but what the name does not cover."""


def check_chunks(
    backend: Backend,
    tables: TreeTables,
    metas: Mapping[int, Buffer],
    judge: Collector,
    *,
    limits: Limits,
    is_bare: bool = False,
    connections: int = 8,
    listener: Listener = silent,
) -> Examined:
    """Fetch every blob of the blob table whole, verify every chunk, and the digest that names the blob.

    Args:
        backend: where the image lies.
        tables: the image; may come from a damaged bootstrap.
        metas: what `check_chunk_info` returned; blobs that need an array and have none here are said to be unchecked.
        judge: told about every chunk that is not what the image says.
        limits: what to accept.
        is_bare: the image is a bare bootstrap: its blobs are files, whose names may be anything.
        connections: how many requests at a time.
        listener: told about progress (operation `chunks`, unit `bytes`).
    Returns: facts `chunks` (verified), `unverifiable chunks` (without digest and CRC), `bytes` (fetched).
    Cost: the bytes of all blobs, and a HEAD request for each. Memory: a window, whatever the size of the image.
    """
    placement = place_chunks(tables, metas, limits, judge) if tables.superblock.chunk_size else None
    verifier = Verifier(backend, tables, placement, is_bare=is_bare)
    step = _Step(tables=tables, placement=placement, verifier=verifier, judge=judge, is_bare=is_bare)
    step.say_unplaced(metas)
    with threads(connections, name="rafsight-check") as pool:
        files = []
        for file, measured in in_order(
            pool, lambda file: verifier.measure(file.name, file.entry), step.files(), lambda _: 1
        ):
            if step.admit(file, measured):
                files.append(file)
        total = sum(file.size for file in files)
        listener(Started(operation=OPERATION, title="verifying blobs", total=total, unit="bytes"))
        try:
            pieces = step.pieces(files)
            for (file, piece), outcome in in_order(
                pool, lambda job: verifier.verify(job[0].name, job[1]), pieces, _weigh
            ):
                listener(Advanced(operation=OPERATION, amount=piece.own_size))
                step.judge_piece(file, piece, outcome)
        finally:
            listener(Finished(operation=OPERATION))
    for file in files:
        step.judge_file(file)
    facts = ("chunks", step.verified), ("unverifiable chunks", step.unverifiable), ("bytes", step.fetched)
    return Examined(unchecked=tuple(step.unchecked), facts=facts)


def _weigh(job: tuple[_File, Piece]) -> int:
    return job[1].size + job[1].largest


@dataclass(slots=True, kw_only=True)
class _Step:
    """Knows the files, judges what came of them, and adds up. Of one thread."""

    tables: TreeTables
    placement: Placement | None
    verifier: Verifier
    judge: Collector
    is_bare: bool
    unchecked: list[tuple[str, str]] = field(default_factory=list)
    verified: int = 0
    unverifiable: int = 0
    fetched: int = 0
    tree: ImageTree = field(init=False)
    users: ChunkUsers = field(init=False)

    def __post_init__(self) -> None:
        self.tree = ImageTree(self.tables)
        self.users = ChunkUsers(self.tables)

    def say_unplaced(self, metas: Mapping[int, Buffer]) -> None:
        """Say which chunks cannot be looked at, since nobody knows where they are."""
        if self.placement is None:
            return
        lost = self.tables.chunks.blob_index[self.placement.unit_index < 0]
        for blob, count in zip(*(column.tolist() for column in np.unique(lost, return_counts=True)), strict=True):
            entry = self.tables.blobs[blob]
            if is_foreign(entry):
                why = "its data lie in an external backend"
            elif entry.needs_meta and blob not in metas:
                why = "its chunk-info array could not be read"
            else:
                why = f"{count} of them have no place that can be"
            self.unchecked.append((f"chunks of blob {entry.blob_id}", why))

    def files(self) -> Iterator[_File]:
        """Yield the files that the blob table needs, each once."""
        blobs = self.tables.blobs
        table = np.empty(0, np.int32) if self.placement is None else self.placement.units.blob_index
        seen: set[str] = set()
        for entry in blobs:
            for expected in expected_files(entry):
                if expected.name not in seen:
                    seen.add(expected.name)
                    mine = [blob.index for blob in blobs if blob.data_id == expected.name]
                    units = np.flatnonzero(np.isin(table, mine)) if mine else _NONE
                    yield _File(name=expected.name, entry=entry, units=units)

    def admit(self, file: _File, measured: Measured) -> bool:
        """Take note of the size of a file; tell whether it can be read."""
        if measured.error is not None:
            self._say_unread(file, measured.error)
            return False
        file.size, file.uncovered = measured.size, measured.uncovered
        if self.placement is not None:
            ends = self.placement.units.offset[file.units] + self.placement.units.stored_size[file.units]
            for unit in file.units[ends > file.size].tolist():
                for chunk in self.verifier.chunks_of(unit).tolist():
                    self._add(rules.CHUNK_LOST, chunk, f"the blob has {file.size} bytes")
            file.units = file.units[ends <= file.size]
        return True

    def pieces(self, files: list[_File]) -> Iterator[tuple[_File, Piece]]:
        """Yield the reads of all files; no more of a file that could not be read once."""
        for file in files:
            table = None if self.placement is None else self.placement.units
            for piece in cut_file(table, file.units, file.size, max_request=MAX_REQUEST):
                if file.is_cut:
                    break
                yield file, piece

    def judge_piece(self, file: _File, piece: Piece, outcome: Outcome) -> None:
        """Take note of what came of a piece."""
        if outcome.error is not None:
            if not file.is_cut:
                self._say_unread(file, outcome.error)
            file.is_cut = True
            return
        self.fetched += len(outcome.stored)
        self.verified += outcome.verified
        file.unverifiable += outcome.unverifiable
        for damage in outcome.damages:
            self._add(damage.rule, damage.chunk, damage.why)
        file.whole.update(outcome.stored)
        start, end = (min(max(place - piece.offset, 0), len(outcome.stored)) for place in _span(file.uncovered))
        file.covered.update(outcome.stored[:start])
        file.covered.update(outcome.stored[end:])

    def judge_file(self, file: _File) -> None:
        """Compare a file that was read to its end with its name."""
        is_named = bool(_HEX.match(file.name)) and not file.is_cut
        digests = {file.whole.hexdigest()} | ({file.covered.hexdigest()} if self.is_bare else set())
        if is_named and file.name not in digests:
            rule = rules.BLOB_NAME if self.is_bare else rules.BLOB_DIGEST
            self.judge.holds(False, rule, f"blob {file.name}", detail=f"sha256:{file.whole.hexdigest()}")
        if not file.unverifiable:
            return
        if is_named and file.name in digests:
            self.verified += file.unverifiable
        else:
            self.unverifiable += file.unverifiable
            why = f"{file.unverifiable} of them have no digest, and the blob is not named by its own"
            self.unchecked.append((f"chunks of blob {file.entry.blob_id}", why))

    def _say_unread(self, file: _File, error: Exception) -> None:
        if isinstance(error, ImageFault):
            self.judge.add(fault_of(error, f"blob {file.name}"))
        self.unchecked.append((f"blob {file.name}", str(error)))

    def _add(self, rule: Rule, chunk: int, why: str) -> None:
        """Tell the judge about a chunk, with one path that uses it and how many files do.

        Of a blob that was cut, every chunk may come here: what the judge only counts is not looked up.
        """
        if self.judge.counts.get(rule.code, 0) >= EXAMPLES:
            self.judge.add(Fault(rule=rule, where=""))
            return
        table = self.tables.chunks
        entry = self.tables.blobs[int(table.blob_index[chunk])]
        users = self.users.rows(chunk)
        detail = f"chunk {int(table.number[chunk])}, used by {len(users)} file{'' if len(users) == 1 else 's'}"
        self.judge.add(
            Fault(
                rule=rule,
                where=f"blob {entry.blob_id}",
                offset=self._place(chunk),
                path=self.tree.path(int(users[0])) if users.size else None,
                detail=f"{detail}: {why}" if why else detail,
            )
        )

    def _place(self, chunk: int) -> int:
        assert self.placement is not None
        return int(self.placement.units.offset[self.placement.unit_index[chunk]])


def _span(place: tuple[int, int]) -> tuple[int, int]:
    return place[0], place[0] + place[1]
