"""The mount calls, and the table of mounts, whatever the names in it are."""

import errno
import os

import pytest
from tests.views.mount.places import clean_spot, needs_engine, needs_root, tmpfs

from rafsight.views.mount.kernel import (
    MountRefused,
    UnmountRefused,
    is_on_top,
    list_mounts,
    mount,
    mount_at,
    mount_erofs,
    require_kind,
    unmount,
)

pytestmark = pytest.mark.root


@pytest.fixture
def spot(tmp_path):
    needs_root()
    with clean_spot(tmp_path) as folder:
        yield folder


@pytest.mark.parametrize(
    "name", [b"plain", b"a b", b"line\nbreak", b"tab\t", b"back\\slash", b"\\040", b"#x", b"\xff\xc3\xa9"]
)
def test_names_come_back_from_the_table(spot, name):
    directory = spot / os.fsdecode(name)
    directory.mkdir()
    with tmpfs(directory, source=os.fsdecode(name)):
        found = mount_at(directory)
        assert (found.path, found.kind, os.fsencode(found.source)) == (directory, "tmpfs", name)
        assert found.device == (os.major(directory.stat().st_dev), os.minor(directory.stat().st_dev))
    assert mount_at(directory) is None


def test_the_topmost_is_what_is_mounted(spot):
    with tmpfs(spot, source="below"):
        below = mount_at(spot)
        assert is_on_top(below)
        with tmpfs(spot, source="above"):
            above = mount_at(spot)
            assert [one.source for one in list_mounts() if one.path == spot] == ["below", "above"]
            assert (above.source, is_on_top(above), is_on_top(below)) == ("above", True, False)
        assert is_on_top(below)
        assert not is_on_top(above)
    assert not is_on_top(below)


def test_a_mount_is_safe_unless_somebody_says_otherwise(spot):
    mount("none", spot, "tmpfs", data="size=4096")
    try:
        flags = os.statvfs(spot).f_flag
        assert flags & os.ST_RDONLY
        assert flags & os.ST_NOSUID
        assert flags & os.ST_NODEV
    finally:
        unmount(spot)


def test_a_mount_in_use_is_refused_and_can_be_detached(spot):
    with tmpfs(spot):
        file = os.open(spot, os.O_RDONLY)
        try:
            with pytest.raises(UnmountRefused, match="busy") as refused:
                unmount(spot)
            assert refused.value.errno == errno.EBUSY
            unmount(spot, lazy=True)
        finally:
            os.close(file)
    with pytest.raises(UnmountRefused) as refused:
        unmount(spot)
    assert refused.value.errno == errno.EINVAL
    with pytest.raises(UnmountRefused) as refused:
        unmount(spot / "nowhere")
    assert refused.value.errno == errno.ENOENT


def test_links_are_not_followed_to_what_is_unmounted(spot):
    (spot / "real").mkdir()
    (spot / "link").symlink_to("real")
    with tmpfs(spot / "real"):
        with pytest.raises(UnmountRefused):
            unmount(spot / "link")
        assert mount_at(spot / "real") is not None


def test_a_kind_that_the_kernel_does_not_know(spot):
    with pytest.raises(MountRefused, match="mounting nosuchfs") as refused:
        require_kind("nosuchfs", spot)
    assert refused.value.errno == errno.ENODEV
    with pytest.raises(MountRefused) as refused:
        mount("none", spot, "nosuchfs", data="")
    assert refused.value.errno == errno.ENODEV


def test_what_is_no_volume_is_refused(spot):
    needs_engine("erofs", spot)
    (spot / "metadata, with a comma").write_bytes(bytes(8192))
    with pytest.raises(MountRefused) as refused:
        mount_erofs(spot / "metadata, with a comma", [], spot)
    assert refused.value.errno == errno.EINVAL
    with pytest.raises(MountRefused) as refused:
        mount_erofs(spot / "nowhere", [], spot)
    assert refused.value.errno == errno.ENOENT
