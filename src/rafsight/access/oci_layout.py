"""An OCI layout (image-spec 1.1, image-layout.md) as a place of images: a directory, or an archive of one.

This module alone decides which files of a layout are read: only digests become paths, and links are followed only
within the layout.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

from rafsight.access.backend import DigestMismatch, Document, NoSuchFile, NotFound
from rafsight.access.counting import Meter
from rafsight.access.local_files import LocalFile
from rafsight.access.tags import Tagged, find_tagged
from rafsight.base.digest import digest_of, hasher_for, is_digest
from rafsight.base.limits import Limits
from rafsight.base.units import KiB
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.errors import MalformedDocument, UnsupportedFormat
from rafsight.formats.oci.manifest import Descriptor, Index, decode, parse_document
from rafsight.formats.oci.reference import DEFAULT_TAG

_LAYOUT_SIZE: Final = 64 * KiB


class StoredFile(Protocol):
    """A file that is read as a blob is; every method raises NotFound, ShortRead or Unreadable."""

    def size(self) -> int:
        """Return its size [bytes]."""
        ...

    def read_range(self, offset: int, size: int, meter: Meter) -> bytes:
        """Read exactly `size` bytes."""
        ...

    def read_whole(self, max_size: int, meter: Meter) -> bytes | None:
        """Read all of it; None if it is larger than `max_size` bytes."""
        ...

    def pieces(self, meter: Meter) -> AbstractContextManager[Iterator[bytes]]:
        """Open it as a stream of pieces of at most 1 MiB."""
        ...


class LayoutFiles(Protocol):
    """The files of a layout. Thread-safe."""

    place: str
    """What people call it."""

    def file(self, path: str, what: str) -> StoredFile:
        """Find a file by its path within the layout; `what` is what to call it in messages.

        Raises: NotFound, if not when the file is read.
        """
        ...

    def close(self) -> None:
        """Give back what is open."""
        ...


class LayoutFolder:
    """The files of a layout directory; nothing is kept open."""

    def __init__(self, directory: Path) -> None:
        self.place = f"oci:{directory}"
        self._directory = directory

    def file(self, path: str, what: str) -> LocalFile:
        """Name a file; it is looked for when it is read."""
        return LocalFile(path=self._directory / path, what=what, place=self.place, root=self._directory)

    def close(self) -> None:
        """Nothing is kept open."""


class LayoutBackend:
    """The images of one layout. Thread-safe."""

    supports_ranges = True

    def __init__(self, files: Path | LayoutFiles, *, meter: Meter | None = None, limits: Limits | None = None) -> None:
        """Look into a directory or other files; they are read when something is asked for."""
        self._files: LayoutFiles = LayoutFolder(files) if isinstance(files, Path) else files
        self.place = self._files.place
        self.meter = meter or Meter()
        self._limits = limits or Limits()

    def fetch_manifest(self, name: str) -> Document:
        """Read a manifest or index by tag or digest.

        An empty name means the only image, whatever refers to it, or the one tagged `latest`; where nothing is tagged,
        the index itself.

        Raises: NotFound, DigestMismatch, MalformedDocument, UnsupportedFormat, Unreadable.
        """
        if is_digest(name):
            return self._document(name, "", "manifest")
        index, content = self._index()
        images = [one for one in index.manifests if _may_be_meant(one)] or index.manifests
        if name:
            descriptor = self._find(index, name)
        elif len(images) == 1:
            descriptor = images[0]
        elif index.manifests and not any(map(_names, index.manifests)):
            return Document(media_type=media_types.OCI_INDEX, digest=index.digest, content=content)
        else:
            descriptor = self._find(index, DEFAULT_TAG)
        tag = name or next(iter(_names(descriptor)), "")
        called = f"manifest of tag {tag}" if tag else "manifest"
        return self._document(descriptor.digest, descriptor.media_type, called)

    def tags(self) -> tuple[str, ...]:
        """List the tags, in the order of the index.

        Raises: NotFound, MalformedDocument, UnsupportedFormat, Unreadable.
        """
        index, _ = self._index()
        return tuple(dict.fromkeys(name for descriptor in index.manifests for name in _names(descriptor)[:1]))

    def entries(self) -> tuple[Descriptor, ...]:
        """List what the index names: images, and whatever else has been put beside them.

        Raises: NotFound, MalformedDocument, UnsupportedFormat, Unreadable.
        """
        return self._index()[0].manifests

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

        Raises: NotFound, Unreadable.
        """
        return self._blob(digest).size()

    def close(self) -> None:
        """Give back what is open."""
        self._files.close()

    def _blob(self, digest: str) -> StoredFile:
        what = f"blob {digest}"
        if not is_digest(digest):
            raise NoSuchFile(what=what, place=self.place)
        algorithm, _, name = digest.partition(":")
        return self._files.file(f"blobs/{algorithm}/{name}", what)

    def _document(self, digest: str, media_type: str, called: str) -> Document:
        """Read a document by its digest and verify it."""
        content = self._read(self._blob(digest), f"{called} ({digest})", self._limits.index_size)
        hasher = hasher_for(digest)
        hasher.update(content)
        actual = f"{digest.partition(':')[0]}:{hasher.hexdigest()}"
        if actual != digest:
            raise DigestMismatch(what=called, place=self.place, expected=digest, actual=actual)
        if not media_type:
            media_type = parse_document(content, digest=digest, name=called, limits=self._limits).media_type
        return Document(media_type=media_type, digest=digest, content=content)

    def _read(self, file: StoredFile, name: str, max_size: int) -> bytes:
        content = file.read_whole(max_size, self.meter)
        if content is None:
            raise MalformedDocument(document=name, what=f"it is larger than {max_size} bytes")
        return content

    def _index(self) -> tuple[Index, bytes]:
        """Read `index.json`, and the layout's version where it is stated."""
        content = self._read(self._files.file("index.json", "index.json"), "index.json", self._limits.index_size)
        self._check_version()
        index = parse_document(
            content,
            media_type=media_types.OCI_INDEX,
            digest=digest_of(content),
            name="index.json",
            limits=self._limits,
        )
        assert isinstance(index, Index)  # parse_document keeps to the media type or raises
        return index, content

    def _check_version(self) -> None:
        from rafsight.formats.oci import wire

        try:
            content = self._read(self._files.file("oci-layout", "oci-layout"), "oci-layout", _LAYOUT_SIZE)
        except NotFound:
            return  # not every tool writes it, and the index tells enough
        version = decode(content, wire.LayoutFile, "oci-layout").image_layout_version or ""
        if not version.startswith("1."):
            raise UnsupportedFormat(document="oci-layout", what=f"version '{version}' of the layout is not supported")

    def _find(self, index: Index, name: str) -> Descriptor:
        named = [Tagged(identity=one.digest, names=_names(one)) for one in index.manifests]
        return index.manifests[find_tagged(named, name, self.place)]


def _may_be_meant(descriptor: Descriptor) -> bool:
    """Tell whether somebody who names nothing may mean this: an image, or what has a name; no report about one."""
    return descriptor.artifact_type in media_types.IMAGE_ARTIFACTS or bool(_names(descriptor))


def _names(descriptor: Descriptor) -> tuple[str, ...]:
    """Return what a descriptor of the index is called: its tag, and the whole reference that containerd writes."""
    names = (descriptor.annotations.get(key) for key in (keys.OCI_REF_NAME, keys.CONTAINERD_IMAGE_NAME))
    return tuple(name for name in names if name)
