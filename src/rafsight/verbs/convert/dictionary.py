"""Another image as a chunk dictionary: what it has need not be stored again.

This module alone decides which images can be one, and how their blobs come along.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from rafsight.access.layer_packing import PackTerms
from rafsight.access.options import Options
from rafsight.access.packing import KnownChunks
from rafsight.access.session import Image, open_image
from rafsight.access.target import Target
from rafsight.access.transfer import copy_blob
from rafsight.base.events import Listener
from rafsight.formats.oci.documents import blob_layer
from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.rafs.words import image_compressor, image_digester
from rafsight.formats.tables import BlobEntry, ChunkTable
from rafsight.image.compose import NO_DICTIONARY, Dictionary
from rafsight.verbs.convert.terms import UnsuitableTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkDictionary:
    """A chunk dictionary that is open, or none."""

    key: str = ""
    """What names its chunks and their rows; empty: there are none."""
    chunks: Dictionary = NO_DICTIONARY
    known: KnownChunks | None = None
    image: Image | None = field(default=None, repr=False)

    def push(self, blobs: Sequence[BlobEntry], target: Target) -> list[Descriptor]:
        """Bring those blobs of an image that are the dictionary's to the target; describe them as layers.

        Raises: RegistryFault, ImageFault.
        """
        if self.image is None:
            return []
        ids = {blob.blob_id for blob in self.chunks.blobs}
        return [self._push(f"sha256:{blob.data_id}", self.image, target) for blob in blobs if blob.blob_id in ids]

    def _push(self, digest: str, image: Image, target: Target) -> Descriptor:
        classified = image.identity.classified
        layers = classified.manifest.layers if classified is not None else ()
        known = {layer.digest: layer.size for layer in layers}
        size = known[digest] if digest in known else image.backend.blob_size(digest)
        copy_blob(image.backend, image.identity.repository, digest, size, target)
        return blob_layer(digest, size)


@contextmanager
def open_dictionary(
    reference: str, terms: PackTerms, *, options: Options, listener: Listener
) -> Iterator[ChunkDictionary]:
    """Open an image as a chunk dictionary; an empty reference gives an empty one.

    Raises: UnsuitableTerms: its chunks are not cut or hashed as those of the image will be; what `open_image` raises.
    Cost: its manifest, config and bootstrap.
    """
    if not reference:
        yield ChunkDictionary()
        return
    with open_image(reference, options=options, listener=listener) as image:
        tables = image.tree.tables
        _check(image, reference, terms)
        yield ChunkDictionary(
            key=_key(tables.chunks, tables.blobs),
            chunks=Dictionary(chunks=tables.chunks, blobs=tables.blobs),
            known=KnownChunks(tables.chunks.digest, tables.chunks.size),
            image=image,
        )


def _key(chunks: ChunkTable, blobs: Sequence[BlobEntry]) -> str:
    """Name the chunks: packed layers refer to them by row, so that other rows have another name."""
    name = hashlib.sha256()
    for column in (chunks.digest, chunks.size, chunks.blob_index, chunks.number):
        name.update(np.ascontiguousarray(column).view(np.uint8).data)
    name.update("".join(blob.blob_id for blob in blobs).encode())
    return name.hexdigest()


def _check(image: Image, reference: str, terms: PackTerms) -> None:
    """Refuse an image that cannot be a dictionary."""
    head = image.tree.tables.superblock
    if head.version != terms.version:
        raise UnsuitableTerms(
            what=f"{reference} is {head.format}, and cannot be the chunk dictionary of RAFS v{terms.version}"
        )
    if head.chunk_size != terms.chunk_size:
        raise UnsuitableTerms(
            what=f"{reference} has chunks of {head.chunk_size} bytes, and the image would have {terms.chunk_size}"
        )
    if image_digester(head.flags) is not terms.digester:
        raise UnsuitableTerms(what=f"{reference} has chunk digests of another kind than {terms.digester.name.lower()}")
    if not terms.is_aligned and image_compressor(head.flags) is not terms.compressor:
        raise UnsuitableTerms(
            what=f"{reference} is compressed otherwise, and this version of RAFS has one way an image"
        )
    for blob in image.tree.tables.blobs:
        if blob.meta_id not in ("", blob.data_id):
            raise UnsuitableTerms(what=f"{reference} keeps its chunks in layers of another image")
