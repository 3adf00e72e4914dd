"""Connections to the kernel: mounted, cloned, closed, taken away; as root, and through the helper."""

import errno
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.views.fuse.mounts import BECOME, PATIENCE, ROOT, SERVED, mounted, tree_files
from tests.views.observed import needs_root

from rafsight.views.fuse.channel import Channel, MountOptions, NoFuse, open_channel
from rafsight.views.mount.kernel import UnmountRefused, mount_at


@pytest.fixture
def opened(tmp_path):
    """Mount a connection on which nobody answers; nobody may look at it."""
    made = []

    def make(**options):
        directory = tmp_path / f"mounted {len(made)}"
        directory.mkdir()
        try:
            made.append(open_channel(directory, MountOptions(**options)))
        except NoFuse as missing:
            pytest.skip(str(missing))
        return made[-1]

    yield make
    for channel in made:
        if mount_at(channel.directory) is not None:
            channel.unmount(lazy=True)
        channel.close()


def options_at(directory):
    """Return what the table of mounts says: options of the mount, and of the file system."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    (line,) = [one for one in lines if one.split(" ")[4] == str(directory).replace(" ", "\\040")]
    left, _, right = line.partition(" - ")
    return set(left.split(" ")[5].split(",")), set(right.split(" ")[2].split(","))


@pytest.mark.root
@needs_root
def test_every_mount_is_read_only_without_devices_and_set_user_id_programs(opened):
    channel = opened(name="source, with a comma")
    place = mount_at(channel.directory)
    assert (place.kind, place.source) == ("fuse.rafsight", "source, with a comma")
    mount, filesystem = options_at(channel.directory)
    assert {"ro", "nosuid", "nodev"} <= mount
    assert {"allow_other", "default_permissions", "max_read=1048576"} <= filesystem
    channel = opened(allow_other=False, default_permissions=False, max_read=65_536)
    mount, filesystem = options_at(channel.directory)
    assert {"ro", "nosuid", "nodev"} <= mount
    assert "max_read=65536" in filesystem
    assert not {"allow_other", "default_permissions"} & filesystem


@pytest.mark.root
@needs_root
def test_a_mount_is_taken_away_once(opened):
    channel = opened()
    channel.unmount()
    assert mount_at(channel.directory) is None
    with pytest.raises(UnmountRefused) as refused:
        channel.unmount()
    assert refused.value.errno == errno.EINVAL


@pytest.mark.root
@needs_root
def test_a_mount_that_is_in_use_is_only_detached(tmp_path):
    with mounted(tmp_path, tree_files(SERVED)) as mount, (mount.directory / "small").open("rb"):
        channel = Channel(directory=mount.directory, fd=-1, is_privileged=True)
        with pytest.raises(UnmountRefused) as refused:
            channel.unmount()
        assert refused.value.errno == errno.EBUSY
        assert mount_at(mount.directory) is not None
        channel.unmount(lazy=True)
        assert mount_at(mount.directory) is None


@pytest.mark.root
@needs_root
def test_all_descriptors_are_closed(opened):
    channel = opened()
    fds = [channel.fd, *(channel.clone() for _ in range(3))]
    assert len(set(fds)) == 4
    assert not any(map(os.get_inheritable, fds))
    channel.close()
    channel.close()
    assert channel.fd == -1
    for fd in fds:
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(fd)


def test_a_descriptor_that_cannot_be_cloned_is_doubled():
    """As for ordinary users who may not open the device."""
    ours, theirs = socket.socketpair()
    with theirs:
        channel = Channel(directory=Path("/nowhere"), fd=ours.detach(), is_privileged=False)
        os.write(channel.clone(), b"same")
        assert theirs.recv(10) == b"same"
        channel.close()
        assert theirs.recv(10) == b"", "nobody has it any more"


@pytest.mark.root
@needs_root
def test_where_nothing_can_be_mounted(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for name, why in (("missing", "No such file"), ("file", "Not a directory")):
        with pytest.raises(NoFuse, match=why) as refused:
            open_channel(tmp_path / name, MountOptions())
        assert name in str(refused.value)
        assert "fusermount3" in refused.value.remedy


OPEN = (
    BECOME
    + """
from pathlib import Path
from rafsight.views.fuse.channel import MountOptions, NoFuse, open_channel
from rafsight.views.mount.kernel import UnmountRefused, mount_at
import subprocess, tempfile
os.environ["PATH"] = sys.argv[2]
try:
    channel = open_channel(Path(sys.argv[1]), MountOptions(name=sys.argv[3]))
except NoFuse as missing:
    print("NoFuse", missing)
    sys.exit()
print(mount_at(channel.directory))
print(Path("/proc/self/mountinfo").read_text())
channel.unmount()
print("after:", mount_at(channel.directory))
try:
    channel.unmount()
except UnmountRefused as refused:
    print("again:", refused.errno)
channel.close()
"""
)


def as_user(directory, *, path=os.environ["PATH"], name="a source, a \\\\ and more"):
    # the modules are loaded while it is still allowed to read them
    code = "import rafsight.views.fuse.channel, encodings.idna, subprocess, socket, tempfile\n" + OPEN
    done = subprocess.run(
        [sys.executable, "-c", code, "65534", directory, path, name],
        capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def users_folder():
    """A folder of an ordinary user, where he may go."""
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, 65534, 65534)
        yield Path(name)


@pytest.mark.root
@needs_root
def test_an_ordinary_user_gets_a_mount_from_the_helper(users_folder):
    said = as_user(users_folder)
    if said.startswith("NoFuse"):
        pytest.skip(said)
    assert "kind='fuse.rafsight', source='a source, a \\\\\\\\ and more'" in said
    (line,) = [one for one in said.splitlines() if f" {users_folder} " in one]
    words = set(line.replace(" ", ",").split(","))
    assert {"ro", "nosuid", "nodev", "default_permissions", "user_id=65534", "max_read=1048576"} <= words
    assert "allow_other" not in words
    assert "after: None" in said
    assert f"again: {errno.EINVAL}" in said


@pytest.mark.root
@needs_root
def test_what_the_helper_says_is_passed_on(tmp_path, users_folder):
    assert "is not installed" in as_user(users_folder, path="/nowhere")
    said = as_user(Path("/usr"))
    assert said.startswith("NoFuse")
    assert "fusermount3" in said or "permission" in said.lower()
    assert mount_at(Path("/usr")) is None
