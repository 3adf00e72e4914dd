"""Plain OCI layers: one pass over each gives the tree, and the content that somebody wants to keep from that pass.

Layers have no random access, so all their bytes have to come; no tree is unpacked to disk. Content that was not kept is
read by streaming its layer again, into a spool where it stays until the image is closed: once a file, however many
pieces of it are asked for. No byte is handed over before its whole layer was verified against its digest.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

import numpy as np

from rafsight.access.backend import Backend, DigestMismatch
from rafsight.access.decoding import Outcome
from rafsight.access.hidden import HiddenFile, PassingFile, find_hidden
from rafsight.access.layer_stream import open_layer
from rafsight.access.spool import Spool
from rafsight.base.errors import ImageFault, RegistryFault
from rafsight.base.events import Advanced, Finished, Listener, Started, silent
from rafsight.base.limits import Limits
from rafsight.base.units import GiB, MiB
from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.tables import MalformedImage, Placement, TreeTables
from rafsight.formats.tar import Member, read_members
from rafsight.image.overlay import LayerMerger, LayerSource, UnreadMember
from rafsight.image.plan import ReadPlan

KEPT_SIZE: Final = 128 * MiB
"""[bytes] of content kept from the first pass; what does not fit is read by a second pass."""

SPOOLED_SIZE: Final = 16 * GiB
"""[bytes] the most that one pass brings into the spool."""

Keep = Callable[[bytes, int], bool]
"""Tells from path and size whether the content of a file is kept."""


def keep_nothing(path: bytes, size: int) -> bool:  # noqa: ARG001
    """Keep no content."""
    return False


@dataclass(slots=True, kw_only=True)
class LayerStore:
    """The tree of some layers, and their content."""

    backend: Backend
    layers: tuple[Descriptor, ...]
    tables: TreeTables
    placement: Placement
    unread: tuple[UnreadMember, ...] = ()
    """Members that could not become entries of the tree."""
    hidden: tuple[HiddenFile, ...] = ()
    """Wanted files that upper layers overwrite or remove."""
    listener: Listener = silent
    kept: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """Stored bytes of files by (layer, offset in the decompressed stream)."""
    _spooled: dict[int, tuple[Spool, int]] = field(default_factory=dict)
    """Units that a pass brought, and where in which spool they lie."""
    _lock: Lock = field(default_factory=Lock)

    def read(self, plan: ReadPlan) -> Iterator[Outcome]:
        """Read the wanted chunks: kept ones at once, the others by a pass over their layer."""
        for part in plan.streams:
            missing = []
            for unit, chunks in zip(part.units.tolist(), plan.chunks_of(part.units), strict=True):
                content = self._content(unit)
                if content is None:
                    missing.append(unit)
                else:
                    yield from self._chunks(unit, chunks, content)
            if missing:
                yield from self._pass(plan, part.blob_index, missing)

    def close(self) -> None:
        """Give the temporary files back."""
        for spool in {id(spool): spool for spool, _ in self._spooled.values()}.values():
            spool.close()
        self._spooled.clear()

    def _content(self, unit: int) -> bytes | memoryview | None:
        """Return the stored bytes of a unit if they are here."""
        units = self.placement.units
        kept = self.kept.get((int(units.blob_index[unit]), int(units.offset[unit])))
        if kept is not None or unit not in self._spooled:
            return kept
        spool, offset = self._spooled[unit]
        return spool.view(offset, int(units.stored_size[unit]))

    def _pass(self, plan: ReadPlan, layer: int, units: list[int]) -> Iterator[Outcome]:
        """Stream one layer and pick some units out of it; hand them over when the layer has verified."""
        total = int(self.placement.units.stored_size[units].sum())
        try:
            if total > SPOOLED_SIZE:
                what = f"{total} bytes are wanted at once of a layer that can only be streamed"
                raise MalformedImage(where=f"layer {self.layers[layer].digest}", what=what, offset=0)
            with self._lock:  # who comes second finds what the first one brought
                self._pick(layer, [unit for unit in units if unit not in self._spooled])
        except (RegistryFault, ImageFault) as error:
            for chunks in plan.chunks_of(np.array(units)):
                yield from ((chunk, error) for chunk in chunks)
            return
        for unit, chunks in zip(units, plan.chunks_of(np.array(units)), strict=True):
            content = self._content(unit)
            assert content is not None
            yield from self._chunks(unit, chunks, content)

    def _pick(self, layer: int, units: list[int]) -> None:
        """Copy units of one layer into a spool."""
        if not units:
            return
        table = self.placement.units
        ordered = np.array(units)[np.argsort(table.offset[units])]
        starts, sizes = table.offset[ordered].tolist(), table.stored_size[ordered].tolist()
        spool = Spool()
        try:
            self._copy(self.layers[layer], starts, sizes, spool)
        except BaseException:
            spool.close()
            raise
        places = np.cumsum([0, *sizes[:-1]]).tolist()
        self._spooled.update({unit: (spool, place) for unit, place in zip(ordered.tolist(), places, strict=True)})

    def _copy(self, layer: Descriptor, starts: list[int], sizes: list[int], spool: Spool) -> None:
        """Append ranges of a layer's decompressed stream, ordered and apart, to a spool."""
        operation = f"layer {layer.digest}"
        self.listener(Started(operation=operation, title="streaming a layer", total=layer.size, unit="bytes"))
        position = current = 0
        try:
            progress = LayerProgress(listener=self.listener, operation=operation)
            with verified_stream(self.backend, layer, None, progress) as pieces:
                for piece in pieces:
                    end = position + len(piece)
                    while current < len(starts) and starts[current] < end:
                        stop = starts[current] + sizes[current]
                        spool.append(piece[max(starts[current] - position, 0) : stop - position])
                        if stop > end:
                            break
                        current += 1
                    position = end
        finally:
            self.listener(Finished(operation=operation))
        if current < len(starts):
            what = f"ends before {len(starts) - current} files that it had"
            raise MalformedImage(where=operation, what=what, offset=position)
        spool.finish()

    def _chunks(self, unit: int, chunks: list[int], content: bytes | memoryview) -> Iterator[Outcome]:
        if len(content) != int(self.placement.units.stored_size[unit]):
            blob = int(self.placement.units.blob_index[unit])
            what = f"{len(content)} bytes of a file that has {int(self.placement.units.stored_size[unit])}"
            fault = MalformedImage(where=f"layer {self.layers[blob].digest}", what=what, offset=0)
            yield from ((chunk, fault) for chunk in chunks)
            return
        view = memoryview(content)
        for chunk in chunks:
            offset, size = int(self.placement.unit_offset[chunk]), int(self.tables.chunks.size[chunk])
            yield chunk, content if size == len(content) else view[offset : offset + size]


