"""An image as files: order, attributes, and links."""

import pytest

import rafsight
from rafsight.testing.registry import PLANTED


@pytest.fixture(scope="module")
def image():
    with rafsight.open_image(f"oci:{PLANTED}:v6") as opened:
        yield opened


def test_a_recursive_listing_goes_folder_by_folder_as_ls_does(image):
    expected, pending = [], [b""]
    while pending:
        folder = pending.pop()
        entries = list(rafsight.list_files(image, folder))
        expected += [entry.path for entry in entries]
        pending += [entry.path for entry in reversed(entries) if entry.kind == "directory"]
    assert [entry.path for entry in rafsight.list_files(image, b"", recursive=True)] == expected
    assert len(expected) == len(image.tree) - 1


def test_entries_say_what_stat_would(image):
    for entry in rafsight.list_files(image, b"/", recursive=True):
        attributes = image.tree.attributes(entry.row)
        assert entry.path == image.tree.path(entry.row)
        for name in ("kind", "mode", "uid", "gid", "size", "mtime", "mtime_nsec", "nlink", "device"):
            assert getattr(entry, name) == getattr(attributes, name), name
        assert (entry.target is not None) == (entry.kind == "symlink")


def test_a_folder_behind_a_link_keeps_the_name_that_was_asked_for(image):
    listed = [entry.path for entry in rafsight.list_files(image, b"/opt/current/", recursive=True)]
    assert listed
    assert all(path.startswith(b"opt/current/") for path in listed)
    (file,) = rafsight.list_files(image, b"/etc/os-release")
    assert (file.path, file.kind) == (b"etc/os-release", "file")


@pytest.mark.parametrize("pattern", [b"*.py", b"*", b"usr/*/dpkg", b"[", b""])
def test_finding_is_depth_first_and_complete(image, pattern):
    import fnmatch

    by_path = b"/" in pattern
    walked = [image.tree.path(row) for row in image.tree.walk() if row]
    expected = [p for p in walked if fnmatch.fnmatchcase(p if by_path else p.rpartition(b"/")[2], pattern)]
    assert [entry.path for entry in rafsight.find_files(image, pattern)] == expected


def test_only_one_kind_is_found(image):
    assert {entry.kind for entry in rafsight.find_files(image, b"*", kind="symlink")} == {"symlink"}
