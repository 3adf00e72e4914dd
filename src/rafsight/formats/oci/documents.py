"""Write the documents of an image: manifests, configs, indexes, and the layer that holds a bootstrap.

This module alone decides how they are written: JSON without blanks, members in the order of the image-spec's examples,
archives without clocks. The same values give the same bytes.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rafsight.base.digest import digest_of
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.annotations import Annotations
from rafsight.formats.oci.manifest import Descriptor, decode
from rafsight.formats.oci.platform import Platform
from rafsight.formats.tar import MemberKind
from rafsight.formats.tar_write import TRAILER, Header, padding, write_header

BOOTSTRAP_STEP: Final = {"created_by": "Nydus Converter", "comment": "Nydus Bootstrap Layer"}
"""The step of a config's history that stands for the bootstrap layer, as all tools write it."""
_FOLDER: Final = b"image"
_LEVEL: Final = 6
"""Of gzip, for bootstraps."""
_GZIP_FORM: Final = 16 + zlib.MAX_WBITS

Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapLayer:
    """A bootstrap layer, ready to be pushed."""

    content: bytes
    digest: str
    diff_id: str
    """Of the uncompressed archive."""

    @property
    def size(self) -> int:
        """[bytes] of it."""
        return len(self.content)


def write_bootstrap_layer(
    bootstrap: Buffer, metas: Mapping[str, Buffer], extras: Mapping[str, Buffer] | None = None
) -> BootstrapLayer:
    """Write the layer that holds a bootstrap (section 1.3 of the reference on Nydus images).

    Args:
        bootstrap: the file.
        metas: expanded chunk-info arrays by the hex digest of the layer blob that has them, in the order of the layers.
        extras: other files of the layer, by name.
    """
    parts = [write_header(Header(name=_FOLDER, kind=MemberKind.DIRECTORY, mode=0o755))]
    files = {"image.boot": bootstrap, **{f"{name}.blob.meta": meta for name, meta in metas.items()}, **(extras or {})}
    for name, content in files.items():
        header = Header(name=_FOLDER + b"/" + name.encode(), kind=MemberKind.FILE, mode=0o444, size=len(content))
        parts += [write_header(header), bytes(content), padding(len(content))]
    plain = b"".join([*parts, TRAILER])
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_FORM)  # no name, no time, whatever Python's gzip puts there
    packed = packer.compress(plain) + packer.flush()
    return BootstrapLayer(content=packed, digest=digest_of(packed), diff_id=digest_of(plain))


def write_json(value: object) -> bytes:
    """Write a document."""
    import msgspec

    return msgspec.json.encode(value)


def descriptor_members(descriptor: Descriptor) -> dict[str, Any]:
    """Return a descriptor as the members of its JSON object; empty ones are left out."""
    members: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
    if descriptor.urls:
        members["urls"] = list(descriptor.urls)
    if descriptor.annotations.pairs:
        members["annotations"] = dict(descriptor.annotations.pairs)
    if descriptor.platform is not None:
        members["platform"] = _platform_members(descriptor.platform)
    if descriptor.artifact_type:
        members["artifactType"] = descriptor.artifact_type
    return members


def write_manifest(
    *,
    media_type: str,
    config: Descriptor,
    layers: Sequence[Descriptor],
    annotations: Annotations,
    subject: Descriptor | None = None,
    artifact_type: str = "",
) -> bytes:
    """Write a manifest."""
    members: dict[str, Any] = {"schemaVersion": 2, "mediaType": media_type}
    if artifact_type:
        members["artifactType"] = artifact_type
    members["config"] = descriptor_members(config)
    members["layers"] = [descriptor_members(layer) for layer in layers]
    if subject is not None:
        members["subject"] = descriptor_members(subject)
    if annotations.pairs:
        members["annotations"] = dict(annotations.pairs)
    return write_json(members)


def write_index(manifests: Sequence[Descriptor], annotations: Annotations, *, media_type: str) -> bytes:
    """Write an index."""
    members: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [descriptor_members(one) for one in manifests],
    }
    if annotations.pairs:
        members["annotations"] = dict(annotations.pairs)
    return write_json(members)


def rewrite_config(raw: bytes, *, diff_ids: Sequence[str], history: Sequence[Mapping[str, Any]]) -> bytes:
    """Write a config again, with other layers; every other member stays as it came.

    Args:
        raw: the config; empty: there is none.
        diff_ids: of all layers.
        history: all steps (see `history_steps`).
    Raises: MalformedDocument.
    """
    import msgspec

    members: dict[str, Any] = decode(raw, dict[str, msgspec.Raw], "config") if raw else {}
    members["rootfs"] = {"type": "layers", "diff_ids": list(diff_ids)}
    members["history"] = list(history)
    return write_json(members)


def history_steps(raw: bytes) -> list[dict[str, Any]]:
    """Return the steps of a config's history, their values as they came.

    Raises: MalformedDocument.
    """
    import msgspec

    shape: Any = list[dict[str, msgspec.Raw]] | None
    if not raw:
        return []
    members = decode(raw, dict[str, msgspec.Raw], "config")
    return decode(bytes(members["history"]), shape, "config") or [] if "history" in members else []


def blob_layer(digest: str, size: int, *, reference: str = "") -> Descriptor:
    """Describe a layer that is a Nydus blob.

    Args:
        digest: of it.
        size: [bytes].
        reference: digest of the original layer that its chunks lie in; empty: they lie in the blob.
    """
    pairs = [(keys.NYDUS_BLOB, "true"), *([(keys.NYDUS_REF, reference)] if reference else [])]
    return Descriptor(
        media_type=media_types.NYDUS_BLOB, digest=digest, size=size, annotations=Annotations(tuple(pairs))
    )


def bootstrap_layer(layer: BootstrapLayer, *, media_type: str, fs_version: int) -> Descriptor:
    """Describe a bootstrap layer."""
    pairs = ((keys.NYDUS_BOOTSTRAP, "true"), (keys.NYDUS_FS_VERSION, str(fs_version)))
    return Descriptor(media_type=media_type, digest=layer.digest, size=layer.size, annotations=Annotations(pairs))


def _platform_members(platform: Platform) -> dict[str, Any]:
    members: dict[str, Any] = {"architecture": platform.architecture, "os": platform.os}
    if platform.os_version:
        members["os.version"] = platform.os_version
    if platform.os_features:
        members["os.features"] = list(platform.os_features)
    if platform.variant:
        members["variant"] = platform.variant
    return members
