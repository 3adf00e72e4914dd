"""Which documents of an OCI layout refer to one.

The image-spec says nothing about it: a layout lists all that it has in `index.json`. So an artifact about an image is
an entry there without a name; lists under a tag, as registries without the referrers API have them, are read, too. This
module alone decides where is looked.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rafsight.access.backend import Document, NotFound
from rafsight.access.counting import Meter
from rafsight.access.oci_layout import LayoutBackend
from rafsight.access.registry.referrers import referrers_tag
from rafsight.base.errors import ImageFault
from rafsight.base.limits import Limits
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.errors import MalformedDocument
from rafsight.formats.oci.manifest import Descriptor, Index, Manifest, parse_document

_MOST: Final = 4096
"""Documents that are read in search of a subject."""


class LayoutSource:
    """A layout directory that is asked what refers to its images."""

    def __init__(self, directory: Path, meter: Meter) -> None:
        """Read nothing yet."""
        self._backend = LayoutBackend(directory, meter=meter)
        self.place = self._backend.place

    def fetch_manifest(self, name: str) -> Document:
        """Read a manifest or index, as `LayoutBackend.fetch_manifest` does."""
        return self._backend.fetch_manifest(name)

    def has_manifest(self, digest: str) -> bool:
        """Tell whether a manifest or index is there."""
        try:
            self._backend.blob_size(digest)
        except NotFound:
            return False
        return True

    def list_referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """List what refers to a manifest or index; see `find_referrers`."""
        return find_referrers(self._backend, digest)


def find_referrers(backend: LayoutBackend, digest: str, *, limits: Limits | None = None) -> tuple[Descriptor, ...]:
    """List what refers to a manifest or index, in the order of the layout's index.

    What cannot be read, or is no document, refers to nothing.

    Args:
        backend: the layout.
        digest: of the manifest or index.
        limits: what to accept.
    Raises: NotFound, MalformedDocument, UnsupportedFormat, Unreadable.
    Cost: reads every document that the index names.
    """
    limits = limits or Limits()
    found: dict[str, Descriptor] = {}
    for number, entry in enumerate(_entries(backend, digest, limits)):
        if number == _MOST:
            raise MalformedDocument(document="index.json", what=f"more than {_MOST} documents to look at")
        if entry.digest in found:
            continue
        document = _read(backend, entry.digest, limits) if entry.size <= limits.manifest_size else None
        if document is not None and document.subject is not None and document.subject.digest == digest:
            kind = document.artifact_type or (document.config.media_type if isinstance(document, Manifest) else "")
            found[entry.digest] = Descriptor(
                media_type=document.media_type,
                digest=entry.digest,
                size=entry.size,
                annotations=document.annotations,
                artifact_type=kind,
            )
    return tuple(found.values())


def _entries(backend: LayoutBackend, digest: str, limits: Limits) -> Iterator[Descriptor]:
    """Yield the entries of the layout's index, and of the list of referrers that may be tagged there."""
    tag = referrers_tag(digest)
    for entry in backend.entries():
        if entry.media_type in media_types.INDEXES and entry.annotations.get(keys.OCI_REF_NAME) == tag:
            listed = _read(backend, entry.digest, limits)
            yield from listed.manifests if isinstance(listed, Index) else ()
        else:
            yield entry


def _read(backend: LayoutBackend, digest: str, limits: Limits) -> Manifest | Index | None:
    """Read a document; None if there is none that could be read."""
    try:
        document = backend.fetch_manifest(digest)
        return parse_document(
            document.content, media_type=document.media_type, digest=digest, name=digest, limits=limits
        )
    except (NotFound, ImageFault):
        return None