def stream_layers(
    backend: Backend,
    layers: tuple[Descriptor, ...],
    diff_ids: tuple[str, ...],
    *,
    keep: Keep,
    limits: Limits,
    listener: Listener,
) -> LayerStore:
    """Stream layers from the lowest to the highest into one tree.

    Args:
        backend: where they lie.
        layers: as the manifest lists them.
        diff_ids: digests of their uncompressed tars, as the config lists them; empty if nobody knows.
        keep: which content to keep from this pass.
        limits: what to accept.
        listener: told about the progress.
    Raises: RegistryFault, ImageFault.
    Cost: one request a layer, all bytes. Memory: the columns of the tree, and what is kept (bounded).
    """
    merger = LayerMerger(limits)
    kept: dict[tuple[int, int], bytes] = {}
    passed: list[PassingFile] = []
    room = KEPT_SIZE

    def capture(index: int, member: Member) -> None:
        nonlocal room
        if not keep(member.name, member.size):
            return
        offset = member.content_offset
        passed.append(PassingFile(layer=index, offset=offset, path=member.name, size=member.size))
        if member.content.size <= room:
            content = member.content.read(room)
            room -= len(content)
            kept[index, offset] = content

    operation = f"layers of {backend.place}"
    total = sum(layer.size for layer in layers)
    listener(Started(operation=operation, title="streaming layers", total=total, unit="bytes"))
    try:
        for index, layer in enumerate(layers):
            diff_id = diff_ids[index] if len(diff_ids) == len(layers) else None
            progress = LayerProgress(listener=listener, operation=operation)
            with verified_stream(backend, layer, diff_id, progress) as pieces:
                members = read_members(pieces, limits, where=f"layer {layer.digest}")
                merger.add_layer(members, LayerSource(digest=layer.digest, size=layer.size), capture)
            backend.meter.count(needed=layer.size)
    finally:
        listener(Finished(operation=operation))
    merged = merger.finish()
    return LayerStore(
        backend=backend,
        layers=layers,
        tables=merged.tables,
        placement=merged.placement,
        unread=merged.unread,
        hidden=find_hidden(passed, kept, merged.placement, layers),
        kept=kept,
        listener=listener,
    )


@contextmanager
def verified_stream(
    backend: Backend, layer: Descriptor, diff_id: str | None, progress: "LayerProgress"
) -> Iterator[Iterator[bytes]]:
    """Give a layer's decompressed bytes; when the block ends well, the layer was read to its end and has verified."""
    where = f"layer {layer.digest}"
    with open_layer(backend, layer, where=where, report=progress.report) as stream:
        yield stream.content
        sums = stream.finish()
    if sums.digest != layer.digest:
        raise DigestMismatch(what=where, place=backend.place, expected=layer.digest, actual=sums.digest)
    if diff_id is not None and diff_id.startswith("sha256:") and sums.content_digest != diff_id:
        actual = sums.content_digest
        raise DigestMismatch(what="an uncompressed layer", place=backend.place, expected=diff_id, actual=actual)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerProgress:
    """Tells a listener how many bytes came in."""

    listener: Listener = silent
    operation: str = ""

    def report(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Pass pieces on and tell their sizes."""
        for piece in pieces:
            self.listener(Advanced(operation=self.operation, amount=len(piece)))
            yield piece
