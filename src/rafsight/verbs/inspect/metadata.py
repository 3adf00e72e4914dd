"""The questions of `inspect` that nydus-image has, too: all of them, to import from one place."""

from rafsight.verbs.inspect.chunks import NoSuchBlob, find_chunks
from rafsight.verbs.inspect.entries import NoSuchInode, check_inode, describe_entry, list_directory, list_found
from rafsight.verbs.inspect.head import list_blobs, read_stats, read_superblock
from rafsight.verbs.inspect.paths import TooManyPaths
from rafsight.verbs.inspect.prefetch import list_prefetch

__all__ = [
    "NoSuchBlob",
    "NoSuchInode",
    "TooManyPaths",
    "check_inode",
    "describe_entry",
    "find_chunks",
    "list_blobs",
    "list_directory",
    "list_found",
    "list_prefetch",
    "read_stats",
    "read_superblock",
]
