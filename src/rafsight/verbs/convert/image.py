"""One plain image becomes one Nydus image: layers, the merged bootstrap, config, manifest.

This module alone decides what the documents of a converted image say (sections 1.1 to 1.3 of the reference on Nydus
images), so that the daemon, the snapshotter and the converter of the Nydus project take it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rafsight.access.layer_packing import PackTerms, finish_tables
from rafsight.access.target import Target
from rafsight.access.transfer import push_bytes
from rafsight.base.digest import digest_of
from rafsight.base.events import Listener, Noticed
from rafsight.base.limits import Limits
from rafsight.base.text import escape
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.annotations import Annotations
from rafsight.formats.oci.documents import (
    BOOTSTRAP_STEP,
    BootstrapLayer,
    blob_layer,
    bootstrap_layer,
    history_steps,
    rewrite_config,
    write_bootstrap_layer,
    write_manifest,
)
from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.rafs.codec import write_bootstrap
from rafsight.formats.tables import TreeTables
from rafsight.image.compose import Dictionary, compose
from rafsight.image.overlay import LayerMerger
from rafsight.image.tree import ImageTree, NoSuchPath, TooManyLinks
from rafsight.verbs.convert.dictionary import ChunkDictionary
from rafsight.verbs.convert.layers import DoneLayer


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceImage:
    """What is converted."""

    descriptor: Descriptor
    """Of its manifest; no digest: it has none, as a folder."""
    reference: str
    """As the user typed it; empty for a place on this machine, whose path is nobody's business."""
    config: bytes
    is_docker: bool
    """Docker media types are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the documents are written."""

    terms: PackTerms
    prefetch: tuple[bytes, ...]
    subject: Descriptor | None
    is_merged: bool
    """The image stands beside its source in one index."""
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """A converted image, all of whose objects are in the target but for its tag."""

    manifest: bytes
    descriptor: Descriptor
    """Of the manifest."""
    bootstrap: BootstrapLayer
    layers: tuple[Descriptor, ...]
    """All of the manifest, the bootstrap's last."""
    config_digest: str
    config_size: int
    """[bytes]"""
    entry_count: int
    chunk_count: int
    """Chunks that files refer to."""
    unread: tuple[str, ...]
    """Members of layers that could not become entries, and why."""
    unread_count: int


def build_tree(
    layers: Sequence[DoneLayer], dictionary: Dictionary, plan: Plan
) -> tuple[TreeTables, tuple[str, ...], int]:
    """Merge packed layers into one tree, ready to be written.

    Returns: the tables; the members that could not become entries, and how many they are.
    Raises: MalformedImage.
    Cost: one pass over the members of all layers.
    """
    merger = LayerMerger(plan.limits)
    for done in layers:
        merger.add_layer(done.files.layer.members, done.source)
    merged = merger.finish()
    tables = compose(merged, [done.files.layer for done in layers], dictionary, chunk_size=plan.terms.chunk_size)
    tables = finish_tables(tables, plan.terms)
    unread = tuple(f"{escape(one.path)}: {one.why}" for one in merged.unread)
    return tables, unread, merged.unread_count


def set_prefetch(tables: TreeTables, paths: Sequence[bytes], listener: Listener) -> TreeTables:
    """Enter files and folders into the prefetch table, each once; links are followed, as a container would.

    What there is not, or has no content, is said and left out.
    """
    tree = ImageTree(tables)
    inos: dict[int, None] = {}
    for path in paths:
        try:
            row = tree.lookup(path)
        except (NoSuchPath, TooManyLinks):
            listener(Noticed(message=f"nothing to prefetch at {escape(path)}: the image has no such path"))
            continue
        if not tree.is_directory(row) and not (tree.is_file(row) and int(tables.entries.size[row])):
            listener(Noticed(message=f"nothing to prefetch at {escape(path)}: there is no content in it"))
            continue
        inos[int(tables.entries.ino[row])] = None
    return replace(tables, prefetch=np.array(list(inos), np.uint64))


