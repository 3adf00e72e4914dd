"""The contract of a place that takes an image's objects: a repository of a registry, an OCI layout."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from rafsight.access.counting import Meter

OpenPieces = Callable[[], AbstractContextManager[Iterator[bytes]]]
"""Gives a blob's bytes in pieces of any size; called again when sending them has to begin anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What became of a blob."""

    sent: int
    """[bytes] that travelled; 0 if the target had it already, or took it from a neighbour."""
    how: str
    """`sent`, `present`, or `mounted`."""


class Target(Protocol):
    """A place that takes manifests and blobs of one repository. Thread-safe.

    Every method raises RegistryFault; CallerError and HostLimit where this machine cannot do its part.
    """

    place: str
    """What people call it: `127.0.0.1:5000/app`, `oci:DIR`."""
    meter: Meter

    def has_blob(self, digest: str) -> bool:
        """Tell whether a blob is there."""
        ...

    def push_blob(self, digest: str, size: int, content: OpenPieces, *, neighbour: str = "") -> Pushed:
        """Make sure that a blob is there.

        Args:
            digest: its name; the target refuses other bytes.
            size: [bytes].
            content: its bytes; not called if they need not be sent.
            neighbour: `HOST/REPO` that has the blob, for a target that can take it from there without sending it.
        """
        ...

    def push_manifest(self, content: bytes, media_type: str, *, tag: str = "") -> str:
        """Put a manifest or an index; return its digest.

        Args:
            content: the document.
            media_type: of it.
            tag: what it is called from now on; empty: it is only known by its digest.
        """
        ...

    def close(self) -> None:
        """Give back connections and files; what was not finished is gone."""
        ...
