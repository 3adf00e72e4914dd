"""Layers are compressed so that their readers get the tar back, and the same bytes each time."""

import gzip
import os
import zlib

import pytest
import zstandard

from rafsight.formats.compressed_stream import decompressed
from rafsight.formats.stream_compression import (
    LayerCompression,
    NoSuchCompression,
    UnusableLevel,
    layer_compression,
    layer_media_type,
    start_compressor,
)

CONTENT = os.urandom(100_000) + bytes(300_000) + b"text " * 40_000


def compress(compression, level=None, piece=70_000):
    stream = start_compressor(compression, level)
    parts = [stream.compress(CONTENT[start : start + piece]) for start in range(0, len(CONTENT), piece)]
    return b"".join([*parts, stream.flush()])


@pytest.mark.parametrize("level", [None, 1, 9])
@pytest.mark.parametrize("compression", [LayerCompression.GZIP, LayerCompression.ZSTD])
def test_readers_get_the_content_back(compression, level):
    stored = compress(compression, level)
    assert len(stored) < len(CONTENT) // 2
    assert b"".join(decompressed(iter([stored]), where="layer")) == CONTENT
    assert stored == compress(compression, level)


def test_gzip_has_neither_time_nor_name():
    for level in (None, 6):
        stored = compress(LayerCompression.GZIP, level)
        assert gzip.decompress(stored) == CONTENT
        assert stored[:8] == b"\x1f\x8b\x08" + bytes(5)


def test_a_level_is_that_of_zlib():
    stream = zlib.compressobj(9, zlib.DEFLATED, 31)
    assert compress(LayerCompression.GZIP, 9, piece=len(CONTENT)) == stream.compress(CONTENT) + stream.flush()


def test_zstd_frames_have_a_checksum():
    assert zstandard.get_frame_parameters(compress(LayerCompression.ZSTD)).has_checksum


def test_none_is_the_content():
    assert compress(LayerCompression.NONE) == CONTENT


def test_names_and_levels():
    assert layer_compression("zstd", 19) is LayerCompression.ZSTD
    assert layer_compression("none") is LayerCompression.NONE
    with pytest.raises(NoSuchCompression, match="'xz'"):
        layer_compression("xz")
    for name, level in (("gzip", 0), ("gzip", 10), ("zstd", 0), ("zstd", 20), ("none", 1)):
        with pytest.raises(UnusableLevel, match=f"{name} has no level {level}"):
            layer_compression(name, level)


@pytest.mark.parametrize("is_docker", [False, True])
def test_media_types(is_docker):
    found = {
        str(one): layer_media_type(one, is_docker=is_docker).rpartition("application/vnd.")[2]
        for one in LayerCompression
    }
    oci = "oci.image.layer.v1.tar"
    docker = "docker.image.rootfs.diff.tar"
    assert found["zstd"] == f"{oci}+zstd"
    assert (found["none"], found["gzip"]) == ((docker, f"{docker}.gzip") if is_docker else (oci, f"{oci}+gzip"))
