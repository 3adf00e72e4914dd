"""`rafsight view` when something breaks: right bytes or an error, never wrong ones, and nothing left behind."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.interfaces.mounting import PATIENCE, Program, ended, next_line
from tests.views.mount.places import (
    LARGE,
    SMALL,
    clean_spot,
    contents_of,
    make_layout,
    mounts_below,
    needs_engine,
    processes_naming,
    sha256,
    tmpfs,
    view_folders,
    wait_until,
    what_is_left,
)

from rafsight.base.units import MiB
from rafsight.testing.registry import Mischief, serve_layout
from rafsight.testing.registry_pages import Answer

ENGINES = ("fuse", "erofs", "erofs-fanotify")
GONE = {errno.EIO, errno.ENOTCONN, errno.ECONNABORTED, errno.ENODEV}
"""What readers of a mount may see whose server is dead."""

pytestmark = pytest.mark.root


@pytest.fixture
def spot(tmp_path):
    with clean_spot(tmp_path) as folder:
        yield folder


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path):
    needs_engine(request.param, tmp_path)
    return request.param


@pytest.fixture
def program(spot):
    needs_engine("fuse", spot)
    return Program(spot)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_layout(tmp_path_factory.mktemp("images") / "small", SMALL)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return make_layout(tmp_path_factory.mktemp("images") / "large", LARGE)


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """What the large image holds, as plain files."""
    folder = tmp_path_factory.mktemp("truth")
    for path, content in contents_of(LARGE).items():
        (folder / os.fsdecode(path)).write_bytes(content)
    return folder


def blob_of(layout):
    return max((layout / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size).name


READER = """
import os, sys
with open(sys.argv[1], "rb") as file:
    wanted = file.read()
file, at = os.open(sys.argv[2], os.O_RDONLY), 0
try:
    while piece := os.pread(file, 1 << 16, at):
        if piece != wanted[at : at + len(piece)]:
            print("wrong bytes", flush=True)
            break
        at += len(piece)
        if at == 1 << 19:
            print("reading", flush=True)
            sys.stdin.readline()
    else:
        print("whole" if at == len(wanted) else "short", flush=True)
except OSError as error:
    print("errno", error.errno, flush=True)
