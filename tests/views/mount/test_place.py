"""Folders that may show a view."""

import os

import pytest
from tests.views.mount.places import needs_root

from rafsight.base.errors import ExitStatus
from rafsight.views.mount.place import UnusablePlace, find_place, make_place, place_of


@pytest.fixture
def here(tmp_path):
    (tmp_path / "cache").mkdir()
    return tmp_path.resolve()


def test_a_folder_that_is_there_and_one_that_is_not(here):
    (here / "there").mkdir()
    assert find_place(here / "there", here / "cache") == (here / "there", True)
    assert find_place(here / "new", here / "cache") == (here / "new", False)
    assert not (here / "new").exists()
    make_place(here / "new")
    make_place(here / "new")
    assert (here / "new").is_dir()


def test_links_are_followed_and_relative_names_too(here, monkeypatch):
    (here / "there").mkdir()
    (here / "link").symlink_to("there")
    monkeypatch.chdir(here)
    from pathlib import Path

    assert find_place(Path("link"), here / "cache") == (here / "there", True)
    assert find_place(Path("link/new"), here / "cache") == (here / "there/new", False)
    assert find_place(Path("link/../other"), here / "cache") == (here / "other", False)


@pytest.mark.parametrize("name", ["file", "fifo", "dangling/x", "nowhere/new", "file/new", "loop", "a\0b", "x" * 300])
def test_what_cannot_be_a_place_is_refused(here, name):
    (here / "file").write_bytes(b"")
    os.mkfifo(here / "fifo")
    (here / "dangling").symlink_to("nothing")
    (here / "loop").symlink_to("loop")
    with pytest.raises(UnusablePlace) as refused:
        find_place(here / name, here / "cache")
    assert refused.value.exit_status == ExitStatus.OUTPUT


def test_a_link_to_nowhere_shows_where_it_points(here):
    (here / "link").symlink_to("new")
    assert find_place(here / "link", here / "cache") == (here / "new", False)


def test_the_cache_is_not_hidden(here):
    for place in (here, here / "cache", here.parent):
        with pytest.raises(UnusablePlace, match="own cache"):
            find_place(place, here / "cache")
    (here / "link").symlink_to("cache")
    with pytest.raises(UnusablePlace, match="own cache"):
        find_place(here, here / "link")
    assert find_place(here / "cache/below", here / "cache") == (here / "cache/below", False)


def test_a_folder_that_cannot_be_made(here):
    (here / "file").write_bytes(b"")
    with pytest.raises(UnusablePlace, match="Not a directory"):
        make_place(here / "file/new")


@pytest.mark.root
def test_nothing_is_made_where_nothing_can_be():
    needs_root()
    from pathlib import Path

    with pytest.raises(UnusablePlace):
        make_place(Path("/proc/new"))


def test_where_a_mount_may_be_is_found_without_asking_it(here, monkeypatch):
    from pathlib import Path

    (here / "real").mkdir()
    (here / "above").symlink_to("real")
    (here / "link").symlink_to("real/view")
    monkeypatch.chdir(here)
    for name in ("real/view", "above/view", "real/./x/../view", "link", here / "link"):
        assert place_of(Path(name)) == here / "real/view"
    assert place_of(here / "nowhere/at/all") == here / "nowhere/at/all"
