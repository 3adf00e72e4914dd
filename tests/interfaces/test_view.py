"""`rafsight view` on a real command line: start, ask, end, and what people are told."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.interfaces.mounting import Program, ended, next_line
from tests.interfaces.terminal_session import Session
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
    view_folders,
    wait_until,
    what_is_left,
)

from rafsight.testing.registry import Mischief, serve_layout

ENGINES = ("fuse", "erofs", "erofs-fanotify")
SIGNALS = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM, "SIGHUP": signal.SIGHUP}

pytestmark = pytest.mark.root


@pytest.fixture
def spot(tmp_path):
    with clean_spot(tmp_path) as folder:
        yield folder


@pytest.fixture
def program(spot):
    needs_engine("fuse", spot)
    return Program(spot)


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path):
    needs_engine(request.param, tmp_path)
    return request.param


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_layout(tmp_path_factory.mktemp("images") / "small", SMALL)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return make_layout(tmp_path_factory.mktemp("images") / "large", LARGE)


def sums_below(directory, sizes):
    return {path: sha256((directory / os.fsdecode(path)).read_bytes()) for path in sizes}


def sums_of(sizes):
    return {path: sha256(content) for path, content in contents_of(sizes).items()}


# in the foreground


@pytest.mark.parametrize("number", SIGNALS.values(), ids=SIGNALS)
def test_a_view_is_told_and_ends_by_a_signal(program, spot, small, number):
    with program.foreground(f"oci:{small}", spot / "place", "--engine", "fuse") as process:
        assert next_line(process.stdout) == str(spot / "place")
        process.send_signal(number)
        status, output, errors = ended(process)
    assert (status, output) == (0, "")
    first, last = errors.splitlines()
    assert first == "rafsight: mounted by fuse (FUSE alone); Ctrl-C ends it"
    assert last.startswith("rafsight: 0 files opened, 0 B served, ")
    wait_until(lambda: what_is_left(spot) == [])


def test_every_engine_serves_until_it_is_told_to_end(program, spot, engine, small):
    with serve_layout(small) as registry:
        with program.foreground(registry.reference("latest"), spot / "place", "--engine", engine) as process:
            assert next_line(process.stdout) == str(spot / "place")
            assert sums_below(spot / "place", SMALL) == sums_of(SMALL)
            process.send_signal(signal.SIGINT)
            status, output, errors = ended(process)
        sent, requests = sum(one.sent for one in registry.log), len(registry.log)
    assert (status, output) == (0, "")
    first, last = errors.splitlines()
    assert first.startswith(f"rafsight: mounted by {engine} (")
    assert last.startswith("rafsight: 5 files opened, ")
    assert f"{sent / 1000:.1f} kB fetched in {requests} requests" in last
    assert "could not be had" not in last


def test_without_a_folder_one_in_the_cache_is_named(program, spot, small):
    with program.foreground(f"oci:{small}") as process:
        place = Path(next_line(process.stdout))
        assert place.is_relative_to(program.cache / "views")
        assert (place / "srv/page").read_bytes() == contents_of(SMALL)[b"srv/page"]
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0
    assert not place.exists()


def test_a_folder_that_was_there_stays_and_one_that_was_made_goes(program, spot, small):
    (spot / "there").mkdir()
    for name in ("there", "made"):
        with program.foreground(f"oci:{small}", spot / name) as process:
            next_line(process.stdout)
            process.send_signal(signal.SIGTERM)
            assert ended(process)[0] == 0
    assert (spot / "there").is_dir()
    assert not (spot / "made").exists()


def test_what_is_said_can_be_read_by_programs(program, spot, small):
    with program.foreground(f"oci:{small}", spot / "place", "--json", "--engine", "fuse") as process:
        facts = json.loads(next_line(process.stdout))
        assert facts == {
            "directory": str(spot / "place"),
            "reference": f"oci:{small}",
            "engine": "fuse",
            "pid": process.pid,
            "started": facts["started"],
            "ready": True,
            "log": facts["log"],
        }
        assert len(facts["started"]) == len("2000-01-01T00:00:00Z")
        (spot / "place/etc/motd").read_bytes()
        process.send_signal(signal.SIGINT)
        status, output, _ = ended(process)
    assert status == 0
    numbers = json.loads(output)
    assert (numbers["files_opened"], numbers["bytes_served"], numbers["failed"]) == (1, SMALL[b"etc/motd"], 0)
    assert sorted(numbers) == [
        "bytes_fetched", "bytes_served", "chunk_hits", "chunk_misses", "failed", "files_opened", "requests", "seconds",
    ]  # fmt: skip


def test_it_can_be_quiet(program, spot, small):
    with program.foreground(f"oci:{small}", spot / "place", "--quiet") as process:
        assert next_line(process.stdout) == str(spot / "place")
        process.send_signal(signal.SIGINT)
        assert ended(process) == (0, "", "")


def test_umount_from_outside_ends_it(program, spot, engine, small):
    with program.foreground(f"oci:{small}", spot / "place", "--engine", engine) as process:
        next_line(process.stdout)
        subprocess.run(["umount", spot / "place"], check=True, timeout=30)
        status, _, errors = ended(process)
    assert status == 0, errors
    assert not (spot / "place").exists()


def test_a_view_on_a_terminal_ends_by_keys(program, spot, small):
    command = program.command("view", f"oci:{small}", spot / "place")
    with Session(command, environment={**os.environ, "HOME": str(spot), "TERM": "xterm"}) as session:
        session.expect("Ctrl-C ends it")
        assert (spot / "place/srv/page").exists()
        session.type(b"\x03")
        session.expect("files opened")
        assert session.end()[1] == 0


def test_a_terminal_that_closes_ends_it(program, spot, small):
    command = program.command("view", f"oci:{small}", spot / "place")
    session = Session(command, environment={**os.environ, "HOME": str(spot), "TERM": "xterm"})
    session.expect("Ctrl-C ends it")
    os.close(session._master)  # the kernel sends SIGHUP, and writing fails from now on
    try:
        session._process.wait(60)
    finally:
        session._process.kill()
        session._process.wait()
    wait_until(lambda: what_is_left(spot) == [])


def test_whoever_started_it_without_hangups_keeps_that(spot, small):
    program = Program(spot, before=["nohup"])
    with program.foreground(f"oci:{small}", spot / "place") as process:
        next_line(process.stdout)
        process.send_signal(signal.SIGHUP)
        assert program.say("view", "--list").count(str(spot / "place")) == 1
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0


def test_files_that_are_read_are_listed_and_fetched_ahead(program, spot, large):
    with serve_layout(large) as registry:
        arguments = (registry.reference("latest"), spot / "place", "--engine", "fuse")
        with program.foreground(*arguments, "--access-log", spot / "log") as process:
            next_line(process.stdout)
            (spot / "place/tail").read_bytes()
            process.send_signal(signal.SIGINT)
            assert ended(process)[0] == 0
        assert (spot / "log").read_bytes() == b"/tail\n"
        again = Program(spot, "cache2")
        with again.foreground(*arguments, "--prefetch", spot / "log") as process:
            next_line(process.stdout)
            blob = max((large / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size).name
            wait_until(lambda: sum(one.sent for one in registry.log if blob in one.call.path) >= 2 * LARGE[b"tail"])
            registry.forget()
            assert sha256((spot / "place/tail").read_bytes()) == sums_of(LARGE)[b"tail"]
            assert registry.log == ()
            process.send_signal(signal.SIGINT)
            assert ended(process)[0] == 0


# while it is being made


@pytest.mark.parametrize("number", SIGNALS.values(), ids=SIGNALS)
@pytest.mark.parametrize("hanging", ["/manifests/", "/blobs/"])
def test_a_signal_while_the_registry_hangs_takes_everything_back(program, spot, small, number, hanging):
    with (
        serve_layout(small, mischief=(Mischief(hang=60, only=hanging),)) as registry,
        program.foreground(registry.reference("latest"), spot / "place") as process,
    ):
        assert registry.wait_for_hang()
        process.send_signal(number)
        status, output, errors = ended(process)
        assert (status, output) == (130, "")
        assert "Traceback" not in errors
        wait_until(lambda: what_is_left(spot) == [])
        assert not (spot / "place").exists()


def test_a_start_in_the_background_is_broken_off(program, spot, small):
    """Whoever waits for the start goes at once; the server takes back what it has begun."""
    with (
        serve_layout(small, mischief=(Mischief(hang=60),)) as registry,
        program.foreground(registry.reference("latest"), spot / "place", "-d") as process,
    ):
        assert registry.wait_for_hang()
        process.send_signal(signal.SIGINT)
        status, output, errors = ended(process)
        assert (status, output, errors.strip()) == (130, "", "")
        wait_until(lambda: what_is_left(spot) == [])
        assert not (spot / "place").exists()


def test_a_view_that_is_being_made_can_be_ended(program, spot, small):
    with (
        serve_layout(small, mischief=(Mischief(hang=60),)) as registry,
        program.foreground(registry.reference("latest"), spot / "place") as process,
    ):
        assert registry.wait_for_hang()
        rows = program.say("view", "--list").splitlines()
        assert "(starting)" in rows[1]
        (one,) = json.loads(program.say("view", "--list", "--json"))
        assert (one["ready"], one["engine"]) == (False, "")
        program.say("view", "--umount", spot / "place")
        assert ended(process)[0] == 130
        wait_until(lambda: what_is_left(spot) == [])


# in the background


def test_a_view_in_the_background_is_asked_and_ended(program, spot, engine, small):
    assert program.say("view", f"oci:{small}", spot / "place", "--detach", "--engine", engine) == f"{spot / 'place'}\n"
    assert sums_below(spot / "place", SMALL) == sums_of(SMALL)
    head, row = program.say("view", "--list").splitlines()
    assert head.split() == ["DIRECTORY", "ENGINE", "PID", "SINCE", "REFERENCE"]
    directory, found, pid, since, reference = row.split()
    assert (directory, found, reference) == (str(spot / "place"), engine, f"oci:{small}")
    assert since.endswith("Z")
    assert int(pid) in processes_naming(spot)
    (facts,) = json.loads(program.say("view", "--list", "--json"))
    assert (facts["directory"], facts["engine"], facts["pid"], facts["ready"]) == (directory, engine, int(pid), True)
    assert Path(facts["log"]).read_text() == ""

    def has_counted():
        (one,) = json.loads(program.say("view", "--stats", spot / "place", "--json"))
        return one if one["statistics"]["files_opened"] == len(SMALL) else None

    assert wait_until(has_counted)["statistics"]["failed"] == 0
    assert program.say("view", "--stats").startswith(f"{spot / 'place'}: 5 files opened, ")
    assert program.say("view", "--umount", spot / "place") == ""
    assert not (spot / "place").exists()
    assert view_folders(spot) == []
    assert program.say("view", "--list").splitlines() == [" ".join(head.split()).replace(" ", "  ")]
    assert json.loads(program.say("view", "--list", "--json")) == []
    assert program.say("view", "--stats") == ""


def test_all_are_ended_at_once(program, spot, small):
    for name in ("a", "b", "with space", "ünï"):
        program.say("view", f"oci:{small}", spot / name, "-d", "--engine", "fuse")
    assert [one["directory"] for one in json.loads(program.say("view", "--list", "--json"))] != []
    assert len(mounts_below(spot)) == 4
    program.say("view", "--umount", "all")
    assert mounts_below(spot) == []
    assert view_folders(spot) == []
    assert program.say("view", "--umount", "all") == ""


def test_relative_names_are_those_of_whoever_says_them(program, spot, small):
    (spot / "here").mkdir()
    done = program.run("view", f"oci:{os.path.relpath(small, spot / 'here')}", "place", "-d", cwd=spot / "here")
    assert (done.returncode, done.stdout) == (0, f"{spot / 'here/place'}\n"), done.stderr
    (spot / "link").symlink_to("here/place")
    assert (spot / "link/srv/page").exists()
    assert program.run("view", "--stats", "place", cwd=spot / "here").returncode == 0
    done = program.run("view", "--umount", "../link", cwd=spot / "here")
    assert done.returncode == 0, done.stderr


def test_the_end_waits_until_the_folder_can_be_used_again(program, spot, engine, small):
    for _ in range(2):
        program.say("view", f"oci:{small}", spot / "place", "-d", "--engine", engine)
        program.say("view", "--umount", spot / "place")
    assert not (spot / "place").exists()


def test_a_view_in_use_is_detached_and_its_users_are_named(program, spot, engine, small):
    program.say("view", f"oci:{small}", spot / "place", "-d", "--engine", engine)
    (facts,) = json.loads(program.say("view", "--list", "--json"))
    log = os.open(facts["log"], os.O_RDONLY)
    with subprocess.Popen(["sleep", "60"], cwd=spot / "place") as user:
        try:
            wait_until(lambda: Path(f"/proc/{user.pid}/comm").read_text() == "sleep\n")
            program.say("view", "--umount", spot / "place")
            assert mounts_below(spot) == []
            assert not (spot / "place").exists()
        finally:
            user.kill()
    said = os.read(log, 10_000).decode()
    os.close(log)
    assert f"{spot / 'place'} was still in use by sleep ({user.pid}); what they read from now on fails" in said


def test_a_view_that_nobody_is_told_of_is_taken_back(program, spot, small):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            program.command("view", f"oci:{small}", spot / "place", "-d"),
            stdout=full, stderr=subprocess.PIPE, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 73
    assert b"No space left" in done.stderr
    wait_until(lambda: what_is_left(spot) == [])


def test_of_many_that_want_one_folder_one_gets_it(program, spot, small):
    command = program.command("view", f"oci:{small}", spot / "place", "-d", "--engine", "fuse")
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(5)]
    answers = [ended(process) for process in started]
    assert sorted(status for status, _, _ in answers) == [0, 73, 73, 73, 73]
    assert {output for _, output, _ in answers} == {f"{spot / 'place'}\n", ""}
    assert sum("already" in errors for _, _, errors in answers) == 4
    assert mounts_below(spot) == [spot / "place"]
    program.say("view", "--umount", "all")


# what cannot be


def assert_said(done, status, *words):
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert lines[0].startswith("rafsight: error: "), done.stderr
    assert lines[1].startswith("  hint: "), done.stderr
    assert len(lines) == 2, done.stderr
    for word in words:
        assert word in done.stderr


USAGE = {
    "nothing": [],
    "two questions": ["--list", "--stats"],
    "a question with a reference": ["--list", "oci:somewhere"],
    "a question about a view of": ["--stats", "place", "other"],
    "an end of a reference": ["--umount", "all", "oci:somewhere"],
    "an engine for a question": ["--list", "--engine", "fuse"],
    "the default engine, too": ["--list", "--engine", "auto"],
    "a background for a question": ["--stats", "-d"],
    "a size for a question": ["--umount", "all", "--cache-size", "1GB"],
    "a list for a question": ["--list", "--prefetch", "all"],
    "a log for a question": ["--list", "--access-log", "x"],
    "no size": ["oci:somewhere", "--cache-size", "lots"],
    "no engine": ["oci:somewhere", "--engine", "ntfs"],
    "an empty folder": ["oci:somewhere", ""],
    "an empty folder to end": ["--umount", ""],
    "an empty folder to ask": ["--stats", ""],
    "three names": ["oci:somewhere", "place", "more"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_what_does_not_go_together(program, spot, arguments):
    assert_said(program.run("view", *arguments, cwd=spot), 2)
    assert not program.cache.exists()


def test_errors_are_one_line_with_a_remedy(program, spot, small):
    (spot / "file").write_bytes(b"")
    (spot / "folder").mkdir()
    good = f"oci:{small}"
    for arguments, status, words in (
        ([f"oci:{small}:nothing", spot / "place"], 66, ["nothing"]),
        ([f"oci:{small}:nothing", spot / "place", "-d"], 66, ["nothing"]),
        (["UPPER CASE/x:y:z", spot / "place"], 64, []),
        ([good, spot / "file"], 73, ["Not a directory"]),
        ([good, spot / "nowhere/place"], 73, ["no folder"]),
        ([good, spot], 73, ["own cache"]),
        ([good, spot / "place", "--prefetch", spot / "nowhere"], 2, ["no list of paths"]),
        ([good, spot / "place", "--access-log", spot / "nowhere/log", "-d"], 73, ["cannot write the access log"]),
    ):
        assert_said(program.run("view", *arguments), status, *words)
        assert not (spot / "place").exists()
    assert view_folders(spot) == []
    wait_until(lambda: processes_naming(spot) == [])


def test_a_folder_shows_one_view(program, spot, small):
    program.say("view", f"oci:{small}", spot / "place", "-d", "--engine", "fuse")
    for more in ([], ["-d"]):
        done = program.run("view", f"oci:{small}", spot / "place", *more)
        assert_said(done, 73, f"{spot / 'place'} shows oci:{small} already")
    assert (spot / "place/srv/page").exists()
    program.say("view", "--umount", "all")


def test_what_shows_no_view_cannot_be_ended_or_asked(program, spot):
    for question in ("--umount", "--stats"):
        assert_said(program.run("view", question, spot / "place"), 66, "shows no view of yours")


@pytest.mark.parametrize("engine", ["erofs", "erofs-fanotify"])
def test_an_engine_that_cannot_is_an_error_where_it_was_asked_for(spot, engine, small):
    """Without the right to mount; the automatic choice takes the next one."""
    needs_engine("fuse", spot)
    without = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    if subprocess.run([*without, "true"], capture_output=True, check=False, timeout=30).returncode != 0:
        pytest.skip("needs setpriv")
    done = Program(spot, before=without).run("view", f"oci:{small}", spot / "place", "--engine", engine)
    assert_said(done, 71, "erofs", "not permitted")
    assert not (spot / "place").exists()
