"""Manifests and indexes: bounded JSON to values.

This module alone decides which documents are accepted. Members it does not know are ignored; those it knows must have
the right type, digests must be digests, sizes must be possible. A document that could be read both as a manifest and
as an index is refused, since two readers of it would see two images under one digest.
"""

from dataclasses import dataclass
from typing import Any, Final, TypeVar

from rafsight.base.digest import digest_of, is_digest
from rafsight.base.limits import Limits
from rafsight.formats.oci import media_types
from rafsight.formats.oci.annotations import NO_ANNOTATIONS, Annotations
from rafsight.formats.oci.errors import MalformedDocument, NotAnImage, UnsupportedFormat
from rafsight.formats.oci.platform import Platform

MAX_OBJECT_SIZE: Final = 1 << 50
"""[bytes] No object of a registry is larger; a descriptor that says so lies."""
_MAX_DESCRIPTORS: Final = 16_384

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What a document says about another object."""

    media_type: str
    digest: str
    size: int
    """[bytes]"""
    annotations: Annotations = NO_ANNOTATIONS
    platform: Platform | None = None
    artifact_type: str = ""
    urls: tuple[str, ...] = ()
    """Where a foreign layer may be had. Never followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One image's (or artifact's) manifest."""

    media_type: str
    digest: str
    """Of the document itself."""
    config: Descriptor
    layers: tuple[Descriptor, ...]
    """The lowest first; the same layer may occur twice."""
    annotations: Annotations = NO_ANNOTATIONS
    subject: Descriptor | None = None
    artifact_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A list of manifests, mostly one a platform."""

    media_type: str
    digest: str
    manifests: tuple[Descriptor, ...]
    annotations: Annotations = NO_ANNOTATIONS
    subject: Descriptor | None = None
    artifact_type: str = ""


def parse_document(
    content: bytes, *, media_type: str = "", digest: str = "", name: str = "", limits: Limits | None = None
) -> Manifest | Index:
    """Parse a manifest or an index.

    Args:
        content: the document's bytes, already verified against its digest.
        media_type: what the registry or the descriptor calls it; empty if nobody said.
        digest: its digest; computed if it is not given.
        name: what people call it (`index.json`, `manifest of tag v1`), for messages; empty if the digest has to do.
        limits: what to accept.
    Raises: MalformedDocument, UnsupportedFormat (Docker schema 1), NotAnImage (the withdrawn OCI artifact manifest).
    """
    limits = limits or Limits()
    digest = digest or digest_of(content)
    document = f"{name} ({digest})" if name else digest
    if len(content) > limits.index_size:
        raise MalformedDocument(document=document, what=f"it is larger than {limits.index_size} bytes")
    from rafsight.formats.oci import wire

    raw = decode(content, wire.Document, document)
    kind = _media_type(raw, media_type.partition(";")[0].strip().lower(), document)
    if kind in media_types.INDEXES:
        return _index(raw, kind, digest, document)
    if len(content) > limits.manifest_size:
        raise MalformedDocument(document=document, what=f"it is larger than {limits.manifest_size} bytes")
    return _manifest(raw, kind, digest, document, limits)


def decode(content: bytes, shape: type[_T], document: str) -> _T:
    """Decode bounded JSON into a struct of `wire`.

    Raises: MalformedDocument.
    """
    import msgspec

    try:
        return msgspec.json.decode(content, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedDocument(document=document, what=str(error)) from None
    except RecursionError:  # msgspec counts its own depth and stops in time
        raise MalformedDocument(document=document, what="it is nested too deeply") from None


def _media_type(raw: Any, outside: str, document: str) -> str:
    """Decide what a document is: by its own word, else by that of its source, else by its shape."""
    inside = (raw.media_type or "").lower()
    if raw.schema_version == 1 or {inside, outside} & set(media_types.DOCKER_SCHEMA_1):
        raise UnsupportedFormat(document=document, what="Docker schema 1 manifests were withdrawn in 2019")
    is_index, is_manifest = raw.manifests is not None, raw.layers is not None or raw.config is not None
    if is_index and is_manifest:
        raise MalformedDocument(document=document, what="it is written as a manifest and as an index at once")
    if media_types.OCI_ARTIFACT_MANIFEST in (inside, outside):
        raise NotAnImage(document=document, what=_artifact_name(raw))
    known = [name for name in (inside, outside) if name in media_types.ACCEPTED]
    if len({name in media_types.INDEXES for name in known}) > 1:
        raise MalformedDocument(document=document, what=f"it calls itself {inside}, its source says {outside}")
    if known:
        if (known[0] in media_types.INDEXES) == is_manifest and (is_index or is_manifest):
            raise MalformedDocument(document=document, what=f"its members are not those of {known[0]}")
        return known[0]
    if not (is_index or is_manifest):
        raise MalformedDocument(document=document, what="it is neither a manifest nor an index")
    return media_types.OCI_INDEX if is_index else media_types.OCI_MANIFEST


def _artifact_name(raw: Any) -> str:
    name = media_types.describe_artifact((raw.artifact_type or "",))
    return name or f"an artifact of type {raw.artifact_type or 'unknown'}"


def _index(raw: Any, media_type: str, digest: str, document: str) -> Index:
    return Index(
        media_type=media_type,
        digest=digest,
        manifests=_descriptors(raw.manifests, "manifests", document, _MAX_DESCRIPTORS),
        annotations=_annotations(raw.annotations),
        subject=None if raw.subject is None else _descriptor(raw.subject, "subject", document),
        artifact_type=raw.artifact_type or "",
    )


def _manifest(raw: Any, media_type: str, digest: str, document: str, limits: Limits) -> Manifest:
    if raw.config is None:
        raise MalformedDocument(document=document, what="it has no config")
    return Manifest(
        media_type=media_type,
        digest=digest,
        config=_descriptor(raw.config, "config", document),
        layers=_descriptors(raw.layers, "layers", document, limits.layer_count),
        annotations=_annotations(raw.annotations),
        subject=None if raw.subject is None else _descriptor(raw.subject, "subject", document),
        artifact_type=raw.artifact_type or "",
    )


def _descriptors(raw: list[Any] | None, where: str, document: str, most: int) -> tuple[Descriptor, ...]:
    raw = raw or []
    if len(raw) > most:
        raise MalformedDocument(document=document, what=f"{len(raw)} {where}, more than {most}")
    return tuple(_descriptor(one, f"{where}[{row}]", document) for row, one in enumerate(raw))


def _descriptor(raw: Any, where: str, document: str) -> Descriptor:
    if not is_digest(raw.digest):
        raise MalformedDocument(document=document, what=f"{where}: '{raw.digest}' is not a digest")
    if not 0 <= raw.size <= MAX_OBJECT_SIZE:
        raise MalformedDocument(document=document, what=f"{where}: a size of {raw.size} bytes is impossible")
    return Descriptor(
        media_type=raw.media_type or "",
        digest=raw.digest,
        size=raw.size,
        annotations=_annotations(raw.annotations),
        platform=_platform(raw.platform),
        artifact_type=raw.artifact_type or "",
        urls=tuple(raw.urls or ()),
    )


def _platform(raw: Any) -> Platform | None:
    if raw is None:
        return None
    return Platform(
        os=raw.os or "",
        architecture=raw.architecture or "",
        variant=raw.variant or "",
        os_version=raw.os_version or "",
        os_features=tuple(raw.os_features or ()),
    )


def _annotations(raw: dict[str, str | None] | None) -> Annotations:
    return Annotations(tuple((key, value or "") for key, value in raw.items())) if raw else NO_ANNOTATIONS
