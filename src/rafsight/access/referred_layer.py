"""A layer whose blob only refers to it: it is brought to a temporary file first, since it is read more than once.

This module alone knows the order: verify the stored bytes, find the places where inflating can begin, read the tar.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rafsight.access.backend import Backend
from rafsight.access.gzip_index import index_gzip
from rafsight.access.objects import bounded, hashed, verify
from rafsight.access.spool import Spool
from rafsight.base.digest import hasher_for
from rafsight.base.units import MiB
from rafsight.formats.compressed_stream import HEAD_SIZE, compression_by_head, decompressed
from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.rafs.reference_writer import Archive

_PIECE: Final = MiB

Report = Callable[[Iterator[bytes]], Iterator[bytes]]


@contextmanager
def open_referred(backend: Backend, layer: Descriptor, *, report: Report) -> Iterator[tuple[Archive, Iterator[bytes]]]:
    """Bring a layer here; give it as it is stored, and its tar.

    Args:
        backend: where it lies.
        layer: its descriptor.
        report: sees the stored pieces on their way.
    Raises: RegistryFault, DigestMismatch, NotReferable, MalformedImage, NoTemporarySpace, NoGzipIndexer.
    Cost: one request and the bytes of the layer; it is inflated twice.
    """
    where = f"layer {layer.digest}"
    spool = Spool()
    try:
        hasher = hasher_for(layer.digest)
        with backend.open_blob(layer.digest) as pieces:
            for piece in hashed(bounded(report(pieces), layer.size, where, backend.place), hasher):
                spool.append(piece)
        spool.finish()
        verify(where, backend.place, layer.digest, hasher)
        backend.meter.count(needed=layer.size)
        head = bytes(spool.view(0, min(HEAD_SIZE, spool.size))) if spool.size else b""
        points = index_gzip(spool.view, spool.size, layer=layer.digest) if compression_by_head(head) else None
        archive = Archive(blob_id=layer.digest.partition(":")[2], size=spool.size, read=spool.view, points=points)
        yield archive, decompressed(_pieces(spool), where=where)
    finally:
        spool.close()


def _pieces(spool: Spool) -> Iterator[bytes]:
    for offset in range(0, spool.size, _PIECE):
        yield bytes(spool.view(offset, min(_PIECE, spool.size - offset)))
