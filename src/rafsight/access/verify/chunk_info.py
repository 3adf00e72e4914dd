"""The metadata that blobs carry about themselves: chunk-info arrays, tables of contents, digest arrays.

This module alone decides which of them are fetched, and what of them is cheap enough to be compared twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from rafsight.access.backend import Backend
from rafsight.access.fetch import blob_name
from rafsight.access.threads import threads
from rafsight.access.verify.examined import FAULTS, Examined
from rafsight.access.verify.pipeline import in_order
from rafsight.base.errors import ImageFault, RafsightError
from rafsight.base.events import Advanced, Finished, Listener, Started, silent
from rafsight.base.limits import Limits
from rafsight.base.units import MiB
from rafsight.formats.judge import Collector, fault_of
from rafsight.formats.rafs import blob_rules as rules
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import toc
from rafsight.formats.rafs.blob_checks import DIGEST_SIZE, check_blob_meta, check_digest_array
from rafsight.formats.rafs.blob_meta import HEADER_SIZE, expand, is_header_alone
from rafsight.formats.rafs.toc_checks import check_part, check_toc
from rafsight.formats.records import Buffer
from rafsight.formats.tables import BlobEntry, Cipher, TreeTables

OPERATION: Final = "chunk-info"
CHEAP: Final = 4 * MiB
"""[bytes] an array up to this size is fetched though the bootstrap layer has a copy, so that both can be compared."""
MAX_DIGESTS: Final = 64 * MiB
"""[bytes] of digest arrays that are compared: those of two million chunks."""


@dataclass(slots=True, kw_only=True)
class _Fetched:
    """What a blob itself says."""

    stored: bytes | None = None
    """The chunk-info array with its header, as stored."""
    tail: bytes = b""
    size: int = 0
    """[bytes] of the file that ends with `tail`."""
    digests: bytes | None = None
    missing: list[tuple[str, RafsightError]] = field(default_factory=list)
    """What could not be had."""


def check_chunk_info(
    backend: Backend,
    tables: TreeTables,
    bundled: Mapping[str, Buffer],
    judge: Collector,
    *,
    limits: Limits,
    connections: int = 8,
    listener: Listener = silent,
) -> Examined:
    """Compare the chunk-info arrays, tables of contents and digest arrays of blobs with the bootstrap.

    Args:
        backend: where the image lies.
        tables: the image; may come from a damaged bootstrap.
        bundled: arrays of the bootstrap layer by the hex digest of their blob (`BootstrapParts.metas`); empty if there
            are none.
        judge: told about every rule.
        limits: what to accept.
        connections: how many requests at a time.
        listener: told about progress (operation `chunk-info`, unit `blobs`).
    Returns: facts `arrays`, `tables of contents`, `digest arrays`; `metas` for `check_chunks`, of the blobs that
            need theirs.
    Cost: one to four small requests a blob, none for blobs without such parts.
    """
    step, room = _Step(tables=tables, judge=judge, limits=limits), limits.bootstrap_size
    fitting = []
    for entry in (blob for blob in tables.blobs if blob.meta_id):
        room -= max(entry.meta_uncompressed_size, 0)
        if judge.holds(room >= 0, rules.META_ROOM, f"chunk-info array of blob {entry.index}", entry.meta_offset):
            fitting.append(entry)
    listener(Started(operation=OPERATION, title="reading chunk-info arrays", total=len(fitting), unit="blobs"))
    try:
        with threads(connections, name="rafsight-chunk-info") as pool:
            for entry, fetched in in_order(pool, partial(_fetch, backend, bundled, limits), fitting, _weigh):
                listener(Advanced(operation=OPERATION, amount=1))
                step.judge_blob(entry, fetched, bundled.get(entry.meta_id))
    finally:
        listener(Finished(operation=OPERATION))
    facts = ("arrays", step.arrays), ("tables of contents", step.contents), ("digest arrays", step.digests)
    return Examined(unchecked=tuple(step.unchecked), facts=facts, metas=step.metas)


def _weigh(entry: BlobEntry) -> int:
    size = max(entry.meta_compressed_size + entry.meta_uncompressed_size, 0) + HEADER_SIZE + toc.TAIL_SIZE
    return size + (DIGEST_SIZE * entry.chunk_count if entry.features & shared.HAS_TOC else 0)


def _fetch(backend: Backend, bundled: Mapping[str, Buffer], limits: Limits, entry: BlobEntry) -> _Fetched:
    """Fetch what a blob says about itself; a copy in the bootstrap layer makes a large array dispensable."""
    fetched, name, size = _Fetched(), blob_name(entry.meta_id), entry.meta_compressed_size + HEADER_SIZE
    what = f"chunk-info array of blob {entry.blob_id}"
    try:
        if size <= CHEAP or is_header_alone(bundled.get(entry.meta_id, b""), entry):
            if size > limits.blob_meta_size:
                raise rules.META_ROOM.broken(what, entry.meta_offset)
            fetched.stored = backend.fetch_range(name, entry.meta_offset, size)
            backend.meter.count(needed=size)
    except FAULTS as error:
        fetched.missing.append((what, error))
    what = f"table of contents of blob {entry.blob_id}"
    try:
        if entry.features & shared.HAS_TOC:
            _fetch_end(backend, name, entry, fetched)
    except FAULTS as error:
        fetched.missing.append((what, error))
    return fetched


def _fetch_end(backend: Backend, name: str, entry: BlobEntry, fetched: _Fetched) -> None:
    fetched.size = backend.blob_size(name)
    tail_size = min(fetched.size, toc.TAIL_SIZE)
    fetched.tail = backend.fetch_range(name, fetched.size - tail_size, tail_size)
    backend.meter.count(needed=tail_size)
    parts = toc.find_parts(fetched.tail, fetched.size, Collector())  # the real judge is asked by one thread only
    part = next((part for part in parts if part.name == toc.DIGESTS), None)
    if part is not None and part.stored_size == DIGEST_SIZE * entry.chunk_count <= MAX_DIGESTS:
        fetched.digests = backend.fetch_range(name, part.offset, part.stored_size)
        backend.meter.count(needed=part.stored_size)


@dataclass(slots=True, kw_only=True)
class _Step:
    """Judges blob after blob, and adds up."""

    tables: TreeTables
    judge: Collector
    limits: Limits
    unchecked: list[tuple[str, str]] = field(default_factory=list)
    metas: dict[int, Buffer] = field(default_factory=dict)
    arrays: int = 0
    contents: int = 0
    digests: int = 0

    def judge_blob(self, entry: BlobEntry, fetched: _Fetched, copy: Buffer | None) -> None:
        """Look at all that one blob says about itself."""
        for what, error in fetched.missing:
            if isinstance(error, ImageFault):
                self.judge.add(fault_of(error, what))
            else:
                self.unchecked.append((what, str(error)))
        own, copied = self._expand(fetched.stored, entry), None
        if copy is not None and not is_header_alone(copy, entry):
            copied = self._expand(copy, entry)
        if own is not None and copy is not None:
            whole = own if copied is not None else own[-HEADER_SIZE:]
            same = whole == (copy if copied is None else copied)
            where = f"chunk-info array of blob {entry.index}"
            self.judge.holds(same, rules.META_COPIES, where, entry.meta_offset, entry.meta_id)
        for expanded in (own, copied):
            if expanded is not None and check_blob_meta(expanded, entry, self.tables.chunks, self.judge, self.limits):
                if entry.needs_meta:  # the others can be placed without, and arrays are large
                    self.metas[entry.index] = expanded
                self.arrays += 1
                break
        if fetched.tail:
            self._judge_end(entry, fetched, own)

    def _expand(self, stored: Buffer | None, entry: BlobEntry) -> bytes | None:
        expanded = None
        if stored is not None:
            with self.judge.part(f"chunk-info array of blob {entry.index}", entry.meta_offset):
                expanded = expand(stored, entry, self.limits, self.judge)
        return expanded

    def _judge_end(self, entry: BlobEntry, fetched: _Fetched, own: bytes | None) -> None:
        """Look at the table of contents and the parts that are here."""
        parts = {part.name: part for part in check_toc(fetched.tail, fetched.size, entry, self.judge)}
        self.contents += bool(parts)
        contents: list[tuple[str, Buffer | None]] = [(toc.DIGESTS, fetched.digests)]
        if own is not None and entry.cipher is Cipher.NONE:  # nobody knows which form of an encrypted array counts
            contents += [(toc.META, own[:-HEADER_SIZE]), (toc.META_HEADER, own[-HEADER_SIZE:])]
        for name, content in contents:
            if name in parts and content is not None:
                check_part(parts[name], content, entry, self.judge)
        if fetched.digests is not None:
            self.digests += 1
            check_digest_array(fetched.digests, entry, self.tables.chunks, self.judge)
        elif toc.DIGESTS in parts and parts[toc.DIGESTS].stored_size > MAX_DIGESTS:
            self.unchecked.append((f"digest array of blob {entry.blob_id}", "it is too large to be compared"))
