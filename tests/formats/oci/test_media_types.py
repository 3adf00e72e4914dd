"""What media types say about layers."""

import pytest

from rafsight.formats.oci.media_types import TAR_LAYERS, compression_of

OCI = "application/vnd.oci.image.layer.v1.tar"
DOCKER = "application/vnd.docker.image.rootfs.diff.tar"


@pytest.mark.parametrize(
    ("media_type", "said"),
    [
        (OCI, "none"),
        (f"{OCI}+gzip", "gzip"),
        (f"{OCI}+zstd", "zstd"),
        (f"{DOCKER}.gzip", "gzip"),
        (f"{DOCKER}.gz", "gzip"),
        (f"{OCI}+gzip+encrypted", ""),
        ("application/gzip", ""),
        ("", ""),
    ],
)
def test_compression(media_type, said):
    assert compression_of(media_type) == said


def test_every_layer_says_one():
    assert {compression_of(layer) for layer in TAR_LAYERS} == {"none", "gzip", "zstd"}
