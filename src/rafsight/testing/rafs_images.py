"""Whole RAFS images in OCI layouts, made from names and contents: for benchmarks, and for tests that mount.

This module alone decides what a made image looks like to a registry: one blob, the bootstrap's layer, config, manifest,
index. The same arguments give the same bytes.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from rafsight.formats.checksum import digest
from rafsight.formats.compression import Encoder
from rafsight.formats.oci import annotations as keys
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.blob_writer import BlobWriter
from rafsight.formats.rafs.codec import codec_of, write_bootstrap
from rafsight.formats.tables import Compressor, Digester, TreeTables
from rafsight.testing.trees import Link, SmallImage, build_image

_FLAGS: Final = {
    Compressor.NONE: shared.COMPRESSION_NONE,
    Compressor.LZ4_BLOCK: shared.COMPRESSION_LZ4,
    Compressor.ZSTD: shared.COMPRESSION_ZSTD,
}
_BLOB_TYPE: Final = "application/vnd.oci.image.layer.nydus.blob.v1"
_LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
_MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"


def write_image(
    folder: Path,
    files: Mapping[bytes, bytes | Link | None],
    *,
    version: int,
    compressor: Compressor,
    chunk_size: int = 1 << 20,
    tag: str = "latest",
) -> None:
    """Write a RAFS image as an OCI layout.

    Args:
        folder: of the layout, made here.
        files: as `trees.build_image` takes them.
        version: of RAFS, 5 or 6.
        compressor: of chunks.
        chunk_size: [bytes].
        tag: what the image is called.
    """
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    image = build_image(files, chunk_size=chunk_size)
    with (folder / "blob").open("wb") as file:
        tables = pack(image, file.write, version=version, compressor=compressor)
    blob = tables.blobs[0].blob_id
    (folder / "blob").rename(blobs / blob)
    layer, diff_id = _bootstrap_layer(write_bootstrap(tables))
    layers = [
        {**_put(blobs, layer), "mediaType": _LAYER_TYPE, "annotations": _bootstrap_annotations(version)},
    ]
    size = (blobs / blob).stat().st_size
    if tables.blobs[0].chunk_count:
        data = {"mediaType": _BLOB_TYPE, "digest": f"sha256:{blob}", "size": size}
        layers.insert(0, {**data, "annotations": {keys.NYDUS_BLOB: "true"}})
    diff_ids = [one["digest"] for one in layers[:-1]] + [diff_id]
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "config": {**_put(blobs, _json(config)), "mediaType": _CONFIG_TYPE},
        "layers": layers,
    }
    entry = {**_put(blobs, _json(manifest)), "mediaType": _MANIFEST_TYPE}
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))


def pack(image: SmallImage, sink: Callable[[bytes], object], *, version: int, compressor: Compressor) -> TreeTables:
    """Store the chunks of a small image as RAFS stores them.

    Args:
        image: whose chunks lie plain in one blob.
        sink: takes the bytes of the blob.
        version: of RAFS.
        compressor: of chunks.
    Returns: tables that a bootstrap can be written from.
    """
    old, plain = image.tables, memoryview(image.blob)
    aligned = codec_of(version).ALIGNS_CHUNKS
    writer = BlobWriter(sink, Encoder(compressor), digester=Digester.BLAKE3, aligned=aligned)
    for offset, size in zip(old.chunks.compressed_offset.tolist(), old.chunks.size.tolist(), strict=True):
        piece = bytes(plain[offset : offset + size])
        writer.add(piece, digest(Digester.BLAKE3, piece))
    written = writer.finish(chunk_size=old.superblock.chunk_size)
    flags = _FLAGS[compressor] | shared.HASH_BLAKE3 | shared.EXPLICIT_UID_GID
    return replace(
        old,
        superblock=replace(old.superblock, version=version, flags=flags),
        chunks=written.chunks,
        blobs=(written.entry,) if written.entry.chunk_count else (),
        entries=replace(old.entries, nlink=_link_counts(old)),
    )


def _link_counts(tables: TreeTables) -> np.ndarray:
    """Count what a directory's link count counts: itself, its name, and the directories in it."""
    entries = tables.entries
    is_directory = (entries.mode & 0o170000) == 0o040000
    inside = np.bincount(entries.parent[1:][is_directory[1:]], minlength=len(entries.parent))
    return np.where(is_directory, 2 + inside, 1).astype(np.uint32)


def _bootstrap_annotations(version: int) -> dict[str, str]:
    return {keys.NYDUS_BOOTSTRAP: "true", keys.NYDUS_FS_VERSION: str(version)}


def _bootstrap_layer(bootstrap: bytes) -> tuple[bytes, str]:
    """Return the compressed layer, and the digest of it before compression."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        folder = tarfile.TarInfo("image")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        member = tarfile.TarInfo("image/image.boot")
        member.size, member.mode = len(bootstrap), 0o444
        archive.addfile(member, io.BytesIO(bootstrap))
    content = plain.getvalue()
    return gzip.compress(content, 6, mtime=0), "sha256:" + hashlib.sha256(content).hexdigest()


def _put(blobs: Path, content: bytes) -> dict[str, object]:
    name = hashlib.sha256(content).hexdigest()
    (blobs / name).write_bytes(content)
    return {"digest": f"sha256:{name}", "size": len(content)}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
