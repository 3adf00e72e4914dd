"""The flags of an image are those that the peer's builder gave to the same blobs."""

import pytest
from tests.formats.rafs import images

from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.image_flags import image_flags
from rafsight.formats.tables import Compressor, Digester

PLAIN = ("v6-zstd", "v6-none", "v6-lz4-sha256-4k-fs", "v6-toc", "v6-toc-inline", "v6-inline", "v6-nodata")
OLD = ("v5-zstd", "v5-none", "v5-lz4-sha256-fs", "v5-inline", "v5-nodata")


@pytest.mark.parametrize("name", PLAIN + OLD)
def test_as_the_peer_has_them(name):
    tables = images.open_golden(name).tables
    said = tables.superblock.flags
    blob = next(iter(tables.blobs), None)
    flags = image_flags(
        Compressor.ZSTD if blob is None else blob.compressor,
        Digester.BLAKE3 if blob is None else blob.digester,
        tables.blobs,
        has_xattrs=bool(tables.entries.xattr_size.any()),
        aligned=name in PLAIN,
    )
    assert flags | shared.HAS_XATTR == said | shared.HAS_XATTR
    assert not flags & shared.HAS_XATTR or said & shared.HAS_XATTR  # the peer sets it for attributes that it drops


def test_digests_that_only_some_blobs_have():
    blobs = [*images.open_golden("v6-toc").tables.blobs, *images.open_golden("v6-zstd").tables.blobs]
    for those, expected in ((blobs[:1], True), (blobs, False), ([], True)):
        flags = image_flags(Compressor.ZSTD, Digester.BLAKE3, those, has_xattrs=True, aligned=True)
        assert bool(flags & shared.INLINED_CHUNK_DIGESTS) == expected
        assert flags & shared.HAS_XATTR
        assert not image_flags(Compressor.ZSTD, Digester.BLAKE3, those, has_xattrs=False, aligned=False) & (
            shared.INLINED_CHUNK_DIGESTS | shared.ENCRYPTION_NONE | shared.HAS_XATTR
        )
