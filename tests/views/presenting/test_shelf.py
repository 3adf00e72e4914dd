"""Layers as files: whole or not at all, compared before they go out, and never more than there is room for."""

import hashlib
import os
import time

import pytest

from rafsight.views.presenting.shelf import Shelf, ShelfTooSmall, ShelfUnusable

DAY = 24 * 3600


def put(shelf, content, **more):
    with shelf.draft(**more) as draft:
        draft.write(content[:3])
        draft.write(content[3:])
    assert draft.digest == "sha256:" + hashlib.sha256(content).hexdigest()
    assert draft.size == len(content)
    return draft.digest


def read(shelf, digest):
    file = shelf.open(digest)
    if file is None:
        return None
    with file:
        return file.read()


def names(folder):
    return {path.name for path in (folder / "layers").iterdir()}


def test_a_layer_is_kept_by_its_digest(tmp_path):
    shelf = Shelf(tmp_path)
    digest = put(shelf, b"a layer")
    assert shelf.has(digest)
    assert read(shelf, digest) == read(Shelf(tmp_path), digest) == b"a layer"
    assert names(tmp_path) == {digest.removeprefix("sha256:")}


def test_what_is_not_ended_is_not_there(tmp_path):
    shelf = Shelf(tmp_path)

    def write_half():
        with shelf.draft() as draft:
            draft.write(b"half")
            assert names(tmp_path) != set()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert names(tmp_path) == set()


def test_a_damaged_layer_goes(tmp_path):
    digest = put(Shelf(tmp_path), b"a layer")
    (tmp_path / "layers" / digest.removeprefix("sha256:")).write_bytes(b"a lawyer")
    assert read(Shelf(tmp_path), digest) is None
    assert names(tmp_path) == set()


@pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "sha512:" + "0" * 128, "sha256:../../etc/passwd", "", "x"])
def test_what_is_not_there(tmp_path, digest):
    put(Shelf(tmp_path), b"a layer")
    assert not Shelf(tmp_path).has(digest)
    assert Shelf(tmp_path).open(digest) is None


def test_those_that_were_used_longest_ago_go(tmp_path):
    shelf = Shelf(tmp_path, room=30)
    digests = [put(shelf, f"layer {index:3}".encode()) for index in range(3)]
    for index, digest in enumerate(digests):
        past = time.time() - (3 - index) * DAY
        os.utime(tmp_path / "layers" / digest.removeprefix("sha256:"), (past, past))
    assert read(shelf, digests[0])  # which marks it
    last = put(shelf, b"one more  ")
    assert [shelf.has(digest) for digest in (*digests, last)] == [True, False, True, True]


def test_who_reads_a_layer_that_goes_reads_on(tmp_path):
    shelf = Shelf(tmp_path, room=10)
    with shelf.open(put(shelf, b"0123456789")) as file:
        put(shelf, b"abcdefghij")
        assert file.read() == b"0123456789"


def test_the_layers_of_one_image_have_to_fit(tmp_path):
    shelf = Shelf(tmp_path, room=15)
    with pytest.raises(ShelfTooSmall):
        put(shelf, b"x" * 16)
    first = put(shelf, b"0123456789")
    with pytest.raises(ShelfTooSmall):
        put(shelf, b"abcdefghij", keep=frozenset([first]))
    assert shelf.has(first)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    shelf = Shelf(tmp_path / "file", room=100)
    with pytest.raises(ShelfUnusable, match="cannot be kept in"), shelf.draft():
        pass


def test_what_killed_processes_left_goes(tmp_path):
    shelf = Shelf(tmp_path)
    digest = put(shelf, b"a layer")
    for name, age in ((".new-old", 2 * DAY), (".new-young", 60)):
        (tmp_path / "layers" / name).write_bytes(b"half")
        os.utime(tmp_path / "layers" / name, (time.time() - age,) * 2)
    shelf.tidy()
    assert names(tmp_path) == {digest.removeprefix("sha256:"), ".new-young"}