sys.stdin.readline()
"""


@contextmanager
def reader(truth, path):
    """Read the first half MiB of a file, say so, and go on for each line that is typed; compare everything."""
    command = [sys.executable, "-c", READER, truth / path.name, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def go_on(process):
    with suppress(BrokenPipeError):  # it has come to its end
        os.write(process.stdin.fileno(), b"\n")


def guardian_of_the_view(program):
    """Return its number; a process has its name a moment after it was begun."""

    def named():
        for pid in processes_naming(program.cache / "views"):
            if b"mount.guardian" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        return None

    return wait_until(named)


def kill(*pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def test_a_killed_server_leaves_errors_and_nothing_else(program, spot, engine, large, truth):
    with (
        program.foreground(f"oci:{large}", spot / "place", "--engine", engine) as process,
    ):
        next_line(process.stdout)
        with reader(truth, spot / "place/large") as user:
            assert next_line(user.stdout) == "reading"
            kill(process.pid)
            wait_until(lambda: mounts_below(spot) == [])
            go_on(user)
            word, number = next_line(user.stdout).split()
            assert (word, int(number) in GONE) == ("errno", True)
            wait_until(lambda: not (spot / "place").exists())
    wait_until(lambda: what_is_left(spot) == [])


def test_a_killed_server_and_guardian_are_cleaned_up_after_by_the_next(program, spot, engine, small):
    with program.foreground(f"oci:{small}", spot / "place", "--engine", engine) as process:
        next_line(process.stdout)
        kill(guardian_of_the_view(program), process.pid)
        process.wait(PATIENCE)
        wait_until(lambda: processes_naming(program.cache / "views") == [])
        assert len(view_folders(program.cache) or mounts_below(spot)) >= 1
        assert program.say("view", "--list").splitlines() == ["DIRECTORY  ENGINE  PID  SINCE  REFERENCE"]
    assert not (spot / "place").exists()
    wait_until(lambda: what_is_left(spot) == [])


@pytest.mark.parametrize("both", [False, True], ids=["server", "server and guardian"])
def test_one_that_is_killed_while_it_opens_leaves_nothing(program, spot, small, both):
    with (
        serve_layout(small, mischief=(Mischief(hang=60),)) as registry,
        program.foreground(registry.reference("latest"), spot / "place") as process,
    ):
        assert registry.wait_for_hang()
        assert (spot / "place").exists()
        kill(*([guardian_of_the_view(program)] if both else []), process.pid)
        process.wait(PATIENCE)
        if both:
            program.say("view", "--list")
        wait_until(lambda: what_is_left(spot) == [])
        assert not (spot / "place").exists()


def test_the_next_view_at_the_same_place_says_what_it_took_away(program, spot, small):
    with program.foreground(f"oci:{small}", spot / "place", "--engine", "fuse") as process:
        next_line(process.stdout)
        kill(guardian_of_the_view(program), process.pid)
        process.wait(PATIENCE)
        with pytest.raises(OSError, match="not connected"):
            (spot / "place/srv/page").read_bytes()
    with program.foreground(f"oci:{small}", spot / "place", "--engine", "fuse") as process:
        next_line(process.stdout)
        assert (spot / "place/srv/page").read_bytes() == contents_of(SMALL)[b"srv/page"]
        process.send_signal(signal.SIGTERM)
        _, _, errors = ended(process)
    assert f"took away what was left of a killed view: oci:{small} at {spot / 'place'}" in errors


def test_a_killed_guardian_is_no_harm(program, spot, engine, small):
    with program.foreground(f"oci:{small}", spot / "place", "--engine", engine) as process:
        next_line(process.stdout)
        kill(guardian_of_the_view(program))
        assert (spot / "place/srv/page").read_bytes() == contents_of(SMALL)[b"srv/page"]
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0


def test_without_its_second_guardian_a_view_over_cache_files_is_withdrawn(program, spot, small):
    """Else the server's death would show zeros."""
    needs_engine("erofs-fanotify", spot)
    with program.foreground(f"oci:{small}", spot / "place", "--engine", "erofs-fanotify") as process:
        next_line(process.stdout)
        mine = {process.pid, guardian_of_the_view(program)}
        kill(*wait_until(lambda: [pid for pid in processes_naming(spot) if pid not in mine]))
        status, _, errors = ended(process)
    assert status == 71
    assert "the guardian of the mount was killed" in errors
    assert f"the view at {spot / 'place'} was taken away" in errors


class Switch:
    """A registry that can be told to fail for blobs."""

    def __init__(self):
        self.is_gone = False

    def __call__(self, call):
        return Answer(status=404) if self.is_gone and "/blobs/" in call.path else None


def test_a_registry_that_is_gone_for_a_while_is_an_error_meanwhile(program, spot, engine, large, truth):
    switch = Switch()
    with (
        serve_layout(large, gate=switch) as registry,
        program.foreground(registry.reference("latest"), spot / "place", "--engine", engine) as process,
    ):
        next_line(process.stdout)
        assert (spot / "place/head").read_bytes() == (truth / "head").read_bytes()
        switch.is_gone = True
        with reader(truth, spot / "place/tail") as user:
            assert next_line(user.stdout) == f"errno {errno.EIO}"
        assert (spot / "place/head").read_bytes() == (truth / "head").read_bytes(), "what is there is there"
        switch.is_gone = False

        def is_well_again():
            with reader(truth, spot / "place/tail") as user:
                go_on(user)
                return user.stdout.read(7) != "errno 5"

        wait_until(is_well_again)
        assert sha256((spot / "place/tail").read_bytes()) == sha256((truth / "tail").read_bytes())
        process.send_signal(signal.SIGTERM)
        status, _, errors = ended(process)
    assert status == 3
    assert "rafsight: warning: content could not be had: " in errors
    assert "chunk" in errors.splitlines()[-1]
    assert "could not be had" in errors.splitlines()[-1]
    assert "Traceback" not in errors


