"""The media types of documents and layers, and what an artifact that is no image is called.

This module alone decides which media types mean what.
"""

from typing import Final

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT_MANIFEST: Final = "application/vnd.oci.artifact.manifest.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_SCHEMA_1: Final = (
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
)

OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
NYDUS_BLOB: Final = "application/vnd.oci.image.layer.nydus.blob.v1"
NYDUS_MANIFEST: Final = "application/vnd.nydus.image.manifest.v1+json"
"""`artifactType` of the Nydus descriptor in a merged index."""
NYDUS_CONFIG: Final = "application/vnd.nydus.image.config.v1+json"
NYDUS_OS_FEATURE: Final = "nydus.remoteimage.v1"
MODEL_MANIFEST: Final = "application/vnd.cnai.model.manifest.v1+json"
MODEL_CONFIG: Final = "application/vnd.cnai.model.config.v1+json"

MANIFESTS: Final = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES: Final = (OCI_INDEX, DOCKER_INDEX)
ACCEPTED: Final = (*MANIFESTS, *INDEXES)
"""What a client asks a registry for, in order of preference."""
IMAGE_CONFIGS: Final = (OCI_CONFIG, DOCKER_CONFIG, NYDUS_CONFIG, "application/octet-stream")
"""The last was written by very old Docker releases."""
IMAGE_ARTIFACTS: Final = ("", NYDUS_MANIFEST, NYDUS_CONFIG, MODEL_MANIFEST, MODEL_CONFIG, *IMAGE_CONFIGS)
"""`artifactType` of descriptors that may be of images; with any other it is of something that lies beside them."""

_TAR_LAYERS: Final = (
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
)
_COMPRESSIONS: Final = ("", "+gzip", "+zstd", ".gzip", ".zstd", ".gz", "+gz")
TAR_LAYERS: Final = frozenset(layer + compression for layer in _TAR_LAYERS for compression in _COMPRESSIONS)
"""Layers of plain images, and bootstrap layers. A layer's first bytes, not this, say what it is compressed with."""
_ALGORITHMS: Final = {"tar": "none", "gzip": "gzip", "gz": "gzip", "zstd": "zstd"}
ENCRYPTED_SUFFIX: Final = "+encrypted"

_ARTIFACTS: Final = (
    ("application/vnd.cncf.helm.", "a Helm chart"),
    ("application/vnd.cnai.model.", "a model artifact without a Nydus bootstrap"),
    ("application/vnd.kitops.", "a KitOps model kit"),
    ("application/vnd.ollama.", "an Ollama model"),
    ("application/vnd.docker.ai.", "a Docker model"),
    ("application/spdx", "an SPDX bill of materials"),
    ("text/spdx", "an SPDX bill of materials"),
    ("application/vnd.cyclonedx", "a CycloneDX bill of materials"),
    ("application/vnd.syft", "a Syft bill of materials"),
    ("application/sarif", "a SARIF report"),
    ("application/vnd.goharbor.harbor.sbom", "a Harbor bill of materials"),
    ("application/vnd.dev.cosign.simplesigning", "a Cosign signature"),
    ("application/vnd.dev.cosign.", "a Cosign artifact"),
    ("application/vnd.dev.sigstore.", "a Sigstore bundle"),
    ("application/vnd.cncf.notary.", "a Notary signature"),
    ("application/vnd.in-toto", "an attestation"),
    ("application/vnd.dsse", "an attestation"),
    ("application/vnd.buildkit.", "a BuildKit cache"),
    ("application/vnd.docker.plugin.", "a Docker plug-in"),
    ("application/vnd.docker.compose.", "a Compose project"),
    ("application/vnd.wasm.", "a WebAssembly module"),
    ("application/vnd.module.wasm.", "a WebAssembly module"),
    ("application/vnd.sylabs.sif.", "a Singularity image"),
    ("application/vnd.cncf.openpolicyagent.", "an Open Policy Agent bundle"),
    ("application/vnd.cncf.flux.", "a Flux artifact"),
    ("application/vnd.cncf.falco", "a Falco artifact"),
    ("application/vnd.aquasec.trivy.", "a Trivy database"),
    ("application/vnd.oci.image.layer.nydus.blob", "Nydus blobs without a bootstrap"),
)


def is_encrypted_layer(media_type: str) -> bool:
    """Tell whether a layer was encrypted by ocicrypt."""
    return media_type.endswith(ENCRYPTED_SUFFIX)


def describe_artifact(media_types: tuple[str, ...]) -> str | None:
    """Say what people call an artifact by the first of its media types that is known; None if none is."""
    for media_type in media_types:
        for prefix, name in _ARTIFACTS:
            if media_type.startswith(prefix):
                return name
    return None


def compression_of(media_type: str) -> str:
    """Return what the media type of a tar layer says it is compressed with: `none`, `gzip`, `zstd`; else nothing."""
    last = media_type.replace("+", ".").rpartition(".")[2]
    return _ALGORITHMS.get(last, "") if media_type in TAR_LAYERS else ""
