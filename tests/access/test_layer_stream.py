import gzip

import pytest

from rafsight.access.backend import DigestMismatch, NotFound
from rafsight.access.layer_stream import open_layer
from rafsight.access.memory import MemoryBackend
from rafsight.base.digest import digest_of
from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.tables import MalformedImage

CONTENT = bytes(range(256)) * 4096
STORED = gzip.compress(CONTENT, mtime=0)


def layer_of(stored, **more):
    backend = MemoryBackend(piece_size=1000)
    members = {"media_type": "x", "digest": backend.put_blob(stored), "size": len(stored), **more}
    return backend, Descriptor(**members)


@pytest.mark.parametrize("taken", [0, 1, 100])
def test_both_digests_whatever_was_read_before(taken):
    backend, layer = layer_of(STORED)
    with open_layer(backend, layer, where="layer") as stream:
        for _, _ in zip(range(taken), stream.content, strict=False):
            pass
        sums = stream.finish()
    assert sums.size == len(STORED)
    assert sums.digest == layer.digest
    assert sums.content_digest == digest_of(CONTENT)
    assert sums.head == STORED[:8]


@pytest.mark.parametrize("damage", [STORED[:-20], STORED[:500] + bytes(50) + STORED[550:], b"\x1f\x8b" + bytes(5000)])
def test_of_damaged_content_the_stored_bytes_are_still_known(damage):
    backend, layer = layer_of(damage)
    with open_layer(backend, layer, where="layer") as stream:
        with pytest.raises(MalformedImage):
            stream.finish()
        sums = stream.finish(is_damaged=True)
    assert sums.size == len(damage)
    assert sums.digest == digest_of(damage)
    assert sums.content_digest == ""


def test_no_more_is_read_than_was_promised():
    backend, layer = layer_of(STORED, size=len(STORED) - 1)
    with open_layer(backend, layer, where="layer") as stream, pytest.raises(DigestMismatch):
        stream.finish()
    with open_layer(backend, layer, where="layer", max_size=1 << 20) as stream:
        assert stream.finish().size == len(STORED)
    small = open_layer(backend, layer, where="layer", max_size=1 << 20, max_content=1000)
    with small as stream, pytest.raises(MalformedImage):
        stream.finish()


def test_a_layer_that_is_not_there():
    backend, layer = layer_of(STORED, digest="sha256:" + "0" * 64)
    with pytest.raises(NotFound), open_layer(backend, layer, where="layer"):
        pass
