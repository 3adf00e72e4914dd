"""What can go wrong with a chunk store besides what goes wrong with the image."""

from rafsight.base.errors import HostLimit


class NotKept(HostLimit):
    """Chunks have to be on disk and cannot be put there."""

    code = "chunk-not-kept"
    template = "chunks of blob {blob} cannot be kept in {folder}: {why}"
    remedy = "Make room on that disk, raise the size of the cache, or use an engine that can serve chunks from memory."