@pytest.mark.parametrize("engine", ["erofs"])
def test_a_registry_that_dies_is_an_error_and_a_line_in_the_log(program, spot, engine, large, truth):
    needs_engine(engine, spot)
    with serve_layout(large) as registry:
        program.say("view", registry.reference("latest"), spot / "place", "-d", "--engine", engine)
        assert (spot / "place/head").read_bytes() == (truth / "head").read_bytes()
    (facts,) = json.loads(program.say("view", "--list", "--json"))
    with reader(truth, spot / "place/tail") as user:
        assert next_line(user.stdout) == f"errno {errno.EIO}"

    def has_counted():
        (one,) = json.loads(program.say("view", "--stats", "--json"))
        return one["statistics"]["failed"] >= 1

    wait_until(has_counted)
    wait_until(lambda: "\n" in Path(facts["log"]).read_text())
    line = Path(facts["log"]).read_text().splitlines()[0]
    assert "Z content could not be had: " in line
    assert registry.host in line
    program.say("view", "--umount", spot / "place")


def test_wrong_bytes_are_never_shown(program, spot, engine, large, truth):
    with (
        serve_layout(large, mischief=(Mischief(only=blob_of(large), flip=True),)) as registry,
        program.foreground(registry.reference("latest"), spot / "place", "--engine", engine) as process,
    ):
        next_line(process.stdout)
        for name in ("head", "large", "tail", "head"):
            with reader(truth, spot / "place" / name) as user:
                go_on(user)
                assert next_line(user.stdout) in (f"errno {errno.EIO}", "reading", "whole")
                go_on(user)
        with pytest.raises(OSError, match="Input/output"):
            (spot / "place/head").read_bytes()
        process.send_signal(signal.SIGINT)
        status, _, errors = ended(process)
    assert status == 3
    assert "digest" in errors
    content = (truth / "head").read_bytes()
    (data,) = program.cache.glob("chunks/*/data")
    assert bytes([content[0] ^ 1]) + content[1:100] not in data.read_bytes(), "wrong bytes are not kept, either"


@pytest.mark.parametrize("engine", ["erofs-fanotify"])
def test_an_end_from_outside_does_not_wait_for_a_registry_that_hangs(program, spot, engine, large, truth):
    """A reader waits for content that does not come: it gets an error, and the view is gone."""
    needs_engine(engine, spot)
    with serve_layout(large, mischief=(Mischief(only=blob_of(large), hang=120),)) as registry:
        program.say("view", registry.reference("latest"), spot / "place", "-d", "--engine", engine)
        with reader(truth, spot / "place/tail") as user:
            assert registry.wait_for_hang()
            begun = time.monotonic()
            program.say("view", "--umount", spot / "place")
            assert time.monotonic() - begun < 40
            assert next_line(user.stdout).startswith("errno")
        wait_until(lambda: what_is_left(spot) == [])


def test_ctrl_c_does_not_wait_for_a_registry_that_hangs(program, spot, large, truth):
    with (
        serve_layout(large, mischief=(Mischief(only=blob_of(large), hang=120),)) as registry,
        program.foreground(registry.reference("latest"), spot / "place", "--engine", "fuse") as process,
    ):
        next_line(process.stdout)
        with reader(truth, spot / "place/tail") as user:
            assert registry.wait_for_hang()
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            status, _, errors = ended(process)
            assert time.monotonic() - begun < 40
            assert next_line(user.stdout).startswith("errno")
        wait_until(lambda: what_is_left(spot) == [])
    assert status == 0, errors
    assert "was still in use by" in errors
    assert "the end is not waited for" in errors
    assert "files opened" in errors.splitlines()[-1]