def build_image(
    source: SourceImage,
    layers: Sequence[DoneLayer],
    dictionary: ChunkDictionary,
    plan: Plan,
    *,
    target: Target,
    listener: Listener,
) -> BuiltImage:
    """Write bootstrap, config and manifest, and push all but the manifest.

    Args:
        source: what is converted.
        layers: its layers, packed and pushed.
        dictionary: what their chunks may refer to.
        plan: how.
        target: where to.
        listener: told what was left out.
    Raises: RegistryFault, MalformedImage, MalformedDocument.
    """
    tables, unread, unread_count = build_tree(layers, dictionary.chunks, plan)
    tables = set_prefetch(tables, plan.prefetch, listener)
    blobs = [*_blob_layers(layers), *dictionary.push(tables.blobs, target)]
    metas = {
        done.files.summary.blob_digest.partition(":")[2]: done.files.summary.meta
        for done in layers
        if done.files.summary.meta
    }
    packed = write_bootstrap_layer(write_bootstrap(tables), metas)
    media_type = media_types.DOCKER_LAYER if source.is_docker else media_types.OCI_LAYER
    last = bootstrap_layer(packed, media_type=media_type, fs_version=plan.terms.version)
    config = rewrite_config(
        source.config,
        diff_ids=[*(layer.digest for layer in blobs), packed.diff_id],
        history=_history(source.config, layers),
    )
    push_bytes(target, packed.content)
    push_bytes(target, config)
    manifest = _manifest(source, config, [*blobs, last], plan)
    return BuiltImage(
        manifest=manifest,
        descriptor=Descriptor(media_type=_manifest_type(source), digest=digest_of(manifest), size=len(manifest)),
        bootstrap=packed,
        layers=(*blobs, last),
        config_digest=digest_of(config),
        config_size=len(config),
        entry_count=len(tables.entries.mode),
        chunk_count=len(tables.chunks.size),
        unread=unread,
        unread_count=unread_count,
    )


def _history(config: bytes, layers: Sequence[DoneLayer]) -> list[dict[str, Any]]:
    """Return the steps of the source and that of the bootstrap; one whose layer has no blob made no layer here."""
    steps = history_steps(config)
    makers = [step for step in steps if bytes(step.get("empty_layer", b"false")) != b"true"]
    if len(makers) == len(layers):
        for step, done in zip(makers, layers, strict=True):
            if not done.files.summary.blob_digest:
                step["empty_layer"] = True
    return [*steps, BOOTSTRAP_STEP]


def _blob_layers(layers: Sequence[DoneLayer]) -> list[Descriptor]:
    return [
        blob_layer(done.files.summary.blob_digest, done.files.summary.blob_size, reference=done.files.summary.reference)
        for done in layers
        if done.files.summary.blob_digest
    ]


def _manifest(source: SourceImage, config: bytes, layers: Sequence[Descriptor], plan: Plan) -> bytes:
    return write_manifest(
        media_type=_manifest_type(source),
        config=Descriptor(
            media_type=_config_type(source, is_merged=plan.is_merged), digest=digest_of(config), size=len(config)
        ),
        layers=layers,
        subject=plan.subject,
        annotations=_annotations(source, plan.terms.version),
    )


def _manifest_type(source: SourceImage) -> str:
    return media_types.DOCKER_MANIFEST if source.is_docker else media_types.OCI_MANIFEST


def _config_type(source: SourceImage, *, is_merged: bool) -> str:
    if is_merged:  # so that runtimes without Nydus do not take the image for theirs
        return media_types.NYDUS_CONFIG
    return media_types.DOCKER_CONFIG if source.is_docker else media_types.OCI_CONFIG


def _annotations(source: SourceImage, version: int) -> Annotations:
    pairs: list[tuple[str, Any]] = [(keys.NYDUS_FS_VERSION, str(version))]
    if source.descriptor.digest:
        pairs.append((keys.NYDUS_SOURCE_DIGEST, source.descriptor.digest))
    if source.reference:
        pairs.append((keys.NYDUS_SOURCE_REFERENCE, source.reference))
    return Annotations(tuple(pairs))
