"""What a check looks at in manifests and configs: the rules of `rules`, told to a judge.

Pure: documents go in as they came, nothing is fetched. This module alone decides which forms of a manifest are sound,
old and odd ones that tools really wrote among them: no blobs at all (they lie outside the registry), blobs of a chunk
dictionary behind the image's own, an empty version annotation, mixed Docker and OCI media types, models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rafsight.base.digest import is_digest
from rafsight.base.limits import Limits
from rafsight.base.text import escape
from rafsight.formats.judge import Judge
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types, rules
from rafsight.formats.oci.annotations import Annotations
from rafsight.formats.oci.classify import ClassifiedManifest, NydusManifest, annotated_version
from rafsight.formats.oci.config import ImageConfig
from rafsight.formats.oci.manifest import Descriptor, Manifest, decode
from rafsight.formats.oci.platform import Platform, differs

EMPTY_DIFF_ID: Final = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
"""Of the layer that is put first in the OCI half of a merged index: an archive without members."""
_GZIP_LAYERS: Final = (media_types.OCI_LAYER, media_types.DOCKER_LAYER)
_TRUE: Final = "true"
_FOLDER: Final = b"image/"
_META: Final = b".blob.meta"
_MEMBERS: Final = (b"", b"image", b"image.boot", b"backend.json", b"prefetch.files")
"""What a bootstrap layer may hold beside chunk-info arrays, within its folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMember:
    """One member of a bootstrap layer's archive."""

    name: bytes
    """Path without leading and closing slashes; very long ones are cut."""
    is_file: bool


def check_document(content: bytes, said: str, manifest: Manifest, judge: Judge) -> None:
    """Look at what a manifest says about itself.

    Args:
        content: the document.
        said: the media type by which its source calls it; empty if it does not say.
        manifest: what was parsed from it.
        judge: told about every rule.
    """
    from rafsight.formats.oci import wire

    raw = decode(content, wire.Document, manifest.digest)
    judge.holds(raw.schema_version == 2, rules.SCHEMA_VERSION, "manifest", detail=f"{raw.schema_version}")
    inside, outside = (raw.media_type or "").lower(), said.partition(";")[0].strip().lower()
    known = not inside or inside in media_types.MANIFESTS
    if judge.holds(known, rules.MANIFEST_TYPE, "manifest", detail=inside) and inside and outside:
        judge.holds(inside == outside, rules.MANIFEST_TYPES, "manifest", detail=f"{inside}, not {outside}")


def check_layers(found: NydusManifest, judge: Judge, limits: Limits) -> None:
    """Look at the layers of a Nydus manifest, and at what its annotations say about them."""
    layers = found.manifest.layers
    for row, layer in enumerate(layers):
        where = f"layers[{row}]"
        is_nydus_blob = layer is not found.bootstrap_layer and not (found.is_model and layer in found.other_layers)
        if layer is found.bootstrap_layer:
            _check_bootstrap_layer(found, row, judge, limits)
        elif layer.annotations.get(keys.NYDUS_BOOTSTRAP):
            judge.holds(False, rules.BOOTSTRAP_TWICE, where, detail=layer.digest)
        elif is_nydus_blob:
            _check_blob_layer(layer, where, judge)
        judge.holds(layer.digest.startswith("sha256:"), rules.LAYER_ALGORITHM, where, detail=layer.digest)
    _check_conflicts(layers, judge)
    _check_references_to_blobs(found, judge)
    if found.is_model:
        subject = found.manifest.subject
        is_image = subject is not None and subject.media_type == media_types.OCI_MANIFEST
        judge.holds(is_image, rules.MODEL_SUBJECT, "subject")
    check_source(found.manifest.annotations, "annotations", judge)


def check_source(annotations: Annotations, where: str, judge: Judge) -> None:
    """Look at the digest of the manifest that was converted, where it is stated."""
    source = annotations.get(keys.NYDUS_SOURCE_DIGEST)
    if source is not None:
        judge.holds(is_digest(source), rules.SOURCE_DIGEST, where, detail=source)


def check_fs_version(found: NydusManifest, version: int, judge: Judge) -> None:
    """Compare the annotated version of the file system with that of the superblock; an empty one says nothing."""
    row = bootstrap_row(found)
    for where, annotations in (
        (f"layers[{row}]", found.bootstrap_layer.annotations),
        ("annotations", found.manifest.annotations),
    ):
        text = annotations.get(keys.NYDUS_FS_VERSION)
        if text:
            agrees = annotated_version(text) == version
            judge.holds(agrees, rules.FS_VERSION, where, detail=f"`{text}`, not {version}")


def check_config_descriptor(found: ClassifiedManifest, judge: Judge, *, is_marked: bool) -> None:
    """Look at the media type of the config.

    Args:
        found: the image.
        judge: told about every rule.
        is_marked: the index says by its artifact type that this is the Nydus half of a merged index.
    """
    kind = found.manifest.config.media_type
    is_nydus = isinstance(found, NydusManifest)
    more = (media_types.MODEL_CONFIG,) if is_nydus else ()
    allowed = {*media_types.IMAGE_CONFIGS, *more} - (set() if is_nydus else {media_types.NYDUS_CONFIG})
    if judge.holds(kind in allowed, rules.CONFIG_TYPE, "config", detail=kind) and is_marked:
        judge.holds(kind == media_types.NYDUS_CONFIG, rules.CONFIG_UNMARKED, "config", detail=kind)


