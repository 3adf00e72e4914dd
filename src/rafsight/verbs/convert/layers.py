"""The layers of an image become blobs: several at a time, each pushed as soon as it is packed.

This module alone knows what makes two packings of a layer the same: the layer's digest and everything that its blob
depends on.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from rafsight.access.backend import Backend
from rafsight.access.layer_packing import PackingBase, pack_layer
from rafsight.access.layers import LayerProgress, verified_stream
from rafsight.access.outgoing import WrongContent
from rafsight.access.referred_layer import open_referred
from rafsight.access.target import Pushed, Target
from rafsight.access.threads import threads
from rafsight.access.transfer import copy_blob
from rafsight.access.work_folder import PackedFiles, WorkFolder, WorkFolderUnusable
from rafsight.base.errors import HostLimit
from rafsight.base.events import Advanced, Finished, Listener, Started
from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.rafs.reference_writer import Archive
from rafsight.formats.tar import read_members
from rafsight.image.overlay import LayerSource

PACKING_FORM: Final = 1
"""Changes whenever the same layer and terms give another blob."""
_PATIENCE: Final = 2.0
"""[s] At the end of the process, for threads to take away what they have begun; a registry may hold them longer."""
_MOST_LAYERS: Final = 4
"""Layers that are packed at a time, on machines with as many processors."""


Guard = Callable[[Iterator[bytes]], Iterator[bytes]]


class Interrupted(HostLimit):
    """Another layer failed, so that this one is not wanted any more."""

    code = "conversion-ended"
    template = "the conversion ended before layer {layer} was packed"
    remedy = "See the error of the other layer."


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneLayer:
    """A layer that is packed, and whose blob is in the target."""

    source: LayerSource
    files: PackedFiles
    pushed: Pushed | None
    """None: the layer has no blob."""
    is_resumed: bool
    """It had been packed by a conversion that did not come to its end."""


def layer_key(layer: Descriptor, base: PackingBase, dictionary: str, *, refers: bool = False) -> str:
    """Name a packing: the same name, the same blob.

    Args:
        layer: of the source.
        base: how it is packed.
        dictionary: what names the chunks of the dictionary; empty: none.
        refers: the blob only refers to the layer.
    """
    terms = base.terms
    parts = (
        PACKING_FORM, layer.digest, terms.version, int(terms.compressor), terms.level, int(terms.digester),
        terms.chunk_size, terms.is_inlined, dictionary, refers,
    )  # fmt: skip
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


@dataclass(slots=True, kw_only=True)
class LayerWork:
    """Packs the layers of one image, and pushes their blobs. Thread-safe."""

    backend: Backend
    target: Target
    base: PackingBase
    work: WorkFolder
    dictionary: str
    refers: bool
    """Chunks stay in the layers, which come along."""
    repository: str
    """`HOST/REPO` of the source; empty if it is none."""
    listener: Listener
    operation: str
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self, layers: Sequence[Descriptor], diff_ids: Sequence[str]) -> list[DoneLayer]:
        """Pack and push all layers; each of those that are the same once.

        Args:
            layers: as the manifest lists them.
            diff_ids: of the layers; empty if nobody knows.
        Raises: RegistryFault, ImageFault, HostLimit, TooManyChunks.
        """
        wanted = {layer.digest: (layer, diff_ids[row] if diff_ids else None) for row, layer in enumerate(layers)}
        total = sum(layer.size for layer, _ in wanted.values())
        self.listener(Started(operation=self.operation, title="packing layers", total=total, unit="bytes"))
        try:
            done = self._run_all(sorted(wanted.values(), key=lambda pair: -pair[0].size))
        finally:
            self.listener(Finished(operation=self.operation))
        return [done[layer.digest] for layer in layers]

    def _run_all(self, wanted: Sequence[tuple[Descriptor, str | None]]) -> dict[str, DoneLayer]:
        """Do the large ones first: who comes last should not take long."""
        pending: dict[str, Future[DoneLayer]] = {}
        with threads(min(_MOST_LAYERS, os.cpu_count() or 1), name="rafsight-layer") as pool:
            try:
                pending = {layer.digest: pool.submit(self._one, layer, diff_id) for layer, diff_id in wanted}
                wait(pending.values(), return_when=FIRST_EXCEPTION)
                failed = [one.exception() for one in pending.values() if one.done() and not one.cancelled()]
                first = next((error for error in failed if error is not None), None)
                if first is not None:
                    raise first
            finally:
                self._stop.set()
                for one in pending.values():
                    one.cancel()
                wait(pending.values(), timeout=_PATIENCE)
        return {digest: one.result() for digest, one in pending.items()}

    def _one(self, layer: Descriptor, diff_id: str | None) -> DoneLayer:
        key = layer_key(layer, self.base, self.dictionary, refers=self.refers)
        files = self.work.find(key)
        is_resumed = files is not None and not self.work.was_made(key)
        if files is None:
            files = self._pack(key, layer, diff_id)
        else:
            self.listener(Advanced(operation=self.operation, amount=layer.size))
        try:
            pushed = self._push(files, layer)
        except WrongContent:
            if not is_resumed:
                raise
            files, is_resumed = self._pack(key, layer, diff_id), False  # what lay in the work folder was damaged
            pushed = self._push(files, layer)
        return DoneLayer(
            source=LayerSource(digest=layer.digest, size=layer.size), files=files, pushed=pushed, is_resumed=is_resumed
        )

    def _push(self, files: PackedFiles, layer: Descriptor) -> Pushed | None:
        if files.summary.reference:
            copy_blob(self.backend, self.repository, layer.digest, layer.size, self.target)
        if not files.summary.blob_digest:
            return None
        return push_files(self.target, files, self.listener, guard=lambda pieces: self._stoppable(pieces, layer))

    def _pack(self, key: str, layer: Descriptor, diff_id: str | None) -> PackedFiles:
        source = LayerSource(digest=layer.digest, size=layer.size)
        where = f"layer {layer.digest}"
        with self.work.make(key) as (blob, record), self._open(layer, diff_id) as (archive, pieces):
            members = read_members(self._stoppable(pieces, layer), self.base.limits, where=where)
            pack_layer(members, self.base, source=source, blob=blob, record=record, archive=archive)
        return require(self.work, key)

    @contextmanager
    def _open(self, layer: Descriptor, diff_id: str | None) -> Iterator[tuple[Archive | None, Iterator[bytes]]]:
        """Give the tar of a layer; with the layer as it is stored, if chunks are to stay in it."""
        progress = LayerProgress(listener=self.listener, operation=self.operation)
        if self.refers:
            with open_referred(self.backend, layer, report=progress.report) as (archive, pieces):
                yield archive, pieces
        else:
            with verified_stream(self.backend, layer, diff_id, progress) as pieces:
                yield None, pieces

    def _stoppable(self, pieces: Iterator[bytes], layer: Descriptor) -> Iterator[bytes]:
        for piece in pieces:
            if self._stop.is_set():
                raise Interrupted(layer=layer.digest)
            yield piece


def require(work: WorkFolder, key: str) -> PackedFiles:
    """Return a layer that has just been packed.

    Raises: WorkFolderUnusable: somebody took it away.
    """
    files = work.find(key)
    if files is None:
        raise WorkFolderUnusable(folder=str(work.path), why="what was written is not there any more")
    return files


def push_files(target: Target, files: PackedFiles, listener: Listener, *, guard: Guard | None = None) -> Pushed:
    """Make sure that the blob of a packed layer is in the target.

    Args:
        target: where it is wanted.
        files: the layer.
        listener: told how far it is.
        guard: is given the pieces of the blob, and may end the pushing.
    Raises: RegistryFault, HostLimit; WrongContent: the file of the blob is not what it was.
    """
    digest, size = files.summary.blob_digest, files.summary.blob_size
    operation = f"push of {digest}"

    @contextmanager
    def content() -> Iterator[Iterator[bytes]]:
        with files.open_blob() as pieces:
            counted = LayerProgress(listener=listener, operation=operation).report(pieces)
            yield counted if guard is None else guard(counted)

    listener(Started(operation=operation, title=f"pushing {digest[7:19]}", total=size, unit="bytes"))
    try:
        return target.push_blob(digest, size, content)
    finally:
        listener(Finished(operation=operation))
