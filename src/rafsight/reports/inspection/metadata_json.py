"""Answers about an image's metadata as JSON.

This module alone decides the keys. Those of the peer's own JSON (`stats`, `blobs`, `prefetch`) are the peer's; all
others are the labels of its text in snake case. Numbers are numbers, digests are hexadecimal, bytes are as
`renderer.named` writes them. A key is always there; what an entry cannot have is null.
"""

import base64
from collections.abc import Sequence
from typing import Any, Final

from rafsight.reports.inspection.metadata import (
    BlobList,
    ChunkFacts,
    ChunkUse,
    ChunkUses,
    EntryAttributes,
    EntryFacts,
    InodeContent,
    InodeFacts,
    Listing,
    PrefetchList,
    Stats,
    SuperblockFacts,
)
from rafsight.reports.names import named

_SIGNS: Final = {"file": "-", "directory": "d", "symlink": "l"}


def sign_of(kind: str) -> str:
    """Return the peer's sign of a kind: a blank for devices, fifos and sockets."""
    return _SIGNS.get(kind, " ")


def stats(answer: Stats) -> dict[str, Any]:
    """Write what the peer's `stats` does."""
    return {"inodes_count": answer.inode_count}


def superblock(answer: SuperblockFacts) -> dict[str, Any]:
    """Write every number of a superblock, the stored ones by their names in the format reference."""
    return {
        "format": answer.format,
        "version": answer.version,
        "chunk_size": answer.chunk_size,
        "flags": answer.flags,
        "flag_names": None if answer.flag_names is None else list(answer.flag_names),
        "inode_count": answer.inode_count,
        "root_inode": answer.root_ino,
        "blob_count": answer.blob_count,
        "prefetch_count": answer.prefetch_count,
        **dict(answer.fields),
        **dict(answer.texts),
    }


def blobs(answer: BlobList) -> list[dict[str, Any]]:
    """Write what the peer's `blobs` does."""
    return [
        {
            "blob_id": blob.blob_id,
            "compressed_size": blob.compressed_size,
            "decompressed_size": blob.uncompressed_size if blob.has_chunks else None,
            "readahead_offset": blob.prefetch_offset if blob.has_chunks else None,
            "readahead_size": blob.prefetch_size if blob.has_chunks else None,
        }
        for blob in answer.blobs
    ]


def prefetch(answer: PrefetchList) -> list[dict[str, Any]]:
    """Write what the peer's `prefetch` does; an inode that does not exist has no path."""
    return [
        {"inode": entry.ino, **_named_all("path", [b"/" + path for path in entry.paths])} for entry in answer.entries
    ]


def listing(answer: Listing) -> list[dict[str, Any]]:
    """Write entries with their names, or their paths."""
    key, above = ("path", b"/") if answer.has_paths else ("name", b"")
    return [
        {"inode": entry.ino, "sign": sign_of(entry.kind), "kind": entry.kind, **named(key, above + entry.name)}
        for entry in answer.entries
    ]


def entry(answer: EntryFacts) -> dict[str, Any]:
    """Write everything about one entry."""
    return _attributes(answer.attributes) | _content(answer.content)


def inode(answer: InodeFacts) -> dict[str, Any]:
    """Write everything about one inode: its names with their attributes, and once what they share."""
    return {
        "inode": answer.ino,
        "names": [_attributes(name) for name in answer.names],
        **_content(answer.content),
    }


def chunk_uses(answer: ChunkUses) -> dict[str, Any]:
    """Write which files use chunks at a place."""
    return {
        "compressed_offset": answer.compressed_offset,
        "blob_id": answer.blob_id or None,
        "files": [_chunk_use(use) for use in answer.files],
    }


def _chunk_use(use: ChunkUse) -> dict[str, Any]:
    names = []
    for path in use.paths:
        above, _, name = path.rpartition(b"/")
        parent_path = b"/" + above + b"/" if above else b"/"
        names.append({**named("path", b"/" + path), **named("file", name), **named("parent_path", parent_path)})
    return {"inode": use.ino, "names": names, "chunks": [_chunk(chunk) for chunk in use.chunks]}


def _attributes(entry: EntryAttributes) -> dict[str, Any]:
    return {
        **named("path", b"/" + entry.path),
        **named("name", entry.name),
        "inode": entry.ino,
        "kind": entry.kind,
        "size": entry.size,
        "parent": entry.parent_ino,
        "mode": entry.mode,
        "permissions": f"{entry.mode:o}",
        "nlink": entry.nlink,
        "uid": entry.uid,
        "gid": entry.gid,
        "mtime": entry.mtime,
        "mtime_nsec": entry.mtime_nsec,
        "blocks": entry.blocks,
    }


def _content(content: InodeContent) -> dict[str, Any]:
    device = content.device
    return {
        "name_count": content.name_count,
        **({"target": None} if content.target is None else named("target", content.target)),
        "device": None if device is None else {"major": device[0], "minor": device[1]},
        "xattrs": [{**named("name", xattr.name), **named("value", xattr.value)} for xattr in content.xattrs],
        "digest": content.digest.hex() or None,
        "chunks": None if content.chunks is None else [_chunk(chunk) for chunk in content.chunks],
    }


def _chunk(chunk: ChunkFacts) -> dict[str, Any]:
    return {
        "file_offset": chunk.file_offset,
        "chunk_index": chunk.number,
        "compressed_size": chunk.compressed_size,
        "decompressed_size": chunk.decompressed_size,
        "compressed_offset": chunk.compressed_offset,
        "decompressed_offset": chunk.decompressed_offset,
        "blob_index": chunk.blob_index,
        "blob_id": chunk.blob_id,
        "chunk_id": chunk.digest.hex() or None,
    }


def _named_all(key: str, values: Sequence[bytes]) -> dict[str, list[str]]:
    """Return what JSON says about several bytes: texts, and all of them in base64 where one is not UTF-8."""
    texts = [value.decode("utf-8", "replace") for value in values]
    if all(text.encode() == value for text, value in zip(texts, values, strict=True)):
        return {key: texts}
    return {key: texts, f"{key}_b64": [base64.b64encode(value).decode() for value in values]}
