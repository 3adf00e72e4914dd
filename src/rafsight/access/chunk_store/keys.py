"""Under which name a blob is kept, and so which images share what is on disk.

This module alone decides that. A blob is shared by all images that name it, wherever they come from: each chunk is
found by its digest. Where places or chunks are an image's own (`Backing.is_private`), only the same image from the same
place finds it again.
"""

import hashlib

import numpy as np

from rafsight.access.chunk_store.labels import VERSION
from rafsight.access.session import Image
from rafsight.image.backing import Backing, are_aligned


def folder_names(image: Image, backing: Backing) -> list[str]:
    """Name the folder of each blob.

    Cost: hashes the bootstrap if the image came without a manifest and has private blobs.
    """
    tables = image.tree.tables
    own = _identity(image) if backing.is_private.any() else b""
    is_aligned = are_aligned(tables)
    names = []
    for blob in tables.blobs:
        how = f"{VERSION} {int(blob.digester)} {int(is_aligned[blob.index])}"
        running = hashlib.sha256(f"{how} {len(blob.blob_id)} {blob.blob_id} ".encode())
        if backing.is_private[blob.index]:
            rows = backing.order[int(backing.first[blob.index]) : int(backing.first[blob.index + 1])]
            running.update(own)
            running.update(np.ascontiguousarray(backing.address[rows]).tobytes())
        names.append(running.hexdigest())
    return names


def _identity(image: Image) -> bytes:
    classified = image.identity.classified
    digest = classified.manifest.digest if classified else hashlib.sha256(image.tree.tables.buffer).hexdigest()
    return f"{len(image.backend.place)} {image.backend.place} {digest} ".encode()
