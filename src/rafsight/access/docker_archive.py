"""Images that `docker save` or skopeo wrote, as a place of manifests and blobs.

Such an archive has no manifests of registries: one is made for each image that is asked for, always the same bytes.
This module alone decides how blobs are named there: a member whose name is a digest has that; a layer that is a plain
tar has the diff id that the config gives it; anything else is read once and hashed. None of these is believed: who
reads a blob verifies it, as everywhere.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Lock
from typing import Final

from rafsight.access.archive_file import ArchiveFile
from rafsight.access.backend import DigestMismatch, Document, NoSuchMember, NoSuchTag
from rafsight.access.counting import Meter
from rafsight.access.local_files import FilePart
from rafsight.access.tags import Tagged, find_tagged
from rafsight.base.digest import digest_of, hasher_for, is_digest
from rafsight.base.errors import ImageFault, RegistryFault
from rafsight.base.limits import Limits
from rafsight.formats.compressed_stream import HEAD_SIZE, compression_by_head
from rafsight.formats.oci import media_types
from rafsight.formats.oci.annotations import NO_ANNOTATIONS
from rafsight.formats.oci.config import parse_config
from rafsight.formats.oci.documents import write_manifest
from rafsight.formats.oci.errors import MalformedDocument, UnsupportedFormat
from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.oci.saved_images import SavedImage, parse_saved_images

_NUMBER: Final = re.compile(r"@([0-9]{1,9})\Z")
_BLOB: Final = re.compile(r"blobs/(sha256|sha512)/([0-9a-f]+)\Z")
_CONFIG: Final = re.compile(r"([0-9a-f]{64})(?:\.json)?\Z")
_LAYER_TYPES: Final = {
    "": "application/vnd.docker.image.rootfs.diff.tar",
    "gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "zstd": "application/vnd.docker.image.rootfs.diff.tar.zstd",
}


class DockerArchive:
    """The images of one archive. Thread-safe."""

    supports_ranges = True

    def __init__(self, files: ArchiveFile, *, meter: Meter | None = None, limits: Limits | None = None) -> None:
        """Read which images there are; `files` are closed with this.

        Raises: NotFound, MalformedDocument.
        """
        self.place = files.place
        self.meter = meter or Meter()
        self._files = files
        self._limits = limits or Limits()
        content = files.file("manifest.json", "manifest.json").read_whole(self._limits.index_size, self.meter)
        if content is None:
            what = f"it is larger than {self._limits.index_size} bytes"
            raise MalformedDocument(document="manifest.json", what=what)
        self._images = parse_saved_images(content, limits=self._limits)
        self._lock = Lock()
        self._documents: dict[int, Document] = {}
        self._blobs: dict[str, FilePart] = {}
        self._hashed: dict[int, str] = {}
        """Digests of members that were hashed, by where they lie."""

    def fetch_manifest(self, name: str) -> Document:
        """Make the manifest of an image.

        Args:
            name: a tag, a whole reference or the end of one; `@` and the image's number; the digest of a manifest that
                was made here. Empty: the only image.
        Raises: NotFound, DigestMismatch, MalformedDocument, UnsupportedFormat, ShortRead, Unreadable.
        Cost: the config is read; layers whose digest nobody knows are hashed, once.
        """
        if is_digest(name):
            made = self._made_all()
            for document in made:
                if document.digest == name:
                    return document
            raise NoSuchMember(what=f"manifest {name}", place=self.place)
        return self._made(self._choose(name))

    def fetch_range(self, digest: str, offset: int, size: int) -> bytes:
        """Read exactly `size` bytes of a blob.

        Raises: NotFound, ShortRead, Unreadable.
        """
        return self._blob(digest).read_range(offset, size, self.meter)

    def open_blob(self, digest: str) -> AbstractContextManager[Iterator[bytes]]:
        """Open a whole blob as a stream.

        Raises: NotFound, Unreadable; while reading: ShortRead.
        """
        return self._blob(digest).pieces(self.meter)

    def blob_size(self, digest: str) -> int:
        """Return a blob's size in bytes.

        Raises: NotFound.
        """
        return self._blob(digest).size()

    def close(self) -> None:
        """Close the archive."""
        self._files.close()

    def _choose(self, name: str) -> int:
        number = _NUMBER.match(name)
        if number is None:
            named = [Tagged(identity=one.identity, names=one.tags) for one in self._images]
            return find_tagged(named, name, self.place)
        row = int(number[1])
        if row >= len(self._images):
            what = f"image number {row} (it has {len(self._images)}, counted from 0)"
            raise NoSuchTag(what=what, place=self.place)
        return row

    def _blob(self, digest: str) -> FilePart:
        if is_digest(digest) and digest not in self._blobs:
            self._made_all()
        if digest not in self._blobs:
            raise NoSuchMember(what=f"blob {digest}", place=self.place)
        return self._blobs[digest]

    def _made_all(self) -> list[Document]:
        """Make the manifests of all images that are sound.

        Raises: what is wrong with the only image.
        """
        made = []
        for row in range(len(self._images)):
            try:
                made.append(self._made(row))
            except (ImageFault, RegistryFault):
                if len(self._images) == 1:
                    raise
        return made

    def _made(self, row: int) -> Document:
        with self._lock:
            if row not in self._documents:
                self._documents[row] = self._make(self._images[row])
            return self._documents[row]

    def _make(self, image: SavedImage) -> Document:
        part = self._files.file(image.config, f"config {image.config}")
        content = part.read_whole(self._limits.config_size, self.meter)
        if content is None:
            what = f"it is larger than {self._limits.config_size} bytes"
            raise MalformedDocument(document=f"config {image.config}", what=what)
        config = self._descriptor(part, media_types.DOCKER_CONFIG, digest_of(content))
        named = _digest_in(image.config) or _digest_of_config(image.config)
        if named and named != config.digest:
            raise DigestMismatch(what="image config", place=self.place, expected=named, actual=config.digest)
        diff_ids = parse_config(content, digest=config.digest, limits=self._limits).diff_ids
        known = diff_ids if len(diff_ids) == len(image.layers) else ("",) * len(image.layers)
        document = write_manifest(
            media_type=media_types.DOCKER_MANIFEST,
            config=config,
            layers=[self._layer(name, diff_id) for name, diff_id in zip(image.layers, known, strict=True)],
            annotations=NO_ANNOTATIONS,
        )
        return Document(media_type=media_types.DOCKER_MANIFEST, digest=digest_of(document), content=document)

    def _layer(self, name: str, diff_id: str) -> Descriptor:
        part = self._files.file(name, f"layer {name}")
        compression = compression_by_head(part.read(0, min(HEAD_SIZE, part.extent)))
        if compression not in _LAYER_TYPES:
            what = f"layer {name} is compressed with {compression}, which no layer of an image is"
            raise UnsupportedFormat(document=self.place, what=what)
        digest = _digest_in(name) or ("" if compression else diff_id) or self._hash(part)
        return self._descriptor(part, _LAYER_TYPES[compression], digest)

    def _descriptor(self, part: FilePart, media_type: str, digest: str) -> Descriptor:
        """Describe a member, and give it out as a blob from now on."""
        self._blobs.setdefault(digest, replace(part, what=f"blob {digest}"))
        return Descriptor(media_type=media_type, digest=digest, size=part.extent)

    def _hash(self, part: FilePart) -> str:
        if part.start not in self._hashed:
            hasher = hasher_for(digest_of(b""))
            with part.pieces(self.meter) as pieces:
                for piece in pieces:
                    hasher.update(piece)
            self._hashed[part.start] = f"sha256:{hasher.hexdigest()}"
        return self._hashed[part.start]


def _digest_in(name: str) -> str:
    """Return the digest that a member is named by; nothing if it is not."""
    found = _BLOB.match(name)
    digest = f"{found[1]}:{found[2]}" if found else ""
    return digest if is_digest(digest) else ""


def _digest_of_config(name: str) -> str:
    found = _CONFIG.match(name)
    return f"sha256:{found[1]}" if found else ""
