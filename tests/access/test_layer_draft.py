"""A layer that is being made has the digests of its bytes, and leaves nothing behind."""

import gzip
import hashlib
import os
import threading
from pathlib import Path

import pytest

from rafsight.access.layer_draft import LayerDraft
from rafsight.access.layer_sender import send_layers
from rafsight.access.layout_target import LayoutTarget
from rafsight.access.threads import threads
from rafsight.access.work_folder import WorkFolderUnusable
from rafsight.base.events import silent
from rafsight.formats.stream_compression import LayerCompression

CONTENT = os.urandom(300_000) * 20


def write(draft, content, piece=700_000):
    for start in range(0, len(content), piece):
        draft.write(content[start : start + piece])
    return draft.finish()


@pytest.mark.parametrize("content", [b"", b"small", CONTENT])
def test_digests_and_sizes_are_those_of_the_bytes(content, tmp_path):
    with threads(1, name="test") as pool:
        draft = LayerDraft(pool, LayerCompression.GZIP, folder=tmp_path / "work")
        layer = write(draft, content)
        for _ in range(2):  # sending may have to begin anew
            with draft.pieces() as pieces:
                stored = b"".join(pieces)
            assert layer.digest == "sha256:" + hashlib.sha256(stored).hexdigest()
            assert layer.size == len(stored)
        draft.close()
    assert gzip.decompress(stored) == content
    assert (layer.diff_id, layer.tar_size) == ("sha256:" + hashlib.sha256(content).hexdigest(), len(content))
    assert list((tmp_path / "work").iterdir()) == []


def test_a_full_disk_is_told_while_writing():
    with threads(1, name="test") as pool:
        draft = LayerDraft(pool, LayerCompression.NONE)
        draft._file.close()
        with Path("/dev/full").open("wb", buffering=0) as draft._file:
            with pytest.raises(WorkFolderUnusable, match="No space left"):
                write(draft, CONTENT * 3)
            draft.close()


def test_a_draft_may_be_dropped_at_any_time(tmp_path):
    with threads(1, name="test") as pool:
        draft = LayerDraft(pool, LayerCompression.ZSTD, folder=tmp_path)
        draft.write(CONTENT)
        draft.close()
    assert draft._file.closed


def test_layers_are_sent_in_order(tmp_path):
    target = LayoutTarget(tmp_path)
    with threads(1, name="test") as pool, send_layers(target, silent) as sender:
        drafts = [LayerDraft(pool, LayerCompression.NONE) for _ in range(3)]
        layers = [write(draft, bytes([number]) * 1000) for number, draft in enumerate(drafts)]
        for draft, layer in zip(drafts, layers, strict=True):
            sender.send(draft, layer)
        pushed = sender.finish()
    assert [one.how for one in pushed] == ["sent"] * 3
    assert all(target.has_blob(layer.digest) for layer in layers)
    assert all(draft._file.closed for draft in drafts)


class Slow(LayoutTarget):
    """Waits after the first piece."""

    def __init__(self, folder):
        super().__init__(folder)
        self.begun, self.may_go_on, self.taken = threading.Event(), None, 0

    def push_blob(self, digest, size, content, *, neighbour=""):
        with content() as pieces:
            for _ in pieces:
                self.taken += 1
                self.begun.set()
                assert self.may_go_on.wait(60)


def test_what_is_under_way_ends_with_the_block(tmp_path):
    """It is not sent to its end: that may take long."""
    target = Slow(tmp_path)

    def fail(sender, draft, layer):
        target.may_go_on = sender._is_over  # set as the block ends
        sender.send(draft, layer)
        assert target.begun.wait(60)
        raise ValueError("mine")

    with threads(1, name="test") as pool:
        draft = LayerDraft(pool, LayerCompression.NONE)
        layer = write(draft, CONTENT)
        with pytest.raises(ValueError, match="mine"), send_layers(target, silent) as sender:
            fail(sender, draft, layer)
    assert target.taken == 1
    assert draft._file.closed
