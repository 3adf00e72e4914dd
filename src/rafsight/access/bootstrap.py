"""From a Nydus manifest to its bootstrap: one layer, verified twice, kept by digest.

The layer's stored bytes have the digest that the manifest states; its uncompressed tar has the digest that the config
states (the diff id). This module alone knows what a bootstrap layer holds.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rafsight.access.backend import Backend, DigestMismatch
from rafsight.access.cache import Cache
from rafsight.access.objects import bounded, hashed, verify
from rafsight.base.digest import hasher_for
from rafsight.base.errors import ImageFault
from rafsight.base.limits import Limits
from rafsight.base.units import MiB
from rafsight.formats.compressed_stream import decompressed
from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.tables import MalformedImage
from rafsight.formats.tar import Member, read_members

BOOTSTRAP: Final = "image.boot"
META_SUFFIX: Final = ".blob.meta"
_NAMES: Final = (b"image/image.boot", b"image.boot")
_META_NAMES: Final = b".blob.meta"


class NoBootstrap(ImageFault):
    """A bootstrap layer holds no bootstrap."""

    code = "no-bootstrap"
    template = "layer {digest} is marked as the Nydus bootstrap, but holds no image/image.boot"
    remedy = "The image was not made by a sound converter: convert it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapParts:
    """What a bootstrap layer held."""

    bootstrap: bytes | memoryview
    metas: Mapping[str, bytes | memoryview]
    """Expanded chunk-info arrays, by the hex digest of the blob that they belong to."""
    unpacked_digest: str = ""
    """Of the uncompressed layer, to be compared with the config's; empty if it was, before the layer was kept."""


def load_bootstrap(backend: Backend, layer: Descriptor, cache: Cache, limits: Limits) -> BootstrapParts:
    """Take the bootstrap layer out of the cache, or fetch it; `confirm_bootstrap` has to follow.

    Args:
        backend: where the image lies.
        layer: the bootstrap layer; its stored bytes are verified here.
        cache: where to look first.
        limits: what to accept.
    Raises: NoBootstrap, DigestMismatch, MalformedImage, RegistryFault.
    Cost: one request, or none.
    """
    parts = cache.bootstrap(layer.digest)
    if parts is not None and BOOTSTRAP in parts:
        return _sorted_out(parts, "")
    return _fetch(backend, layer, limits)


def confirm_bootstrap(
    backend: Backend, layer: Descriptor, parts: BootstrapParts, diff_ids: tuple[str, ...], cache: Cache
) -> None:
    """Compare the uncompressed bootstrap layer with the config, and keep it.

    Apart from `load_bootstrap`, so that the tables can be read while the config is still under way.

    Args:
        backend: where the image lies.
        layer: the bootstrap layer.
        parts: what it held.
        diff_ids: digests of the uncompressed layers, the bootstrap's last; empty if nobody knows.
        cache: where to keep what was fetched.
    Raises: DigestMismatch.
    """
    actual = parts.unpacked_digest
    if not actual:
        return
    expected = diff_ids[-1:]
    if expected and expected[0].startswith("sha256:") and expected[0] != actual:
        what = "the uncompressed bootstrap layer"
        raise DigestMismatch(what=what, place=backend.place, expected=expected[0], actual=actual)
    metas = {name + META_SUFFIX: content for name, content in parts.metas.items()}
    cache.keep_bootstrap(layer.digest, {BOOTSTRAP: parts.bootstrap, **metas})


def _sorted_out(parts: Mapping[str, bytes | memoryview], unpacked_digest: str) -> BootstrapParts:
    metas = {name.removesuffix(META_SUFFIX): part for name, part in parts.items() if name.endswith(META_SUFFIX)}
    return BootstrapParts(bootstrap=parts[BOOTSTRAP], metas=metas, unpacked_digest=unpacked_digest)


def _fetch(backend: Backend, layer: Descriptor, limits: Limits) -> BootstrapParts:
    stored, unpacked = hasher_for(layer.digest), hashlib.sha256()
    parts: dict[str, bytes | memoryview] = {}
    where = f"bootstrap layer {layer.digest}"
    room = limits.bootstrap_size + limits.blob_meta_size
    with backend.open_blob(layer.digest) as pieces:
        raw = hashed(bounded(pieces, layer.size, where, backend.place), stored)
        plain = hashed(decompressed(raw, where=where, max_size=room + 16 * MiB), unpacked)
        for member in read_members(plain, limits, where=where):
            name = _part_name(member.name)
            if name and member.kind == "file" and name not in parts:
                parts[name] = _content(member, room, where)
        for _ in plain:
            pass
        for _ in raw:
            pass
    backend.meter.count(needed=layer.size)
    verify(where, backend.place, layer.digest, stored)
    if BOOTSTRAP not in parts:
        raise NoBootstrap(digest=layer.digest)
    return _sorted_out(parts, "sha256:" + unpacked.hexdigest())


def _content(member: Member, room: int, where: str) -> memoryview:
    """Read a member into memory that is taken once: bootstraps are large."""
    if member.size != member.content.size or member.size > room:
        what = f"has a member of {member.size} bytes, {member.content.size} of them stored"
        raise MalformedImage(where=where, what=what, offset=member.content_offset)
    content = memoryview(bytearray(member.size))
    position = 0
    for piece in member.content:
        content[position : position + len(piece)] = piece
        position += len(piece)
    return content.toreadonly()


def _part_name(path: bytes) -> str:
    if path in _NAMES:
        return BOOTSTRAP
    base = path.removeprefix(b"image/")
    if base.endswith(_META_NAMES) and b"/" not in base and base.removesuffix(_META_NAMES).isalnum():
        return base.decode("ascii", "replace")
    return ""
