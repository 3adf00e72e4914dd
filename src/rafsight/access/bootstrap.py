"""From a Nydus manifest to its bootstrap: one layer, verified twice, kept by digest.

The layer's stored bytes have the digest that the manifest states; its uncompressed tar has the digest that the config
states (the diff id). This module alone knows what a bootstrap layer holds.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from rafsight.access.backend import Backend, DigestMismatch
from rafsight.access.cache import Cache
from rafsight.access.objects import hashed, verify
from rafsight.base.digest import hasher_for
from rafsight.base.errors import ImageFault
from rafsight.base.limits import Limits
from rafsight.base.units import MiB
from rafsight.formats.compressed_stream import decompressed
from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.tar import read_members

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


def load_bootstrap(
    backend: Backend, layer: Descriptor, diff_ids: Callable[[], tuple[str, ...]], cache: Cache, limits: Limits
) -> BootstrapParts:
    """Take the bootstrap layer out of the cache, or fetch and keep it.

    Args:
        backend: where the image lies.
        layer: the bootstrap layer.
        diff_ids: tells the digests of the uncompressed layers, the bootstrap's last, or nothing if nobody knows; asked
            after the layer was fetched, so that the config may still be under way.
        cache: where to look first.
        limits: what to accept.
    Raises: NoBootstrap, DigestMismatch, MalformedImage, RegistryFault.
    Cost: one request, or none.
    """
    parts = cache.bootstrap(layer.digest)
    if parts is None or BOOTSTRAP not in parts:
        fetched = _fetch(backend, layer, diff_ids, limits)
        cache.keep_bootstrap(layer.digest, fetched)
        parts = {name: memoryview(content) for name, content in fetched.items()}
    metas = {name.removesuffix(META_SUFFIX): part for name, part in parts.items() if name.endswith(META_SUFFIX)}
    return BootstrapParts(bootstrap=parts[BOOTSTRAP], metas=metas)


def _fetch(
    backend: Backend, layer: Descriptor, diff_ids: Callable[[], tuple[str, ...]], limits: Limits
) -> dict[str, bytes | memoryview]:
    stored, unpacked = hasher_for(layer.digest), hashlib.sha256()
    parts: dict[str, bytes | memoryview] = {}
    where = f"bootstrap layer {layer.digest}"
    room = limits.bootstrap_size + limits.blob_meta_size
    with backend.open_blob(layer.digest) as pieces:
        raw = hashed(pieces, stored)
        plain = hashed(decompressed(raw, where=where, max_size=room + 16 * MiB), unpacked)
        for member in read_members(plain, limits, where=where):
            name = _part_name(member.name)
            if name and member.kind == "file" and name not in parts:
                content = b"".join(member.content)
                parts[name] = content
        for _ in plain:
            pass
        for _ in raw:
            pass
    backend.meter.count(needed=layer.size)
    verify(f"bootstrap layer {layer.digest}", backend.place, layer.digest, stored)
    expected, actual = diff_ids()[-1:], "sha256:" + unpacked.hexdigest()
    if expected and expected[0].startswith("sha256:") and expected[0] != actual:
        what = "the uncompressed bootstrap layer"
        raise DigestMismatch(what=what, place=backend.place, expected=expected[0], actual=actual)
    if BOOTSTRAP not in parts:
        raise NoBootstrap(digest=layer.digest)
    return parts


def _part_name(path: bytes) -> str:
    if path in _NAMES:
        return BOOTSTRAP
    base = path.removeprefix(b"image/")
    if base.endswith(_META_NAMES) and b"/" not in base and base.removesuffix(_META_NAMES).isalnum():
        return base.decode("ascii", "replace")
    return ""
