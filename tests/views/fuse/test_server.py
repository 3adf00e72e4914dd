"""Mounted trees as programs see them; whoever looks is another process, with a limit to its time."""

import errno
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from tests.formats.made_tables import (
    Node,
    acl,
    device,
    directory,
    large_directory,
    make_image,
    odd_tree,
    stated,
    symlink,
    trees,
)
from tests.views.fuse.mounts import BECOME, PATIENCE, ROOT, SERVED, Memory, mounted, serving, tree_files
from tests.views.observed import assert_tree, needs_root, observe, run, run_python

from rafsight.access.backend import NotFound
from rafsight.image.tree import ImageTree
from rafsight.views.fuse.channel import MountOptions
from rafsight.views.fuse.tree_files import TreeFiles
from rafsight.views.mount.kernel import list_mounts, mount_at, unmount

pytestmark = [pytest.mark.root, needs_root]

NOISE = hashlib.shake_256(b"noise").digest(3 * 1_048_576 + 17)


def test_a_tree_of_everything_odd(tmp_path):
    nodes = odd_tree()
    with mounted(tmp_path, tree_files(nodes)) as mount:
        assert mount.is_alive
        assert_tree(observe(mount.directory), stated(nodes))
    assert mount.wait_gone(0)
    assert mount_at(mount.directory) is None


@settings(max_examples=20, phases=[Phase.generate])  # mounts are too slow to shrink
@given(nodes=trees())
def test_any_tree(nodes, tmp_path_factory):
    with mounted(tmp_path_factory.mktemp("any"), tree_files(nodes)) as mount:
        assert_tree(observe(mount.directory), stated(nodes))


READ_DIRECTORY = """
import ctypes, json, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
buffer = ctypes.create_string_buffer(int(sys.argv[2]))
def entries():
    found = []
    while True:
        size = libc.syscall(217 if os.uname().machine == "x86_64" else 61, fd, buffer, len(buffer))
        assert size >= 0, os.strerror(ctypes.get_errno())
        if size == 0:
            return found
        at = 0
        while at < size:
            ino, cookie, length, kind = struct.unpack_from("=QqHB", buffer, at)
            found.append((ctypes.string_at(ctypes.addressof(buffer) + at + 19).hex(), ino, cookie, kind))
            at += length
whole = entries()
def again(cookie):
    os.lseek(fd, cookie, os.SEEK_SET)
    return entries()
assert again(0) == whole
for place in range(0, len(whole), int(sys.argv[3])):
    assert again(whole[place][2]) == whole[place + 1:], place
print(json.dumps(whole))
"""


@pytest.mark.parametrize(("size", "step"), [(300, 1601), (4096, 797), (1 << 20, 1601)])
def test_a_large_directory_is_complete_in_order_and_goes_on_at_any_cookie(size, step, tmp_path):
    nodes = large_directory(6000)
    with mounted(tmp_path, tree_files(nodes)) as mount:
        place = mount.directory / "d"
        for _ in range(2):  # from us, and from the kernel's cache
            whole = json.loads(run_python(READ_DIRECTORY, place, str(size), str(step)))
            names = [bytes.fromhex(one[0]) for one in whole]
            assert names == [b".", b"..", *sorted(path[2:] for path in nodes if path.startswith(b"d/"))]
            inos = run_python(
                "import os, sys, json; print(json.dumps([os.lstat(os.fsencode(sys.argv[1]) + b'/' + bytes.fromhex(n)).st_ino"
                " for n in sys.stdin.read().split()]))",
                place,
                input=" ".join(one[0] for one in whole[2::50]).encode(),
            )
            assert json.loads(inos) == [one[1] for one in whole[2::50]]
            assert {one[3] for one in whole[2:]} == {stat.S_IFREG >> 12}


def test_names_that_are_not_there_are_not_found(tmp_path):
    with mounted(tmp_path, tree_files({b"d/a": Node()})) as mount:
        for name in ("b", "d/b", "d/a/x", "\udcff", "d/" + "n" * 255):
            for _ in range(2):
                assert not os.path.lexists(mount.directory / name)
        with pytest.raises(OSError, match="too long"):
            (mount.directory / ("n" * 256)).lstat()


