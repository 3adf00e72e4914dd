"""Plain OCI layers: one pass over each gives the tree, and the content that somebody wants to keep from that pass.

Layers have no random access, so all their bytes have to come; nothing is unpacked to disk. Content that was not kept is
read by streaming its layer again. No byte is handed over before its whole layer was verified against its digest.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from rafsight.access.backend import Backend, DigestMismatch
from rafsight.access.objects import hashed, verify
from rafsight.base.digest import hasher_for
from rafsight.base.errors import ImageFault, RafsightError, RegistryFault
from rafsight.base.events import Advanced, Finished, Listener, Noticed, Started, silent
from rafsight.base.limits import Limits
from rafsight.base.units import MiB
from rafsight.formats.compressed_stream import decompressed
from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.tables import MalformedImage, Placement, TreeTables
from rafsight.formats.tar import Member, read_members
from rafsight.image.overlay import LayerMerger, LayerSource
from rafsight.image.plan import BlobRange, ReadPlan

KEPT_SIZE: Final = 128 * MiB
"""[bytes] of content kept from the first pass; what does not fit is read by a second pass."""

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
    limits: Limits
    tables: TreeTables
    placement: Placement
    kept: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """Stored bytes of files by (layer, offset in the decompressed stream)."""

    def read(self, plan: ReadPlan) -> Iterator[tuple[int, bytes | RafsightError]]:
        """Read the wanted chunks: kept ones at once, the others by a pass over their layer."""
        for part in plan.streams:
            missing = []
            for unit in part.units.tolist():
                content = self.kept.get((part.blob_index, int(self.placement.units.offset[unit])))
                if content is None:
                    missing.append(unit)
                else:
                    yield from self._chunks(plan, unit, content)
            if missing:
                yield from self._pass(plan, part, missing)

    def _pass(self, plan: ReadPlan, part: BlobRange, units: list[int]) -> Iterator[tuple[int, bytes | RafsightError]]:
        """Stream one layer and pick some units out of it; hand them over when the layer has verified."""
        sizes = self.placement.units.stored_size
        total = int(sizes[units].sum())
        try:
            if total > self.limits.whole_file_size:
                what = f"{total} bytes are wanted at once of a layer that can only be streamed"
                raise MalformedImage(where=f"layer {self.layers[part.blob_index].digest}", what=what, offset=0)
            found = self._pick(part.blob_index, units)
        except (RegistryFault, ImageFault) as error:
            for unit in units:
                yield from ((chunk, error) for chunk in plan.chunks_of(unit).tolist())
            return
        for unit in units:
            yield from self._chunks(plan, unit, found[unit])

    def _pick(self, layer: int, units: list[int]) -> dict[int, bytes]:
        table = self.placement.units
        ordered = sorted(units, key=lambda unit: int(table.offset[unit]))
        found = {unit: bytearray() for unit in ordered}
        position = 0
        descriptor = self.layers[layer]
        first = 0
        with _verified_stream(self.backend, descriptor, None, _Progress()) as pieces:
            for piece in pieces:
                end = position + len(piece)
                for unit in ordered[first:]:
                    start, stop = int(table.offset[unit]), int(table.offset[unit] + table.stored_size[unit])
                    if start >= end:
                        break
                    found[unit] += piece[max(start - position, 0) : max(stop - position, 0)]
                    if stop <= end:
                        first += 1
                position = end
        return {unit: bytes(content) for unit, content in found.items()}

    def _chunks(self, plan: ReadPlan, unit: int, content: bytes) -> Iterator[tuple[int, bytes | RafsightError]]:
        if len(content) != int(self.placement.units.stored_size[unit]):
            blob = int(self.placement.units.blob_index[unit])
            what = f"{len(content)} bytes of a file that has {int(self.placement.units.stored_size[unit])}"
            fault = MalformedImage(where=f"layer {self.layers[blob].digest}", what=what, offset=0)
            yield from ((chunk, fault) for chunk in plan.chunks_of(unit).tolist())
            return
        for chunk in plan.chunks_of(unit).tolist():
            offset, size = int(self.placement.unit_offset[chunk]), int(self.tables.chunks.size[chunk])
            yield chunk, content if size == len(content) else content[offset : offset + size]


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
    room = KEPT_SIZE

    def capture(index: int, member: Member) -> None:
        nonlocal room
        if member.content.size <= room and keep(member.name, member.size):
            offset, content = member.content_offset, member.content.read(room)
            room -= len(content)
            kept[index, offset] = content

    operation = f"layers of {backend.place}"
    total = sum(layer.size for layer in layers)
    listener(Started(operation=operation, title="streaming layers", total=total, unit="bytes"))
    try:
        for index, layer in enumerate(layers):
            diff_id = diff_ids[index] if len(diff_ids) == len(layers) else None
            progress = _Progress(listener=listener, operation=operation)
            with _verified_stream(backend, layer, diff_id, progress) as pieces:
                members = read_members(pieces, limits, where=f"layer {layer.digest}")
                merger.add_layer(members, LayerSource(digest=layer.digest, size=layer.size), capture)
            backend.meter.count(needed=layer.size)
    finally:
        listener(Finished(operation=operation))
    merged = merger.finish()
    for unread in merged.unread:
        listener(Noticed(message=f"layer {unread.layer}: {unread.why}"))
    return LayerStore(
        backend=backend, layers=layers, limits=limits, tables=merged.tables, placement=merged.placement, kept=kept
    )


@contextmanager
def _verified_stream(
    backend: Backend, layer: Descriptor, diff_id: str | None, progress: "_Progress"
) -> Iterator[Iterator[bytes]]:
    """Give a layer's decompressed bytes; when the block ends well, the layer was read to its end and has verified."""
    stored, plain = hasher_for(layer.digest), hashlib.sha256()
    with backend.open_blob(layer.digest) as pieces:
        raw = hashed(progress.report(pieces), stored)
        content = hashed(decompressed(raw, where=f"layer {layer.digest}"), plain)
        yield content
        for _ in content:
            pass
        for _ in raw:
            pass
    verify(f"layer {layer.digest}", backend.place, layer.digest, stored)
    actual = "sha256:" + plain.hexdigest()
    if diff_id is not None and diff_id.startswith("sha256:") and actual != diff_id:
        raise DigestMismatch(what="an uncompressed layer", place=backend.place, expected=diff_id, actual=actual)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """Tells a listener how many bytes came in."""

    listener: Listener = silent
    operation: str = ""

    def report(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.listener(Advanced(operation=self.operation, amount=len(piece)))
            yield piece
