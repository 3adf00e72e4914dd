"""The image that is repaired, with all that becomes part of the repaired one: documents, bootstrap layer, place.

This module alone decides which images can be repaired. Only manifest, config and bootstrap are fetched.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from rafsight.access.backend import Backend, DigestMismatch, Document
from rafsight.access.bootstrap import BOOTSTRAP, META_SUFFIX, BootstrapParts, confirm_bootstrap, load_bootstrap
from rafsight.access.cache import Cache
from rafsight.access.connect import Source, connect
from rafsight.access.contents import Contents
from rafsight.access.counting import Meter
from rafsight.access.finding import Identity
from rafsight.access.layer_stream import open_layer
from rafsight.access.objects import fetch_document, fetch_verified
from rafsight.access.options import Options
from rafsight.access.session import Grown, Image
from rafsight.access.threads import threads
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.limits import Limits
from rafsight.base.units import MiB
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci.classify import NydusManifest
from rafsight.formats.oci.config import ImageConfig, parse_config
from rafsight.formats.oci.manifest import Descriptor, Manifest
from rafsight.formats.oci.platform import parse_platform
from rafsight.formats.oci.resolve import Candidate, Resolved, hold, resolve
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.codec import read_bootstrap
from rafsight.formats.tables import TreeTables
from rafsight.formats.tar import read_members
from rafsight.image.tree import ImageTree

_EXTRAS_SIZE: Final = 64 * MiB
_FOLDER: Final = "image/"


class NotRepairable(CallerError):
    """An image of a kind that cannot be repaired."""

    code = "not-repairable"
    template = "{reference} cannot be repaired: {why}"
    remedy = "Name a Nydus image in a registry or an OCI layout; `rafsight convert` makes one of a plain image."
    exit_status = ExitStatus.UNSUPPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """An open image that can be repaired."""

    image: Image
    found: NydusManifest
    manifest: bytes
    """As it came."""
    config: ImageConfig
    document: Document
    """What the reference names: an index, or the manifest again."""
    has_plain_form: bool
    """The index has a plain image for the same platform."""
    parts: BootstrapParts
    extras: Mapping[str, bytes]
    """Other files of the bootstrap layer, by name."""
    source: Source
    cache: Cache
    limits: Limits

    @property
    def tables(self) -> TreeTables:
        """The tables of its tree."""
        return self.image.tree.tables

    @property
    def backend(self) -> Backend:
        """Where it lies."""
        return self.source.backend

    @property
    def is_in_index(self) -> bool:
        """Tell whether the reference names an index."""
        return self.document.digest != self.found.manifest.digest


@contextmanager
def open_original(reference: str, options: Options) -> Iterator[Original]:
    """Open the image to be repaired.

    Args:
        reference: as `open_image` takes it; of an index the image of the options' platform is meant.
        options: how to reach it.
    Raises: NotRepairable; CallerError, RegistryFault, ImageFault.
    Cost: manifest, config and bootstrap layer, from the cache if they were there before.
    """
    with connect(reference, options, Meter()) as source, threads(options.connections, name="rafsight-fetch") as pool:
        if source.bootstrap is not None:
            raise NotRepairable(reference=reference, why="a bootstrap alone has no manifest and no place for a blob")
        yield _Opening(reference=reference, source=source, options=options).open(pool)


@dataclass(slots=True, kw_only=True)
class _Opening:
    """The steps of opening. Each document is fetched once."""

    reference: str
    source: Source
    options: Options
    limits: Limits = field(default_factory=Limits)
    cache: Cache = field(init=False)
    _documents: dict[str, Document] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cache = Cache(self.options.cache_dir)

    def open(self, pool: ThreadPoolExecutor) -> Original:
        """Take all steps; `pool` fetches what is read later."""
        document, resolved = self._resolve()
        found = resolved.image
        if not isinstance(found, NydusManifest):
            raise NotRepairable(reference=self.reference, why=_why_plain(resolved))
        if found.is_model:
            raise NotRepairable(reference=self.reference, why="it is a model, whose files lie outside of Nydus blobs")
        with threads(1, name="rafsight-config") as aside:
            pending = aside.submit(self._config, found.manifest)
            parts = load_bootstrap(self.source.backend, found.bootstrap_layer, self.cache, self.limits)
            tables = read_bootstrap(parts.bootstrap, name="", limits=self.limits)
            config = pending.result()
        self._confirm(found, parts, config)
        _require_repairable(self.reference, tables)
        tree = ImageTree(tables, self.limits)
        grown = Grown(tree=tree, contents=Contents(tree, self.source.backend, parts, pool, self.limits))
        image = Image(
            identity=self._identity(document, resolved, config),
            head=tables.head,
            grow=lambda: grown,
            backend=self.source.backend,
        )
        return Original(
            image=image,
            found=found,
            manifest=self.document(found.manifest.digest).content,
            config=config,
            document=document,
            has_plain_form=any(not one.says_nydus for one in _others(resolved)),
            parts=parts,
            extras=self._extras(found.bootstrap_layer),
            source=self.source,
            cache=self.cache,
            limits=self.limits,
        )

    def document(self, name: str) -> Document:
        """Fetch a manifest or an index."""
        if name not in self._documents:
            found = fetch_document(self.source.backend, name, self.cache)
            self._documents |= {name: found, found.digest: found}
        return self._documents[name]

    def _resolve(self) -> tuple[Document, Resolved]:
        """Find the manifest that is meant."""
        document = self.document(self.source.name)
        wanted = parse_platform(self.options.platform)
        return document, hold(resolve(document, platform=wanted, limits=self.limits), self.document)

    def _identity(self, document: Document, resolved: Resolved, config: ImageConfig) -> Identity:
        digest = resolved.image.manifest.digest
        return Identity(
            reference=self.reference,
            classified=resolved.image,
            index_digest="" if document.digest == digest else document.digest,
            config=config,
            platform=str(resolved.platform) if resolved.platform else f"{config.os}/{config.architecture}",
            repository=self.source.repository,
            tag=self.source.tag,
        )

    def _config(self, manifest: Manifest) -> ImageConfig:
        """Fetch the config."""
        descriptor = manifest.config
        content = self.cache.document(descriptor.digest)
        if content is None:
            content = fetch_verified(self.source.backend, descriptor.digest, descriptor.size)
            self.cache.keep_document(descriptor.digest, content)
        return parse_config(content, digest=descriptor.digest, limits=self.limits)

    def _confirm(self, found: NydusManifest, parts: BootstrapParts, config: ImageConfig) -> None:
        """Compare the bootstrap with the config, if that has a diff id for each layer."""
        known = len(config.diff_ids) == len(found.manifest.layers)
        diff_ids = config.diff_ids if known else ()
        confirm_bootstrap(self.source.backend, found.bootstrap_layer, parts, diff_ids, self.cache)

    def _extras(self, layer: Descriptor) -> dict[str, bytes]:
        """Fetch the files that nobody reads but that belong to the image: the list of what it was optimised for.

        Cost: nothing, but for images with such a list: the bootstrap layer once more.
        """
        if not layer.annotations.get(keys.NYDUS_PREFETCH_BLOB):
            return {}
        where, found = f"bootstrap layer {layer.digest}", {}
        with open_layer(
            self.source.backend,
            layer,
            where=where,
            max_size=layer.size,
            max_content=self.limits.bootstrap_size + self.limits.blob_meta_size,
        ) as stream:
            for member in read_members(stream.content, self.limits, where=where):
                name = member.name.decode("utf-8", "surrogateescape").removeprefix(_FOLDER)
                is_read = name == BOOTSTRAP or name.endswith(META_SUFFIX)
                if member.kind == "file" and not is_read and "/" not in name:
                    found[name] = member.content.read(_EXTRAS_SIZE)
            actual = stream.finish().digest
        if actual != layer.digest:
            place = self.source.backend.place
            raise DigestMismatch(what=where, place=place, expected=layer.digest, actual=actual)
        self.source.backend.meter.count(needed=layer.size)
        return found


def _others(resolved: Resolved) -> list[Candidate]:
    """Return what an index has for the platform beside the image that was chosen."""
    return [one for one in resolved.candidates if one.descriptor.digest != resolved.image.manifest.digest]


def _why_plain(resolved: Resolved) -> str:
    """Say why a plain image was found where a Nydus image was looked for."""
    broken = next((one.outcome for one in _others(resolved) if one.says_nydus and one.outcome), "")
    return f"its Nydus form was passed over, {broken}" if broken else "it is a plain image"


def _require_repairable(reference: str, tables: TreeTables) -> None:
    """Refuse what cannot be written again.

    Raises: NotRepairable.
    """
    features = 0
    for blob in tables.blobs:
        features |= blob.features
    if features & shared.TARFS:
        raise NotRepairable(reference=reference, why="its blobs are plain tar files, which a new blob cannot join")
    if features & shared.EXTERNAL:
        raise NotRepairable(reference=reference, why="its data lie in an external backend")
    if features & shared.NO_EXTENDED_BLOB_TABLE:
        raise NotRepairable(reference=reference, why="it was made before blob tables knew the size of blobs")
    if not bool(tables.chunks.digest.any(axis=1).all()):
        raise NotRepairable(reference=reference, why="its bootstrap does not know the digests of all chunks")