def test_nanoseconds_that_no_builder_writes_end_before_the_next_second(tmp_path):
    small = make_image({b"f": Node(content=b"f")})
    entries = replace(small.tables.entries, mtime_nsec=np.array([1_000_000_000, 0xFFFF_FFFF], np.uint32))
    tree = ImageTree(replace(small.tables, entries=entries))
    with mounted(tmp_path, TreeFiles(tree, Memory({b"f": Node(content=b"f")}, small))) as mount:
        found = observe(mount.directory)
    assert [found[path]["mtime"] for path in (b"", b"f")] == [999_999_999, 999_999_999]


def test_statfs(tmp_path):
    with mounted(tmp_path, tree_files({b"a": Node(content=b"x" * 5000)})) as mount:
        found = os.statvfs(mount.directory)
    assert (found.f_bsize, found.f_frsize, found.f_blocks, found.f_files) == (4096, 4096, 2, 2)
    assert (found.f_bfree, found.f_bavail, found.f_ffree, found.f_namemax) == (0, 0, 0, 255)
    assert found.f_flag & (os.ST_RDONLY | os.ST_NOSUID | os.ST_NODEV) == os.ST_RDONLY | os.ST_NOSUID | os.ST_NODEV


def test_nobody_writes_and_devices_are_dead(tmp_path):
    nodes = {
        b"null": device(stat.S_IFCHR, 1, 3, mode=0o666),
        b"disk": device(stat.S_IFBLK, 7, 0, mode=0o666),
        b"f": Node(mode=0o100666),
    }
    code = """
import errno, os, sys
root = sys.argv[1]
def fails(number, call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        assert error.errno == number, (call, arguments, error)
    else:
        raise AssertionError((call, arguments))
for name in ("null", "disk"):
    fails(errno.EACCES, os.open, f"{root}/{name}", os.O_RDONLY)
fails(errno.EROFS, os.open, f"{root}/f", os.O_WRONLY)
fails(errno.EROFS, os.open, f"{root}/new", os.O_WRONLY | os.O_CREAT)
fails(errno.EROFS, os.mkdir, f"{root}/new")
fails(errno.EROFS, os.unlink, f"{root}/f")
fails(errno.EROFS, os.chmod, f"{root}/f", 0o600)
fails(errno.EROFS, os.setxattr, f"{root}/f", "user.a", b"1")
"""
    with mounted(tmp_path, tree_files(nodes)) as mount:
        run_python(code, mount.directory)


def test_files_are_mapped_into_memory(tmp_path):
    code = """
import hashlib, mmap, sys
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED) as view:
    tail = view[2_000_001:2_100_000]
    print(hashlib.sha256(view).hexdigest(), hashlib.sha256(tail).hexdigest())
"""
    with mounted(tmp_path, tree_files({b"f": Node(content=NOISE)})) as mount:
        said = run_python(code, mount.directory / "f").split()
    assert [one.decode() for one in said] == [
        hashlib.sha256(part).hexdigest() for part in (NOISE, NOISE[2_000_001:2_100_000])
    ]


def test_what_was_read_is_not_asked_for_again(tmp_path):
    files = tree_files({b"f": Node(content=NOISE)})
    with mounted(tmp_path, files) as mount:
        code = "import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())"
        for _ in range(3):
            assert run_python(code, mount.directory / "f").strip().decode() == hashlib.sha256(NOISE).hexdigest()
    assert files.tally.bytes <= len(NOISE) + 4096
    assert files.tally.reads < 100, "in large pieces"
    assert files.tally.files == 1


