"""The content of an open image: where its chunks lie is worked out blob by blob, as they are needed.

This module alone decides when a chunk-info array is loaded, and that a bad one spoils the files of its blob only.
"""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from rafsight.access.backend import Backend
from rafsight.access.bootstrap import BootstrapParts
from rafsight.access.decoding import Outcome
from rafsight.access.fetch import Fetcher, FileContent, blob_name
from rafsight.access.fetched import FetchedChunks
from rafsight.access.layers import LayerStore
from rafsight.base.errors import Defect, ImageFault, RafsightError, RegistryFault
from rafsight.base.limits import Limits
from rafsight.formats.rafs.blob_meta import HEADER_SIZE, expand, is_header_alone, read_blob_meta
from rafsight.formats.rafs.placement import place_chunks, require_placed
from rafsight.formats.rafs.units import place_by_meta
from rafsight.formats.tables import MalformedImage, Placement, Rows
from rafsight.image.plan import FileRange, RowArray, wanted_extents
from rafsight.image.tree import ImageTree


class Contents:
    """Places chunks blob by blob as they are needed, and fetches them."""

    def __init__(
        self,
        tree: ImageTree,
        backend: Backend,
        parts: BootstrapParts | None,
        pool: ThreadPoolExecutor,
        limits: Limits,
    ) -> None:
        self._tree = tree
        self._backend = backend
        self._bundled = dict(parts.metas) if parts else {}
        self._limits = limits
        self._fetcher = Fetcher(tree, backend, pool, limits)
        self._lock = threading.Lock()
        self._metas: dict[int, bytes] = {}
        self._faults: dict[int, RafsightError] = {}
        self._placement: Placement | None = None
        self._streams: LayerStore | None = None

    def use_layers(self, placement: Placement, streams: LayerStore) -> None:
        """Serve content from layers that are streams."""
        self._placement = placement
        self._streams = streams

    def read(self, wanted: Sequence[FileRange]) -> Iterator[FileContent]:
        """Place what is not placed yet, then fetch."""
        extents = wanted_extents(self._tree, wanted)
        rows = np.concatenate([*extents, np.empty(0, dtype=np.int64)])
        placement = self._placement_for(self._tree.tables.extents.chunk[rows])
        return self._fetcher.read(
            placement, wanted, extents, lambda chunk: self._unplaced(placement, chunk), self._streams
        )

    def read_chunks(self, chunks: RowArray) -> Iterator[Outcome]:
        """Place what is not placed yet, then fetch."""
        placement = self._placement_for(chunks)
        return self._fetcher.read_chunks(
            placement, chunks, lambda chunk: self._unplaced(placement, chunk), self._streams, partly=None
        )

    def fetch_chunks(self, chunks: RowArray) -> FetchedChunks | None:
        """Fetch chunks of one blob without decoding them; None if they do not come one by one."""
        tables = self._tree.tables
        if self._streams is not None or tables.blobs[int(tables.chunks.blob_index[chunks[0]])].needs_meta:
            return None
        placement = self._placement_for(chunks)
        if (placement.unit_index[chunks] < 0).any():
            return None
        return self._fetcher.fetch_chunks(placement, chunks)

    def companions(self, chunks: RowArray) -> RowArray:
        """Return the chunks that cost nothing more once some others of the same blob are fetched.

        They are in the same batches or slices; of a layer that can only be streamed, they are all others.

        Args:
            chunks: (c,) rows of the chunk table, not empty, all of one blob.
        Returns: (d,) rows, among them `chunks`.
        Cost: may have to fetch the blob's chunk-info array. Linear in the chunks of the image where units are shared.
        """
        tables = self._tree.tables
        blob = int(tables.chunks.blob_index[chunks[0]])
        if self._streams is not None:
            return np.flatnonzero(tables.chunks.blob_index == blob)
        if not tables.blobs[blob].needs_meta:
            return chunks
        unit_index = self._placement_for(chunks).unit_index
        units = unit_index[chunks]
        return np.union1d(chunks, np.flatnonzero(np.isin(unit_index, units[units >= 0])))

    def _unplaced(self, placement: Placement, chunk: int) -> RafsightError:
        """Say why a chunk has no place."""
        blob = int(self._tree.tables.chunks.blob_index[chunk])
        if blob in self._faults:
            return self._faults[blob]
        try:
            require_placed(self._tree.tables, placement, np.array([chunk]))
        except RafsightError as error:
            return error
        return Defect(what=f"chunk {chunk} has a place and none")

    def _placement_for(self, chunks: RowArray | Rows) -> Placement:
        """Return a placement that covers the blobs of some chunks, with the chunk-info arrays that it needs."""
        tables = self._tree.tables
        with self._lock:
            if self._streams is not None and self._placement is not None:
                return self._placement
            blobs = np.unique(tables.chunks.blob_index[chunks]).tolist()
            missing = [
                blob
                for blob in blobs
                if tables.blobs[blob].needs_meta and blob not in self._metas and not self._is_spoilt(blob)
            ]
            if missing or self._placement is None:
                self._placement = self._place(missing)
            return self._placement

    def _is_spoilt(self, blob: int) -> bool:
        """Tell whether a blob's array is bad; one that only could not be had is asked for again."""
        return blob in self._faults and not isinstance(self._faults[blob], RegistryFault)

    def _place(self, missing: Sequence[int]) -> Placement:
        """Load the chunk-info arrays of some blobs, and place; one that is bad does not spoil the other blobs."""
        for blob, meta in zip(missing, self._fetcher.side_by_side(self._load_meta, missing), strict=True):
            if isinstance(meta, RafsightError):
                self._faults[blob] = meta
            else:
                self._metas[blob] = meta
                self._faults.pop(blob, None)
        try:
            return place_chunks(self._tree.tables, self._metas, self._limits)
        except ImageFault:
            self._drop_bad_metas(missing)
            return place_chunks(self._tree.tables, self._metas, self._limits)

    def _drop_bad_metas(self, suspects: Sequence[int]) -> None:
        """Find the arrays that do not fit the chunks of their blobs."""
        chunks, blobs = self._tree.tables.chunks, self._tree.tables.blobs
        for blob in suspects:
            if blob not in self._metas:
                continue
            try:
                meta = read_blob_meta(self._metas[blob], blobs[blob])
                place_by_meta(chunks, np.flatnonzero(chunks.blob_index == blob), blobs[blob], meta, self._limits)
            except ImageFault as error:
                self._faults[blob] = error
                del self._metas[blob]

    def _require_room(self, blob: int) -> None:
        """Refuse an array before a byte of it is fetched if it, or it with those before it, is too large."""
        entries = self._tree.tables.blobs
        size = entries[blob].meta_uncompressed_size
        total = sum(entry.meta_uncompressed_size for entry in entries[: blob + 1] if entry.needs_meta)
        if size > self._limits.blob_meta_size or total > self._limits.bootstrap_size:
            what = f"is to have {size} bytes, with those before it {total}"
            raise MalformedImage(where=f"chunk-info array of blob {entries[blob].blob_id}", what=what, offset=0)

    def _load_meta(self, blob: int) -> bytes | RafsightError:
        """Take a blob's chunk-info array from the bootstrap layer; where that has none, fetch it from the blob."""
        entry = self._tree.tables.blobs[blob]
        try:
            bundled = self._bundled.get(entry.meta_id)
            if bundled is not None and not is_header_alone(bundled, entry):
                return expand(bundled, entry, self._limits)
            self._require_room(blob)
            size = entry.meta_compressed_size + HEADER_SIZE
            stored = self._backend.fetch_range(blob_name(entry.meta_id), entry.meta_offset, size)
            self._backend.meter.count(needed=size)
            return expand(stored, entry, self._limits)
        except (RegistryFault, ImageFault) as error:
            return error