def test_whoever_presses_ctrl_c_twice_waits_for_nothing(program, spot, large, truth):
    with (
        serve_layout(large, mischief=(Mischief(only=blob_of(large), hang=120),)) as registry,
        program.foreground(registry.reference("latest"), spot / "place", "--engine", "fuse") as process,
    ):
        next_line(process.stdout)
        next_line(process.stderr)
        with reader(truth, spot / "place/tail") as user:
            assert registry.wait_for_hang()
            process.send_signal(signal.SIGINT)
            assert "was still in use by" in next_line(process.stderr)
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert ended(process)[0] == 130
            assert time.monotonic() - begun < 4
            assert next_line(user.stdout).startswith("errno")
        wait_until(lambda: what_is_left(spot) == [])


@pytest.mark.parametrize("engine", ["fuse", "erofs"])
def test_a_full_disk_is_no_harm_to_readers(program, spot, engine, large, truth):
    needs_engine(engine, spot)
    (spot / "cache").mkdir()
    with (
        tmpfs(spot / "cache", size=2 * MiB),
        program.foreground(f"oci:{large}", spot / "place", "--engine", engine, "--cache-size", "1GB") as process,
    ):
        next_line(process.stdout)
        for _ in range(2):
            for name in ("tail", "large", "head"):
                assert sha256((spot / "place" / name).read_bytes()) == sha256((truth / name).read_bytes())
        process.send_signal(signal.SIGTERM)
        status, _, errors = ended(process)
        assert status == 0, errors
        assert errors.count("served from memory") == 1


def test_where_the_kernel_reads_the_files_a_full_cache_is_an_error(program, spot, large, truth):
    needs_engine("erofs-fanotify", spot)
    with program.foreground(
        f"oci:{large}", spot / "place", "--engine", "erofs-fanotify", "--cache-size", "2MiB"
    ) as process:
        next_line(process.stdout)
        with reader(truth, spot / "place/large") as user:
            go_on(user)
            assert next_line(user.stdout) in ("reading", f"errno {errno.EIO}")
            assert "wrong" not in user.stdout.readline()
        process.send_signal(signal.SIGTERM)
        status, _, errors = ended(process)
    assert "no place" in errors
    assert status == 3


DAMAGE = {
    "cut": lambda data, labels: os.truncate(data, 100_000),
    "empty": lambda data, labels: os.truncate(data, 0),
    "zeros": lambda data, labels: overwrite(data, bytes(MiB), 3 * MiB),
    "other bytes": lambda data, labels: overwrite(data, b"x" * 10_000, 5 * MiB + 123),
    "gone": lambda data, labels: data.unlink(),
    "no labels": lambda data, labels: labels.unlink(),
    "cut labels": lambda data, labels: os.truncate(labels, 5000),
    "labels of another": lambda data, labels: overwrite(labels, os.urandom(5000), 4096),
}


def overwrite(file, content, offset):
    with file.open("r+b") as opened:
        opened.seek(offset)
        opened.write(content)


@pytest.fixture(scope="module")
def full_cache(tmp_path_factory, large):
    """A cache that holds all of the large image."""
    folder = tmp_path_factory.mktemp("full").resolve()
    needs_engine("fuse", folder)
    with clean_spot(folder):
        program = Program(folder)
        with program.foreground(f"oci:{large}", folder / "place", "--engine", "fuse") as process:
            next_line(process.stdout)
            for name in LARGE:
                (folder / "place" / os.fsdecode(name)).read_bytes()
            process.send_signal(signal.SIGTERM)
            assert ended(process)[0] == 0
    return folder / "cache"


ALL_DAMAGE = [("fuse", damage) for damage in DAMAGE] + [
    (engine, damage) for engine in ("erofs", "erofs-fanotify") for damage in ("cut", "other bytes", "labels of another")
]
"""The store notices it, whoever asks it: so not everything with every engine."""


