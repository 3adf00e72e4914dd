"""Change a few members of manifests and indexes, and keep all others as they came, also those that nobody here knows.

This module alone decides what of an image's documents still holds when its tree was changed: layers, platform, subject
and origin do; a signature of the bootstrap, and old lists of its blobs, do not.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.documents import BOOTSTRAP_STEP, BootstrapLayer, descriptor_members, write_json
from rafsight.formats.oci.manifest import Descriptor, decode

_STALE: Final = (keys.NYDUS_SIGNATURE, keys.NYDUS_BLOB_IDS, keys.NYDUS_REFERENCE_BLOB_IDS)
"""Annotations of a bootstrap layer that do not hold for another one."""
_EMBEDDED: Final = ("data", "urls")
"""Members of a descriptor that give the old object itself, or say where it is."""
_GZIP_LAYERS: Final = (media_types.OCI_LAYER, media_types.DOCKER_LAYER)


def amend_manifest(
    content: bytes, *, config: tuple[str, int], blobs: Sequence[Descriptor], bootstrap: BootstrapLayer
) -> bytes:
    """Write a Nydus manifest again, with another config and bootstrap, and more blobs.

    Args:
        content: the manifest, whose last layer is the bootstrap's.
        config: digest and size [bytes].
        blobs: layers to be put before the bootstrap's.
        bootstrap: its layer.
    Raises: MalformedDocument.
    """
    members = _members(content, "manifest")
    layers = _list(members["layers"], "manifest")
    last = _redirected(layers[-1], bootstrap.digest, bootstrap.size)
    last["annotations"] = {
        name: bootstrap.diff_id if name == keys.UNCOMPRESSED else value
        for name, value in _members(bytes(last.get("annotations", b"{}")), "manifest").items()
        if name not in _STALE
    }
    if _text(last.get("mediaType", b'""'), "manifest") not in _GZIP_LAYERS:
        last["mediaType"] = media_types.OCI_LAYER
    members["layers"] = [*layers[:-1], *map(descriptor_members, blobs), last]
    members["config"] = _redirected(members["config"], *config)
    return write_json(members)


def amend_index(content: bytes, moved: Mapping[str, tuple[str, int]]) -> bytes:
    """Write an index again, with other documents in the place of some.

    Args:
        content: the index.
        moved: by the digest of a document, digest and size [bytes] of the one that takes its place.
    Raises: MalformedDocument.
    """
    members = _members(content, "index")
    manifests = []
    for raw in _list(members["manifests"], "index"):
        digest = _text(_members(bytes(raw), "index")["digest"], "index")
        manifests.append(_redirected(raw, *moved[digest]) if digest in moved else raw)
    members["manifests"] = manifests
    return write_json(members)


def amend_history(steps: Sequence[Mapping[str, Any]], step: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Put a step of a config's history before that of the bootstrap, which stays the last if there is one."""
    stays_last = bool(steps) and write_json(steps[-1].get("comment")) == write_json(BOOTSTRAP_STEP["comment"])
    return [*steps[:-1], step, steps[-1]] if stays_last else [*steps, step]


def _members(content: bytes, document: str) -> dict[str, Any]:
    """Take an object apart; its members stay as they are written."""
    import msgspec

    return decode(content, dict[str, msgspec.Raw], document)


def _list(raw: Any, document: str) -> list[Any]:
    import msgspec

    return decode(bytes(raw), list[msgspec.Raw], document)


def _text(raw: Any, document: str) -> str:
    return decode(bytes(raw), str, document)


def _redirected(raw: Any, digest: str, size: int) -> dict[str, Any]:
    """Let a descriptor name another object."""
    members = {name: value for name, value in _members(bytes(raw), "descriptor").items() if name not in _EMBEDDED}
    return members | {"digest": digest, "size": size}