def check_config(
    config: ImageConfig, found: ClassifiedManifest, judge: Judge, *, platform: Platform | None = None
) -> None:
    """Look at an image config; not asked for models, whose configs are of another kind.

    Args:
        config: the config.
        found: the image that it belongs to.
        judge: told about every rule.
        platform: as the index states it; None if it does not.
    """
    from rafsight.formats.oci import wire

    raw = decode(config.raw, wire.Config, "config")
    kind = raw.rootfs.type if raw.rootfs else None
    judge.holds(kind == "layers", rules.ROOTFS_TYPE, "config", detail=f"{kind or 'no type'}")
    layers = found.manifest.layers
    detail = f"{len(config.diff_ids)} diff ids, {len(layers)} layers"
    if judge.holds(len(config.diff_ids) == len(layers), rules.DIFF_ID_COUNT, "config", detail=detail):
        _check_diff_ids(config, found, judge)
    _check_history(config, found, judge)
    judge.holds(bool(config.os and config.architecture), rules.NO_PLATFORM, "config")
    if platform is not None and platform.architecture:
        mine = Platform(os=config.os, architecture=config.architecture, variant=config.variant)
        agrees = not differs(platform, config.os, config.architecture, config.variant)
        judge.holds(agrees, rules.PLATFORM, "config", detail=f"{mine}, not {platform}")


def check_empty_layer(
    found: ClassifiedManifest, config: ImageConfig | None, judge: Judge, *, source_digest: str = ""
) -> None:
    """Look at the layer that keeps the OCI half of a merged index apart from the image that it was made from.

    Args:
        found: the OCI half.
        config: of it.
        judge: told about the rules.
        source_digest: of the image that the other half was made from; if that is this one, it was left as it is.
    """
    layers = found.manifest.layers
    marked = [row for row, layer in enumerate(layers) if layer.annotations.get(keys.NYDUS_EMPTY_LAYER)]
    is_source = found.manifest.digest == source_digest
    judge.holds(bool(marked) or is_source, rules.NO_EMPTY_LAYER, "manifest")
    for row in marked:
        judge.holds(row == 0, rules.EMPTY_LAYER, f"layers[{row}]", detail="it is not the first")
        diff_id = config.diff_ids[row] if config and len(config.diff_ids) == len(layers) else EMPTY_DIFF_ID
        judge.holds(diff_id == EMPTY_DIFF_ID, rules.EMPTY_LAYER, f"layers[{row}]", detail=f"diff id {diff_id}")


def check_sources(sources: Sequence[tuple[str, str | None]], judge: Judge) -> None:
    """Compare the digests of the converted manifest that the parts of a merged index state.

    Args:
        sources: (where, digest); None where nothing is stated.
        judge: told about the rule.
    """
    stated = [(where, digest) for where, digest in sources if digest]
    for where, digest in stated[1:]:
        judge.holds(digest == stated[0][1], rules.SOURCES_DIFFER, where, detail=f"{digest}, not {stated[0][1]}")


def check_runtime(config: ImageConfig, other: ImageConfig, judge: Judge) -> None:
    """Compare how two images start: user, environment, command, labels and so on, as nydusify compares them.

    Raises: MalformedDocument: one of them is not written as configs are.
    """
    from rafsight.formats.oci import wire

    one, two = (decode(each.raw, wire.RuntimeConfig, "config").config or wire.Runtime() for each in (config, other))
    differing = []
    for member in wire.Runtime.__struct_fields__:
        mine, yours = (getattr(each, member) or None for each in (one, two))
        if member in ("exposed_ports", "volumes"):
            mine, yours = sorted(mine or ()), sorted(yours or ())
        if mine != yours:
            differing.append(member.replace("_", " "))
    judge.holds(not differing, rules.RUNTIME_DIFFERS, "config", detail=", ".join(differing))


def check_members(members: Sequence[LayerMember], found: NydusManifest, judge: Judge) -> None:
    """Look at the names in a bootstrap layer.

    Args:
        members: in the order of the archive.
        found: the image.
        judge: told about every rule.
    """
    where = f"layers[{bootstrap_row(found)}]"
    owners = {layer.digest.partition(":")[2].encode() for layer in found.manifest.layers}
    seen: set[bytes] = set()
    for member in members:
        name = member.name.removeprefix(_FOLDER)
        detail = escape(member.name)
        is_file = member.is_file or name in (b"", b"image")
        judge.holds(member.name not in seen, rules.MEMBER_TWICE, where, detail=detail)
        seen.add(member.name)
        if name.endswith(_META):
            judge.holds(name.removesuffix(_META) in owners, rules.META_OWNER, where, detail=detail)
        elif not judge.holds(name in _MEMBERS, rules.MEMBER_UNKNOWN, where, detail=detail):
            continue
        judge.holds(is_file, rules.MEMBER_KIND, where, detail=detail)