def test_permissions_of_owners_and_of_acls(tmp_path):
    """`default_permissions`: the kernel decides, by modes and by ACLs; user 1000 has one."""
    nodes = {
        b"": directory(mode=0o755),
        b"private": Node(content=b"p", mode=0o100600),
        b"owned": Node(content=b"o", mode=0o100400, uid=1000),
        b"listed": Node(content=b"l", mode=0o100770, xattrs={b"system.posix_acl_access": acl(group=0, other=0)}),
        b"closed": directory(mode=0o700),
        b"closed/f": Node(mode=0o100644),
    }
    tmp_path.chmod(0o755)
    code = (
        BECOME
        + """
for name in sys.argv[2:]:
    try:
        with open(f"{sys.argv[1]}/{name}", "rb") as file:
            print(name, file.read().decode())
    except PermissionError:
        print(name, "-")
"""
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with mounted(Path(folder), tree_files(nodes)) as mount:
            names = ("private", "owned", "listed", "closed/f")
            asked = {user: run_python(code, str(user), mount.directory, *names).decode() for user in (0, 1000, 1001)}
    assert asked[0] == "private p\nowned o\nlisted l\nclosed/f \n"
    assert asked[1000] == "private -\nowned o\nlisted l\nclosed/f -\n"
    assert asked[1001] == "private -\nowned -\nlisted -\nclosed/f -\n"


class Together(Memory):
    """Answers only when so many ask at the same time."""

    def __init__(self, nodes, small, count):
        super().__init__(nodes, small)
        self.barrier = threading.Barrier(count)

    def read_row(self, row, offset, size):
        self.barrier.wait(PATIENCE / 2)
        return super().read_row(row, offset, size)


READ_ALL = """
import hashlib, os, sys
from concurrent.futures import ThreadPoolExecutor
def read(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
paths = sorted(os.path.join(sys.argv[1], name) for name in os.listdir(sys.argv[1]))
with ThreadPoolExecutor(64) as pool:
    print(*pool.map(read, paths))
"""


def test_many_readers_are_answered_while_others_wait(tmp_path):
    """Sixteen reads wait for each other: four threads alone would wait for ever."""
    nodes = {b"%02d" % number: Node(content=b"%d" % number) for number in range(64)}
    store = Together(nodes, make_image(nodes), 16)
    with mounted(tmp_path, tree_files(nodes, store=store)) as mount:
        said = run_python(READ_ALL, mount.directory).decode().split()
    assert said == [hashlib.sha256(nodes[path].content).hexdigest() for path in sorted(nodes)]


def test_sixty_four_readers_of_large_files(tmp_path):
    nodes = {b"%02d" % number: Node(content=NOISE[number * 1000 :][: 500_000 + number]) for number in range(64)}
    files = tree_files(nodes)
    with mounted(tmp_path, files) as mount:
        said = run_python(READ_ALL, mount.directory).decode().split()
    assert said == [hashlib.sha256(nodes[path].content).hexdigest() for path in sorted(nodes)]
    assert files.tally.failed == 0


class Broken(Memory):
    """Raises instead of reading."""

    error = None

    def read_row(self, row, offset, size):
        if self.error is not None:
            raise self.error
        return super().read_row(row, offset, size)


def test_what_nobody_expected_is_said_once_and_is_an_error_for_readers(tmp_path):
    nodes, told = {b"a": Node(content=b"a"), b"b": Node(content=b"b")}, []
    store = Broken(nodes, make_image(nodes))
    store.error = ValueError("unexpected")
    with mounted(tmp_path, tree_files(nodes, store=store), listener=told.append) as mount:
        for name in ("a", "b", "a"):
            with pytest.raises(OSError, match="Input/output"):
                (mount.directory / name).read_bytes()
        store.error = NotFound(place="here", what="blob")
        with pytest.raises(OSError, match="Input/output"):
            (mount.directory / "b").read_bytes()
        store.error = None
        assert (mount.directory / "b").read_bytes() == b"b", "an error is not cached"
    assert len(told) == 1
    assert "unexpected" in str(told[0])


class TooMuch(Memory):
    """Gives more than was asked for."""

    def read_row(self, row, offset, size):
        return super().read_row(row, offset, size) + bytes(1 << 20)


def test_an_answer_that_the_kernel_does_not_take_is_said_and_is_an_error_for_readers(tmp_path):
    nodes, told = {b"a": Node(content=b"a" * 10_000)}, []
    files = tree_files(nodes, store=TooMuch(nodes, make_image(nodes)))
    with mounted(tmp_path, files, listener=told.append) as mount:
        done = subprocess.run(["cat", mount.directory / "a"], capture_output=True, timeout=PATIENCE, check=False)
        assert done.returncode == 1
        assert done.stdout == b""
    assert "does not take an answer" in str(told[0])


HOLD = """
import os, sys
os.chdir(sys.argv[1])
file = open("large", "rb", buffering=0)
first = file.read(1000)
assert first == (bytes(range(251)) * 4)[:1000]
print("holding", flush=True)
sys.stdin.readline()
try:
    rest = os.pread(file.fileno(), 1000, 8_000_000)
    assert rest == (bytes(range(251)) * 33_000)[8_000_000:8_001_000], "never wrong bytes"
    print("read")
except OSError as error:
    print("error", error.errno)
"""


@contextmanager
def holding(directory):
    """Have a process with a directory and a file of a mount."""
    command = [sys.executable, "-I", "-S", "-c", HOLD, directory]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "holding\n"
            yield process
        finally:
            process.kill()


def go_on(process):
    """Let the holder read more; returns what it says."""
    said, _ = process.communicate("go\n", timeout=PATIENCE)
    assert process.returncode == 0
    return said.split()


def test_leaving_a_mount_that_is_in_use_detaches_it_and_ends_its_readers(tmp_path):
    with ExitStack() as stack:
        with mounted(tmp_path, tree_files(SERVED)) as mount:
            process = stack.enter_context(holding(mount.directory))
            started = time.monotonic()
        assert time.monotonic() - started < 10
        assert mount_at(mount.directory) is None
        assert list(mount.directory.iterdir()) == []
        assert not mount.is_alive
        said = go_on(process)
        assert said[0] == "error"
        assert int(said[1]) in (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO)


def test_an_abandoned_mount_serves_those_who_use_it_and_nobody_else(tmp_path):
    with mounted(tmp_path, tree_files(SERVED)) as mount:
        with holding(mount.directory) as process:
            mount.abandon()
            assert mount_at(mount.directory) is None
            assert mount.is_alive
            assert go_on(process) == ["read"]
        assert mount.wait_gone(PATIENCE), "the last user is gone"


def test_somebody_else_unmounts(tmp_path):
    with mounted(tmp_path, tree_files(SERVED)) as mount:
        run("umount", mount.directory)
        assert mount.wait_gone(PATIENCE)
        assert not mount.is_alive


def test_a_mount_of_somebody_else_at_the_same_place_is_left_alone(tmp_path):
    with mounted(tmp_path, tree_files(SERVED)) as mount:
        unmount(mount.directory)
        assert mount.wait_gone(PATIENCE)
        run("mount", "-t", "tmpfs", "mine", mount.directory)
        try:
            mount.abandon()
            mount.close()
            assert mount_at(mount.directory).kind == "tmpfs"
        finally:
            unmount(mount.directory)


def test_a_mount_over_ours_is_left_alone(tmp_path):
    with mounted(tmp_path, tree_files(SERVED)) as mount:
        run("mount", "-t", "tmpfs", "mine", mount.directory)
        try:
            mount.abandon()
            assert mount_at(mount.directory).kind == "tmpfs"
            assert mount.is_alive
        finally:
            unmount(mount.directory)
        assert (mount.directory / "small").read_bytes() == b"small"


def test_a_reader_that_waits_for_content_when_the_mount_is_left_gets_an_answer(tmp_path):
    entered, leave = threading.Event(), threading.Event()

    class Waiting(Memory):
        def read_row(self, row, offset, size):
            entered.set()
            assert leave.wait(PATIENCE)
            return super().read_row(row, offset, size)

    store = Waiting(SERVED, make_image(SERVED))
    with mounted(tmp_path, tree_files(SERVED, store=store)) as mount:
        command = ["cat", mount.directory / "small"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert entered.wait(PATIENCE)
            threading.Timer(0.3, leave.set).start()
            mount.close()
            assert mount_at(mount.directory) is None
            said, _ = process.communicate(timeout=PATIENCE)
    assert (said, process.returncode) in ((b"small", 0), (b"", 1))
    assert not mount.is_alive


def test_a_reader_that_is_killed_while_it_waits_is_no_harm_to_others(tmp_path):
    entered, leave = threading.Event(), threading.Event()

    class Waiting(Memory):
        def read_row(self, row, offset, size):
            if not leave.is_set():
                entered.set()
                assert leave.wait(PATIENCE)
            return super().read_row(row, offset, size)

    told = []
    files = tree_files(SERVED, store=Waiting(SERVED, make_image(SERVED)))
    with mounted(tmp_path, files, listener=told.append) as mount:
        with subprocess.Popen(["cat", mount.directory / "small"], stdout=subprocess.PIPE) as process:
            assert entered.wait(PATIENCE)
            process.kill()
            process.wait(PATIENCE)
        leave.set()
        assert run("cat", mount.directory / "small") == b"small"
    assert told == []


def test_a_killed_server_gives_errors_and_never_wrong_bytes(tmp_path):
    directory = tmp_path / "mounted"
    directory.mkdir()
    with serving(directory) as server, holding(directory) as process:
        server.send_signal(signal.SIGKILL)
        server.wait(PATIENCE)
        assert go_on(process)[0] == "error"
        done = subprocess.run(["ls", directory], capture_output=True, timeout=PATIENCE, check=False)
        assert done.returncode != 0
        assert mount_at(directory) is not None, "whoever watches over the server has to take it away"
    assert mount_at(directory) is None


def test_a_reader_in_the_middle_of_a_read_is_let_go_when_the_server_is_killed(tmp_path):
    directory = tmp_path / "mounted"
    directory.mkdir()
    with serving(directory, delay=600) as server:
        command = ["cat", directory / "small"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
            with pytest.raises(subprocess.TimeoutExpired):
                reader.wait(0.5)
            server.send_signal(signal.SIGKILL)
            said, _ = reader.communicate(timeout=PATIENCE)
        assert reader.returncode == 1
        assert said == b""


def test_a_fork_does_not_keep_a_dead_servers_mount_alive(tmp_path):
    """A descriptor that stays open elsewhere would let readers wait for ever."""
    code = """
import os, sys, time
from pathlib import Path
from tests.views.fuse.mounts import SERVED, tree_files
from rafsight.views.fuse.server import serve
with serve(tree_files(SERVED), Path(sys.argv[1])) as mount:
    child = os.fork()
    if child == 0:
        mount.close()  # does nothing here
        time.sleep(60)
        os._exit(0)
    print(child, flush=True)
    time.sleep(60)
"""
    directory = tmp_path / "mounted"
    directory.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", code, directory], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as server:
        child = int(server.stdout.readline())
        try:
            assert (directory / "small").read_bytes() == b"small"
            server.kill()
            server.wait(PATIENCE)
            done = subprocess.run(["cat", directory / "large"], capture_output=True, timeout=PATIENCE, check=False)
            assert done.returncode != 0
        finally:
            server.kill()
            os.kill(child, signal.SIGKILL)
            unmount(directory, lazy=True)


@contextmanager
def folder_of_a_user():
    """Return a folder that an ordinary user owns, where he may look."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chown(folder, NOBODY, NOBODY)
        directory = folder / "mounted"
        directory.mkdir()
        os.chown(directory, NOBODY, NOBODY)
        yield directory


NOBODY = 65534
AS_USER = {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def test_an_ordinary_user_mounts_through_the_helper():
    with folder_of_a_user() as directory:
        with serving(directory, user=NOBODY) as server:
            place = mount_at(directory)
            assert place.kind == "fuse.rafsight"
            found = run("cat", directory / "small", directory / "d/own", **AS_USER)
            assert found == b"smallown"
            done = subprocess.run(
                ["cat", directory / "d/other"], capture_output=True, timeout=PATIENCE, check=False, **AS_USER
            )
            assert b"Permission denied" in done.stderr
            said = run("sha256sum", directory / "large", **AS_USER).split()[0].decode()
            assert said == hashlib.sha256(SERVED[b"large"].content).hexdigest()
            assert not any(
                one.directory == os.fsencode(directory) and one.mount_id != place.mount_id for one in list_mounts()
            )
            server.stdin.close()
            server.wait(PATIENCE)
            assert server.returncode == 0
        assert mount_at(directory) is None


def test_an_ordinary_user_leaves_a_mount_that_is_in_use():
    with folder_of_a_user() as directory, serving(directory, user=NOBODY) as server:
        command = [sys.executable, "-I", "-S", "-c", BECOME + HOLD, str(NOBODY), directory]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            try:
                assert holder.stdout.readline() == "holding\n"
                server.stdin.close()
                server.wait(PATIENCE)
                assert server.returncode == 0
                assert mount_at(directory) is None
                assert go_on(holder)[0] == "error"
            finally:
                holder.kill()


def test_the_name_of_a_mount_can_be_anything(tmp_path):
    options = MountOptions(name="registry.example/app:1,2\\3 \n#")
    with mounted(tmp_path, tree_files(SERVED), options=options) as mount:
        assert mount_at(mount.directory).source == options.name
        assert (mount.directory / "small").read_bytes() == b"small"


def test_links_lead_where_they_say(tmp_path):
    nodes = {b"d/f": Node(content=b"f"), b"l": symlink(b"d/f"), b"up/l": symlink(b"../l"), b"loop": symlink(b"loop")}
    with mounted(tmp_path, tree_files(nodes)) as mount:
        assert (mount.directory / "up/l").read_bytes() == b"f"
        with pytest.raises(OSError, match="symbolic links"):
            (mount.directory / "loop").read_bytes()
