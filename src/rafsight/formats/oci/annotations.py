"""The annotation keys of Nydus images, and a read-only set of annotations.

This module alone spells the keys. The list and who writes each: the `containerd.io/snapshot/` family of Nydus v2 tools,
OCI's own keys, and those of ocicrypt and BuildKit that change what a document means.
"""

from dataclasses import dataclass
from typing import Final

_FAMILY: Final = "containerd.io/snapshot/"

NYDUS_BLOB: Final = _FAMILY + "nydus-blob"
"""On a blob layer."""
NYDUS_BOOTSTRAP: Final = _FAMILY + "nydus-bootstrap"
"""On the bootstrap layer; any non-empty value counts."""
NYDUS_FS_VERSION: Final = _FAMILY + "nydus-fs-version"
"""On the bootstrap layer and the manifest: `5`, `6`, or empty; `7` is another format."""
NYDUS_REF: Final = _FAMILY + "nydus-ref"
"""On a zran blob layer: digest of the original tar.gz layer."""
NYDUS_SOURCE_DIGEST: Final = _FAMILY + "nydus-source-digest"
NYDUS_SOURCE_REFERENCE: Final = _FAMILY + "nydus-source-reference"
NYDUS_BUILDER_VERSION: Final = _FAMILY + "nydus-builder-version"
NYDUS_TARGET_DIGEST: Final = _FAMILY + "nydus-target-digest"
NYDUS_SOURCE_CHAIN_ID: Final = _FAMILY + "nydus-source-chainid"
NYDUS_BLOB_DIGEST: Final = _FAMILY + "nydus-blob-digest"
NYDUS_BLOB_SIZE: Final = _FAMILY + "nydus-blob-size"
NYDUS_CACHE: Final = _FAMILY + "nydus-cache"
"""On the manifest of an old build cache."""
NYDUS_CACHE_VERSION: Final = _FAMILY + "nydus-cache-version"
"""On the manifest of a build cache; its value may be empty."""
NYDUS_BLOB_IDS: Final = _FAMILY + "nydus-blob-ids"
NYDUS_REFERENCE_BLOB_IDS: Final = _FAMILY + "nydus-reference-blob-ids"
"""On the bootstrap layer of an old chunk dictionary."""
NYDUS_COMMIT_BLOBS: Final = _FAMILY + "nydus-commit-blobs"
"""On the bootstrap layer of a committed image: digests, comma between."""
NYDUS_PREFETCH_BLOB: Final = _FAMILY + "nydus-separated-blob-with-prefetch-files"
"""On the bootstrap layer of an optimised image: the blob's hex digest."""
NYDUS_ENCRYPTED_BLOB: Final = _FAMILY + "nydus-encrypted-blob"
NYDUS_ARTIFACT_TYPE: Final = _FAMILY + "nydus-artifact-type"
"""On the bootstrap layer of a model artifact."""
NYDUS_EMPTY_LAYER: Final = _FAMILY + "nydus-empty-layer"
"""On the first OCI layer in a merged index."""
NYDUS_SIGNATURE: Final = _FAMILY + "nydus-signature"

UNCOMPRESSED: Final = "containerd.io/uncompressed"
OCI_REF_NAME: Final = "org.opencontainers.image.ref.name"
"""On a descriptor of a layout's index: the tag."""
OCI_CREATED: Final = "org.opencontainers.image.created"
"""On a manifest: RFC 3339."""
OCI_TITLE: Final = "org.opencontainers.image.title"
"""On a layer that is a file: its name."""
CONTAINERD_IMAGE_NAME: Final = "io.containerd.image.name"
"""On a descriptor of a layout's index: the whole reference."""
OCICRYPT_FAMILY: Final = "org.opencontainers.image.enc."
DOCKER_REFERENCE_TYPE: Final = "vnd.docker.reference.type"
"""On a descriptor that BuildKit put beside an image: `attestation-manifest`."""


@dataclass(frozen=True, slots=True)
class Annotations:
    """The annotations of a document or descriptor, in their order."""

    pairs: tuple[tuple[str, str], ...] = ()

    def get(self, key: str) -> str | None:
        """Return the value of a key, None if it is not there."""
        for name, value in self.pairs:
            if name == key:
                return value
        return None

    def has_family(self, prefix: str) -> bool:
        """Tell whether any key begins with `prefix`."""
        return any(name.startswith(prefix) for name, _ in self.pairs)


NO_ANNOTATIONS: Final = Annotations()
