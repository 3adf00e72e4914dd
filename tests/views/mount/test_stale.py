"""What a view leaves is taken away, and nothing else."""

import fcntl
import os
from contextlib import ExitStack, contextmanager

import pytest
from tests.views.mount.places import clean_spot, mounts_below, tmpfs

from rafsight.views.mount.kernel import mount_at
from rafsight.views.mount.records import opened_site, source_of, views_folder
from rafsight.views.mount.stale import clean_stale, mounts_of, remove_folder, take_down


@pytest.fixture
def spot(tmp_path):
    with clean_spot(tmp_path) as folder:
        yield folder


@pytest.fixture
def folder(spot):
    return views_folder(spot / "cache")


def leave_a_view(folder, directory=None, *, made=False):
    with opened_site(folder, "app:v1", directory, made_directory=made, hears_signals=True) as site:
        return site


def test_the_folder_of_a_killed_view_goes(folder, spot):
    (spot / "made").mkdir()
    site = leave_a_view(folder, spot / "made", made=True)
    for name in ("log", "stats.json", "stats.json.new", "metadata"):
        (site.folder / name).write_bytes(b"x")
    assert clean_stale(folder) == [site.record]
    assert [path.name for path in folder.iterdir()] == ["lock"]
    assert not (spot / "made").exists()
    assert clean_stale(folder) == []


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_of_the_user_stays(folder, spot, made):
    """One that was there, and one that we made and somebody put something into."""
    (spot / "place").mkdir()
    (spot / "place/file").write_bytes(b"x")
    if not made:
        (spot / "place/file").unlink()
    leave_a_view(folder, spot / "place", made=made)
    clean_stale(folder)
    assert (spot / "place").is_dir()
    assert [path.name for path in folder.iterdir()] == ["lock"]


@pytest.mark.parametrize("left", ["nothing", "a lock", "damage"])
def test_folders_written_half_go(folder, left):
    (folder / "half").mkdir()
    if left != "nothing":
        (folder / "half/lock").write_bytes(b"")
    if left == "damage":
        (folder / "half/record.json").write_bytes(b"{")
    assert clean_stale(folder) == []
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_view_that_lives_is_let_be(folder):
    dead = leave_a_view(folder)
    with opened_site(folder, "app:v2", None, made_directory=False, hears_signals=True) as alive:
        assert clean_stale(folder) == [dead.record]
        assert sorted(path.name for path in folder.iterdir()) == sorted([alive.folder.name, "lock"])
    assert clean_stale(folder) == [alive.record]


def test_a_lock_that_a_guardian_still_holds_counts(folder):
    """The guardian inherits the descriptor: the lock is held as long as one of the two has it."""
    with opened_site(folder, "app:v1", None, made_directory=False, hears_signals=True) as site:
        other = os.dup(site.lock)
    assert clean_stale(folder) == []
    os.close(other)
    assert clean_stale(folder) == [site.record]


def test_a_lock_that_is_a_link_is_not_touched(folder, spot):
    (folder / "odd").mkdir()
    (spot / "target").write_bytes(b"x")
    (folder / "odd/lock").symlink_to(spot / "target")
    clean_stale(folder)
    assert (spot / "target").read_bytes() == b"x"
    remove_folder(folder / "odd")


def test_nothing_is_removed_through_links(folder, spot):
    (spot / "precious").mkdir()
    (spot / "precious/file").write_bytes(b"x")
    site = leave_a_view(folder)
    (site.folder / "link").symlink_to(spot / "precious")
    (site.folder / "full").mkdir()
    (site.folder / "full/file").write_bytes(b"x")
    clean_stale(folder)
    assert (spot / "precious/file").read_bytes() == b"x"
    assert (site.folder / "full/file").exists(), "what is no file of a view is nobody's business"
    (site.folder / "full/file").unlink()
    clean_stale(folder)


@contextmanager
def view_with_mounts(folder, spot):
    """A dead view with one mount of each kind that belongs to it."""
    (spot / "place").mkdir()
    with tmpfs(spot / "place"):
        pass  # whoever may not mount leaves here, where there is no view yet
    site = leave_a_view(folder, spot / "place")
    inside, name = site.folder / "blobs", source_of(site.folder)
    with ExitStack() as stack:
        stack.enter_context(tmpfs(inside, source="whatever"))
        stack.enter_context(tmpfs(spot / "place", source=str(site.folder / "metadata")))
        (spot / "other").mkdir()
        stack.enter_context(tmpfs(spot / "other", source=name))
        yield site


@pytest.mark.root
def test_mounts_are_known_by_place_source_and_name(folder, spot):
    with view_with_mounts(folder, spot) as site:
        (spot / "foreign").mkdir()
        with tmpfs(spot / "foreign", source=name_like(site)):
            assert [one.path for one in mounts_of(site.folder)] == [
                site.folder / "blobs",
                spot / "place",
                spot / "other",
            ]
            assert clean_stale(folder) == [site.record]
            assert mounts_below(spot) == [spot / "foreign"]
        assert not site.folder.exists()


def name_like(site):
    return source_of(site.folder) + "0"


@pytest.mark.root
def test_mounts_in_use_go_too(folder, spot):
    with view_with_mounts(folder, spot) as site:
        held = os.open(spot / "place", os.O_RDONLY)
        try:
            assert take_down(site.folder)
            assert mounts_below(spot) == []
        finally:
            os.close(held)


@pytest.mark.root
def test_what_somebody_mounted_over_a_view_stays(folder, spot):
    """Then the view cannot go; the next one tries again."""
    with view_with_mounts(folder, spot) as site:
        with tmpfs(spot / "place", source="foreign"):
            assert clean_stale(folder) == []
            assert mount_at(spot / "place").source == "foreign"
            assert site.folder.exists()
        assert clean_stale(folder) == [site.record]
        assert mounts_below(spot) == []


def test_a_view_is_cleaned_by_one_process_at_a_time(folder):
    site = leave_a_view(folder)
    lock = os.open(site.folder / "lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert clean_stale(folder) == []
        assert site.folder.exists()
    finally:
        os.close(lock)
    clean_stale(folder)
    assert not site.folder.exists()
