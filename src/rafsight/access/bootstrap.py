"""From a Nydus manifest to its bootstrap: one layer, verified twice, kept by digest.

The layer's stored bytes have the digest that the manifest states; its uncompressed tar has the digest that the config
states (the diff id). This module alone knows what a bootstrap layer holds.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from rafsight.access.backend import Backend, Blobs, DigestMismatch
from rafsight.access.cache import Cache
from rafsight.access.layer_stream import LayerSums, open_layer
from rafsight.base.errors import ImageFault
from rafsight.base.limits import Limits
from rafsight.base.units import MiB
from rafsight.formats.judge import STRICT, Judge
from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.oci.soundness import LayerMember
from rafsight.formats.tables import MalformedImage
from rafsight.formats.tar import Member, read_members

BOOTSTRAP: Final = "image.boot"
META_SUFFIX: Final = ".blob.meta"
_NAMES: Final = (b"image/image.boot", b"image.boot")
_META_NAMES: Final = b".blob.meta"
_MEMBERS_KEPT: Final = 4096
_NAME_KEPT: Final = 256


class NoBootstrap(ImageFault):
    """A bootstrap layer holds no bootstrap."""

    code = "no-bootstrap"
    template = "layer {digest} is marked as the Nydus bootstrap, but holds no image/image.boot"
    remedy = "The image was not made by a sound converter: convert it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackedLayer:
    """A bootstrap layer as it came, not yet compared with what was promised."""

    parts: Mapping[str, bytes | memoryview]
    """Files that readers look for, by name: `image.boot`, `HEX.blob.meta`; the first of each."""
    members: tuple[LayerMember, ...]
    """In the order of the archive; of very many the first."""
    sums: LayerSums

    @property
    def metas(self) -> Mapping[str, bytes | memoryview]:
        """Chunk-info arrays, by the hex digest of the blob that they belong to."""
        return _metas(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapParts:
    """What a bootstrap layer held."""

    bootstrap: bytes | memoryview
    metas: Mapping[str, bytes | memoryview]
    """Expanded chunk-info arrays, by the hex digest of the blob that they belong to."""
    unpacked_digest: str = ""
    """Of the uncompressed layer, to be compared with the config's; empty if it was, before the layer was kept."""


def load_bootstrap(backend: Blobs, layer: Descriptor, cache: Cache, limits: Limits) -> BootstrapParts:
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
    return BootstrapParts(bootstrap=parts[BOOTSTRAP], metas=_metas(parts), unpacked_digest=unpacked_digest)


def _metas(parts: Mapping[str, bytes | memoryview]) -> Mapping[str, bytes | memoryview]:
    return {name.removesuffix(META_SUFFIX): part for name, part in parts.items() if name.endswith(META_SUFFIX)}


def _fetch(backend: Blobs, layer: Descriptor, limits: Limits) -> BootstrapParts:
    unpacked = unpack_bootstrap(backend, layer, limits, STRICT, max_size=layer.size)
    where = f"bootstrap layer {layer.digest}"
    if unpacked.sums.digest != layer.digest:
        raise DigestMismatch(what=where, place=backend.place, expected=layer.digest, actual=unpacked.sums.digest)
    if BOOTSTRAP not in unpacked.parts:
        raise NoBootstrap(digest=layer.digest)
    return _sorted_out(unpacked.parts, unpacked.sums.content_digest)


def unpack_bootstrap(
    backend: Blobs,
    layer: Descriptor,
    limits: Limits,
    judge: Judge,
    *,
    max_size: int,
    report: Callable[[Iterator[bytes]], Iterator[bytes]] = iter,
) -> UnpackedLayer:
    """Fetch and unpack a bootstrap layer; whether it is the promised one is for the caller to say.

    Args:
        backend: where the image lies.
        layer: the bootstrap layer.
        limits: what to accept.
        judge: told if the archive is damaged; a judge that goes on gets what was unpacked until there.
        max_size: [bytes] as stored that are accepted.
        report: sees the stored pieces on their way.
    Raises: MalformedImage, DigestMismatch (more than `max_size`), RegistryFault.
    Cost: one request. Memory: the bootstrap and the bundled arrays.
    """
    where = f"bootstrap layer {layer.digest}"
    room = limits.bootstrap_size + limits.blob_meta_size
    found = _Members(room=room, where=where)
    most = room + 16 * MiB
    with open_layer(backend, layer, where=where, max_size=max_size, max_content=most, report=report) as stream:
        is_whole = False
        with judge.part(where):
            for member in read_members(stream.content, limits, where=where):
                found.add(member)
            for _ in stream.content:
                pass
            is_whole = True
        sums = stream.finish(is_damaged=not is_whole)
    backend.meter.count(needed=layer.size)
    return UnpackedLayer(parts=found.parts, members=tuple(found.members), sums=sums)


class _Members:
    """What was found in an archive so far."""

    def __init__(self, *, room: int, where: str) -> None:
        self.parts: dict[str, bytes | memoryview] = {}
        self.members: list[LayerMember] = []
        self._room = room
        self._where = where

    def add(self, member: Member) -> None:
        """Take a member."""
        if len(self.members) < _MEMBERS_KEPT:
            self.members.append(LayerMember(name=member.name[:_NAME_KEPT], is_file=member.kind == "file"))
        name = _part_name(member.name)
        if name and member.kind == "file" and name not in self.parts:
            self.parts[name] = _content(member, self._room, self._where)


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