@pytest.mark.parametrize(("engine", "damage"), ALL_DAMAGE)
def test_a_cache_that_was_damaged_is_noticed(program, spot, engine, large, truth, full_cache, damage):
    needs_engine(engine, spot)
    subprocess.run(["cp", "-a", "--sparse=always", full_cache, program.cache], check=True, timeout=60)
    (data,) = program.cache.glob("chunks/*/data")
    DAMAGE[damage](data, data.with_name("labels"))
    with program.foreground(f"oci:{large}", spot / "place", "--engine", engine) as process:
        next_line(process.stdout)
        for name in ("tail", "large", "head"):
            assert sha256((spot / "place" / name).read_bytes()) == sha256((truth / name).read_bytes())
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0


def test_a_cache_that_is_cut_while_it_is_used_shows_no_zeros(program, spot, engine, large, truth):
    with program.foreground(f"oci:{large}", spot / "place", "--engine", engine) as process:
        next_line(process.stdout)
        with reader(truth, spot / "place/large") as user:
            assert next_line(user.stdout) == "reading"
            (data,) = program.cache.glob("chunks/*/data")
            os.truncate(data, 0)
            go_on(user)
            said = next_line(user.stdout)
            assert said == (f"errno {errno.EIO}" if engine == "erofs-fanotify" else "whole")
        process.send_signal(signal.SIGTERM)
        status, _, errors = ended(process)
    assert "cut by somebody" in errors
    assert status == (3 if engine == "erofs-fanotify" else 0)


def test_many_readers_at_once_get_what_is_right_and_each_chunk_comes_once(program, spot, engine, tmp_path_factory):
    sizes = {f"dir{number % 3}/file{number}".encode(): 150_000 + number for number in range(16)}
    layout = make_layout(tmp_path_factory.mktemp("images") / "many", sizes, chunk_size=1 << 16)
    wanted = {os.fsdecode(path): sha256(content) for path, content in contents_of(sizes).items()}
    code = (
        "import hashlib, pathlib, sys, threading\n"
        "found, names = [], sys.argv[2:]\n"
        "def read(turn):\n"
        "    for name in names[turn % 16:] + names[:turn % 16]:\n"
        "        content = pathlib.Path(sys.argv[1], name).read_bytes()\n"
        "        found.append(f'{hashlib.sha256(content).hexdigest()} {name}')\n"
        "threads = [threading.Thread(target=read, args=(turn,)) for turn in range(64)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "print('\\n'.join(found))\n"
    )
    with (
        serve_layout(layout, latency=0.005) as registry,
        program.foreground(registry.reference("latest"), spot / "place", "--engine", engine) as process,
    ):
        next_line(process.stdout)
        done = subprocess.run(
            [sys.executable, "-c", code, spot / "place", *wanted],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        lines = done.stdout.splitlines()
        assert len(lines) == 64 * 16
        assert set(lines) == {f"{digest} {name}" for name, digest in wanted.items()}
        blob = blob_of(layout)
        assert sum(one.sent for one in registry.log if blob in one.call.path) <= sum(sizes.values())
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0


def test_a_terminal_that_is_gone_hurts_no_reader(program, spot, engine, large):
    """Nobody reads what is said any more; a read that fails still ends."""
    with (
        serve_layout(large, mischief=(Mischief(only=blob_of(large), flip=True),)) as registry,
        program.foreground(registry.reference("latest"), spot / "place", "--engine", engine) as process,
    ):
        next_line(process.stdout)
        next_line(process.stderr)
        process.stderr.close()
        process.stderr = None
        for _ in range(2):
            done = subprocess.run(["cat", spot / "place/head"], capture_output=True, check=False, timeout=PATIENCE)
            assert (done.returncode, done.stdout) == (1, b"")
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    wait_until(lambda: what_is_left(spot) == [])


# as an ordinary user


NOBODY = 65534
AS_NOBODY = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
)  # fmt: skip
"""A user who may read everything, since Python and the checkout may lie where others cannot go, and mount nothing."""


