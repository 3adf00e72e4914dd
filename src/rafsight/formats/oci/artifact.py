"""The manifest of an artifact that refers to an image: a report, a bill of materials (image-spec 1.1, manifest.md).

This module alone decides how such a manifest is written: an empty config, one layer, a subject. The same values give
the same bytes.
"""

from typing import Final

from rafsight.base.digest import digest_of
from rafsight.formats.oci import media_types
from rafsight.formats.oci.annotations import Annotations
from rafsight.formats.oci.documents import write_manifest
from rafsight.formats.oci.manifest import Descriptor

EMPTY_CONFIG: Final = b"{}"
"""The blob that stands for no config ("Guidance for an Empty Descriptor")."""


def write_artifact(*, artifact_type: str, layer: Descriptor, subject: Descriptor, annotations: Annotations) -> bytes:
    """Write a manifest.

    Args:
        artifact_type: what the artifact is.
        layer: its content.
        subject: the manifest or index that it is about; only its type, digest and size are told.
        annotations: of the artifact.
    """
    config = Descriptor(media_type=media_types.OCI_EMPTY, digest=digest_of(EMPTY_CONFIG), size=len(EMPTY_CONFIG))
    return write_manifest(
        media_type=media_types.OCI_MANIFEST,
        artifact_type=artifact_type,
        config=config,
        layers=(layer,),
        subject=Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size),
        annotations=annotations,
    )