def check_compression(layer: Descriptor, head: bytes, row: int, judge: Judge) -> None:
    """Compare the first bytes of a layer with what its media type says; readers that believe it would fail."""
    found = "gzip" if head.startswith(b"\x1f\x8b") else "zstd" if head.startswith(b"\x28\xb5\x2f\xfd") else "plain"
    said = "gzip" if layer.media_type.endswith(("gzip", "gz")) else "zstd" if "zstd" in layer.media_type else "plain"
    detail = f"{found}, not {layer.media_type}"
    judge.holds(found == said, rules.LAYER_COMPRESSION, f"layers[{row}]", detail=detail)


def bootstrap_row(found: NydusManifest) -> int:
    """Return which of the layers is the bootstrap."""
    return next(row for row, layer in enumerate(found.manifest.layers) if layer is found.bootstrap_layer)


def _check_bootstrap_layer(found: NydusManifest, row: int, judge: Judge, limits: Limits) -> None:
    layer, where = found.bootstrap_layer, f"layers[{row}]"
    judge.holds(row == len(found.manifest.layers) - 1, rules.BOOTSTRAP_LAST, where, detail=layer.digest)
    mark = layer.annotations.get(keys.NYDUS_BOOTSTRAP)
    judge.holds(mark == _TRUE, rules.BOOTSTRAP_MARK, where, detail=f"`{mark}`" if mark is not None else "there is none")
    judge.holds(layer.media_type in _GZIP_LAYERS, rules.BOOTSTRAP_TYPE, where, detail=layer.media_type)
    sensible = 0 < layer.size <= limits.bootstrap_size
    judge.holds(sensible, rules.BOOTSTRAP_SIZE, where, detail=f"{layer.size} bytes")


def _check_blob_layer(layer: Descriptor, where: str, judge: Judge) -> None:
    judge.holds(layer.media_type == media_types.NYDUS_BLOB, rules.BLOB_TYPE, where, detail=layer.media_type)
    mark = layer.annotations.get(keys.NYDUS_BLOB)
    judge.holds(mark == _TRUE, rules.BLOB_MARK, where, detail=f"`{mark}`" if mark is not None else "there is none")
    original = layer.annotations.get(keys.NYDUS_REF)
    if original is not None:
        judge.holds(is_digest(original), rules.REFERENCE, where, detail=f"`{original}`")


def _check_conflicts(layers: Sequence[Descriptor], judge: Judge) -> None:
    """The same layer may occur twice (layers without content are alike), but not described in two ways."""
    first: dict[str, Descriptor] = {}
    for row, layer in enumerate(layers):
        other = first.setdefault(layer.digest, layer)
        alike = (other.size, other.media_type) == (layer.size, layer.media_type)
        judge.holds(alike, rules.LAYER_CONFLICT, f"layers[{row}]", detail=layer.digest)


def _check_references_to_blobs(found: NydusManifest, judge: Judge) -> None:
    annotations = found.bootstrap_layer.annotations
    digests = {layer.digest for layer in found.manifest.layers}
    row = bootstrap_row(found)
    prefetch = annotations.get(keys.NYDUS_PREFETCH_BLOB)
    if prefetch is not None:
        is_there = f"sha256:{found.prefetch_blob}" in digests
        judge.holds(is_there, rules.PREFETCH_BLOB, f"layers[{row}]", detail=prefetch)
    committed = annotations.get(keys.NYDUS_COMMIT_BLOBS)
    for blob in committed.split(",") if committed else ():
        judge.holds(blob.strip() in digests, rules.COMMIT_BLOBS, f"layers[{row}]", detail=blob.strip())


def _check_diff_ids(config: ImageConfig, found: ClassifiedManifest, judge: Judge) -> None:
    """A Nydus blob counts as uncompressed."""
    for row, (layer, diff_id) in enumerate(zip(found.manifest.layers, config.diff_ids, strict=True)):
        where = f"rootfs.diff_ids[{row}]"
        if isinstance(found, NydusManifest) and layer in found.blob_layers:
            judge.holds(diff_id == layer.digest, rules.BLOB_DIFF_ID, where, detail=f"{diff_id}, not {layer.digest}")
        stated = layer.annotations.get(keys.UNCOMPRESSED)
        if stated is not None:
            judge.holds(stated == diff_id, rules.UNCOMPRESSED, f"layers[{row}]", detail=stated)


def _check_history(config: ImageConfig, found: ClassifiedManifest, judge: Judge) -> None:
    """Blobs that `convert` takes from a dictionary, `commit` and `optimize` have no history; dictionaries too much."""
    steps, layers = sum(not step.empty_layer for step in config.history), len(found.manifest.layers)
    detail = f"{steps} steps, {layers} layers"
    if isinstance(found, NydusManifest):
        judge.holds(steps <= layers or found.looks_like_dictionary, rules.HISTORY_COUNT, "config", detail=detail)
    else:
        judge.holds(steps in (0, layers), rules.HISTORY_COUNT, "config", detail=detail)
