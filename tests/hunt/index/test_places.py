import threading
import uuid
from pathlib import Path

import pytest

from rafsight.hunt.index.places import FsspecPlace, IndexUnreachable, LocalPlace, UnknownIndexUrl, find_place


@pytest.fixture(params=["folder", "memory"])
def place(request, tmp_path):
    if request.param == "folder":
        yield find_place(str(tmp_path / "a b" / "index"))
        return
    fsspec = pytest.importorskip("fsspec", reason="needs the extra `fsspec`")
    root = f"/{uuid.uuid4()}"
    yield find_place(f"memory:/{root}")
    memory = fsspec.filesystem("memory")
    if memory.exists(root):
        memory.rm(root, recursive=True)


def test_files_come_and_go(place, tmp_path):
    assert place.listing("parts") == []
    assert place.read("parts/a") is None
    assert not place.fetch("parts/a", tmp_path / "copy")
    (tmp_path / "source").write_bytes(b"content")
    place.put("parts/a", tmp_path / "source")
    place.put("parts/b", tmp_path / "source")
    assert place.listing("parts") == ["a", "b"]
    assert place.read("parts/a") == b"content"
    assert place.fetch("parts/a", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content"
    place.remove("parts/a")
    place.remove("parts/a")
    assert place.listing("parts") == ["b"]


def test_of_many_who_create_one_does(place):
    outcomes: list[tuple[bool, bytes]] = []

    def create(number: int) -> None:
        content = b"%d" % number
        outcomes.append((place.create("generations/1", content), content))

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [content for is_made, content in outcomes if is_made]
    assert place.read("generations/1") == winner
    assert place.listing("generations") == ["1"]


def test_paths_and_urls(tmp_path):
    assert isinstance(find_place("/a/b"), LocalPlace)
    assert isinstance(find_place("relative"), LocalPlace)
    assert find_place(f"file://{tmp_path}/x%20y").name == f"{tmp_path}/x y"
    for url in ("", "  ", "a\0b", "nosuchscheme://x/y"):
        with pytest.raises(UnknownIndexUrl):
            find_place(url)


def test_passwords_are_not_shown():
    pytest.importorskip("fsspec", reason="needs the extra `fsspec`")
    place = FsspecPlace("memory://user:secret@host/x")
    assert place.name == "memory://host/x"
    with pytest.raises(UnknownIndexUrl) as caught:
        FsspecPlace("nosuchscheme://user:secret@host/x")
    assert "secret" not in str(caught.value)


def test_a_place_that_fails_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    place = LocalPlace(tmp_path / "file")
    assert place.listing("parts") == []
    with pytest.raises(IndexUnreachable, match="writing failed"):
        place.create("generations/1", b"x")
    with pytest.raises(IndexUnreachable, match="reading failed"):
        LocalPlace(tmp_path).read(".")
    assert not list(Path(tmp_path).glob(".draft*"))
