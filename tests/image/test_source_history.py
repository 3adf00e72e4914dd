"""What is remembered of layers: removals, directories without entries, links."""

import pytest
from tests.access.source_images import Entry, folder, hard_link, tar_of

from rafsight.formats.tables import MalformedImage
from rafsight.formats.tar import read_members
from rafsight.image.source_history import LayerHistory, PathRoom


def history_of(*layers, room=None):
    history = LayerHistory(room)
    for entries in layers:
        history.begin_layer()
        for member in read_members(iter([tar_of(entries)]), where="layer"):
            history.note(member)
    history.finish()
    return history


def test_the_last_removal_of_a_path_or_of_something_above_it():
    history = history_of(
        [Entry(b"a/.wh.b"), Entry(b".wh.top")],
        [Entry(b"a/.wh..wh..opq")],
        [Entry(b"a/b/.wh.c")],
    )
    assert history.removal_of(b"a/b") == (1, b"a/.wh..wh..opq")
    assert history.removal_of(b"a/b/c") == (2, b"a/b/.wh.c")
    assert history.removal_of(b"a/b/c/d") == (2, b"a/b/.wh.c")
    assert history.removal_of(b"top/x") == (0, b".wh.top")
    assert history.removal_of(b"a") is None


def test_directories_that_a_layer_does_not_name():
    history = history_of(
        [folder(b""), folder(b"a"), Entry(b"a/b/c")], [Entry(b"a/.wh.x"), folder(b"a/b")], [folder(b"a")]
    )
    assert history.unnamed == {b"a/b": 0, b"": 2, b"a": 1}
    assert history.named == {b"", b"a", b"a/b"}


def test_a_link_is_forgotten_when_its_name_is_taken():
    history = history_of([Entry(b"a"), hard_link(b"b", b"a"), hard_link(b"c", b"a")], [Entry(b"b")])
    assert history.links == {b"c": b"a"}


def test_room_is_given_back_between_layers():
    layer = [folder(b"d%d" % number) for number in range(100)]
    with pytest.raises(MalformedImage, match="more and deeper paths"):
        history_of(layer, room=PathRoom(10_000))
    history_of(*[layer] * 20, room=PathRoom(40_000))