@pytest.fixture
def nobody(tmp_path):
    """The program as an ordinary user starts it, with a place of his own."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    for name in ("setpriv", "fusermount3"):
        if shutil.which(name) is None:
            pytest.skip(f"needs {name}")
    if Path("/dev/fuse").stat().st_mode & 0o006 != 0o006:
        pytest.skip("/dev/fuse must be open for ordinary users (chmod 0666)")
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="rafsight-"))
    try:
        os.chown(folder, NOBODY, NOBODY)
        with clean_spot(folder) as spot:
            yield Program(spot, before=AS_NOBODY)
    finally:
        shutil.rmtree(folder)


def as_nobody(*command):
    return subprocess.run([*AS_NOBODY, *command], capture_output=True, check=False, timeout=PATIENCE)


def test_an_ordinary_user_mounts_through_the_helper(nobody, small):
    place = nobody.spot / "place"
    with nobody.foreground(f"oci:{small}", place) as process:
        assert next_line(process.stdout) == str(place)
        assert Path(f"/proc/{process.pid}").stat().st_uid == NOBODY
        for path, content in contents_of(SMALL).items():
            assert as_nobody("cat", place / os.fsdecode(path)).stdout == content
        with pytest.raises(PermissionError):
            (place / "srv/page").read_bytes()  # others, root too, may not look: the user has not allowed it
        process.send_signal(signal.SIGINT)
        status, _, errors = ended(process)
    assert status == 0, errors
    assert errors.splitlines()[0] == "rafsight: mounted by fuse (FUSE alone); Ctrl-C ends it"
    assert not place.exists()


def test_an_ordinary_users_view_in_the_background(nobody, small):
    place = nobody.spot / "place"
    assert nobody.say("view", f"oci:{small}", place, "-d") == f"{place}\n"
    (facts,) = json.loads(nobody.say("view", "--list", "--json"))
    assert facts["engine"] == "fuse"
    with subprocess.Popen([*AS_NOBODY, "sleep", "60"], cwd="/") as user:
        try:
            nobody.say("view", "--umount", place)
        finally:
            user.kill()
    assert what_is_left(nobody.spot) == []


def test_an_ordinary_users_view_in_use_is_detached(nobody, small):
    place = nobody.spot / "place"
    nobody.say("view", f"oci:{small}", place, "-d")
    command = [*AS_NOBODY, "sh", "-c", 'cd "$1" && echo ready && exec sleep 60', "sh", place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as user:
        try:
            assert next_line(user.stdout) == "ready"
            nobody.say("view", "--umount", place)
            assert mounts_below(nobody.spot) == []
        finally:
            user.kill()


def test_an_ordinary_users_killed_server_leaves_nothing(nobody, small):
    place = nobody.spot / "place"
    with nobody.foreground(f"oci:{small}", place) as process:
        next_line(process.stdout)
        kill(process.pid)
        wait_until(lambda: what_is_left(nobody.spot) == [])
    with nobody.foreground(f"oci:{small}", place) as process:
        next_line(process.stdout)
        kill(guardian_of_the_view(nobody), process.pid)
        process.wait(PATIENCE)
        assert mounts_below(nobody.spot) == [place]
        nobody.say("view", "--list")
    assert what_is_left(nobody.spot) == []


@pytest.mark.parametrize("engine", ["erofs", "erofs-fanotify"])
def test_an_ordinary_user_gets_no_engine_of_the_kernel(nobody, small, engine):
    done = nobody.run("view", f"oci:{small}", nobody.spot / "place", "--engine", engine)
    assert done.returncode == 71
    assert "not permitted" in done.stderr
    assert "--engine fuse" in done.stderr


def test_a_folder_of_somebody_else_shows_no_view_of_an_ordinary_user(nobody, small):
    theirs = nobody.spot / "theirs"
    theirs.mkdir(mode=0o755)
    done = nobody.run("view", f"oci:{small}", theirs)
    assert done.returncode == 71
    assert "fusermount3" in done.stderr
    assert "Traceback" not in done.stderr
