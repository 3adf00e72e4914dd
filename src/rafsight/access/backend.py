"""The contract of a place that holds an image's objects: a registry's repository, a layout, an archive, a folder."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from rafsight.access.counting import Meter
from rafsight.base.errors import ExitStatus, ImageFault, RegistryFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A manifest or an index, verified."""

    media_type: str
    digest: str
    content: bytes


class NotFound(RegistryFault):
    """The place has no such manifest, tag or blob."""

    code = "not-found"
    template = "{place} has no {what}"
    remedy = "Check the name and the tag; `docker login` if the repository is private."
    exit_status = ExitStatus.NOT_FOUND


class NoSuchFile(NotFound):
    """A folder of this machine has no such file."""

    code = "no-such-file"
    template = "{place} has no {what}"
    remedy = (
        "Check the path: oci:DIR has index.json and blobs/ in it; the blobs of a boot:FILE image lie beside it, or in "
        "the folder that --blob-dir names."
    )


class NoSuchMember(NotFound):
    """An archive has no such file."""

    code = "no-such-member"
    template = "{place} has no {what}"
    remedy = "The archive is cut, or no sound tool made it: write it again with `docker save` or `skopeo copy`."


class NotRegular(NotFound):
    """What should be a file of this machine is a folder, a device or a pipe."""

    code = "not-a-regular-file"
    template = "{what} in {place} is not a regular file"
    remedy = "Name the file itself: boot:FILE for a bootstrap, oci:DIR for the folder of an OCI layout."


class NoSuchTag(NotFound):
    """An OCI layout or an archive has no image of that name."""

    code = "no-such-tag"
    template = "{place} has no {what}"
    remedy = "Name one of its tags, as in oci:DIR:TAG or docker-archive:FILE:TAG, or a digest, as in oci:DIR@DIGEST."


class DigestMismatch(ImageFault):
    """Bytes are not those that their digest names."""

    code = "digest-mismatch"
    template = "{what} from {place}: expected {expected}, the bytes are {actual}"
    remedy = "Try again; if it says the same, the object is damaged in the registry or on the way: push it again."


class ShortRead(RegistryFault):
    """Fewer bytes came than were asked for, or the blob is shorter than the image says."""

    code = "short-read"
    template = "{what} from {place}: {got} bytes of {wanted} at offset {offset}"
    remedy = "The blob is cut or the connection broke; try again, then push the image again."


class Blobs(Protocol):
    """What gives the bytes of blobs. Thread-safe.

    Every method raises RegistryFault or ImageFault.
    """

    place: str
    """What people call it: `127.0.0.1:5000/app`, `oci:DIR`."""
    meter: Meter

    def fetch_range(self, digest: str, offset: int, size: int) -> bytes:
        """Fetch exactly `size` bytes of a blob.

        Raises: NotFound, ShortRead.
        """
        ...

    def open_blob(self, digest: str) -> AbstractContextManager[Iterator[bytes]]:
        """Open a whole blob as a stream of pieces (of any size, at most 1 MiB); the bytes are *not yet* verified.

        Raises: NotFound; later, while reading: ShortRead.
        """
        ...


class Backend(Blobs, Protocol):
    """A place that holds manifests and blobs of one repository. Thread-safe.

    Every method raises RegistryFault or ImageFault.
    """

    supports_ranges: bool
    """False once it is known that ranged reads return whole blobs."""

    def fetch_manifest(self, name: str) -> Document:
        """Fetch a manifest or index by tag or digest, verified against the digest where one is known.

        Raises: NotFound, DigestMismatch.
        """
        ...

    def blob_size(self, digest: str) -> int:
        """Return a blob's size in bytes without fetching it.

        Raises: NotFound.
        """
        ...

    def close(self) -> None:
        """Give back connections and files."""
        ...
