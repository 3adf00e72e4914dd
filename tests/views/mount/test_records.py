"""The folders of running views: who may own them, what a damaged one is, and whose process number is whose."""

import fcntl
import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tests.views.mount.places import needs_root, wait_until

from rafsight.views.mount.records import (
    BLOBS,
    ROOT,
    AlreadyAView,
    NoRecords,
    Record,
    UnsafeFolder,
    all_views,
    is_alive,
    list_views,
    opened_site,
    process_start,
    read_record,
    read_small,
    views_folder,
    write_record,
    write_small,
)

RECORD = Record(
    view_id="0123456789ab", reference="app:v1", directory="/mnt/a", made_directory=True, engine="fuse",
    started=1_700_000_000, pid=4711, pid_started=99, hears_signals=True, is_ready=True,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return views_folder(tmp_path.resolve() / "cache")


def test_the_folder_is_the_users_own(tmp_path):
    folder = views_folder(tmp_path / "deep/cache")
    assert folder == (tmp_path / "deep/cache/views").resolve()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    assert views_folder(tmp_path / "deep/cache") == folder
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_cache_by_another_name_is_the_same(tmp_path):
    (tmp_path / "link").symlink_to("cache")
    (tmp_path / "cache").mkdir()
    assert views_folder(tmp_path / "link") == views_folder(tmp_path / "cache")


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_folder_is_refused(tmp_path, kind):
    (tmp_path / "elsewhere").mkdir()
    if kind == "file":
        (tmp_path / "views").write_bytes(b"")
    else:
        (tmp_path / "views").symlink_to("elsewhere")
    with pytest.raises(UnsafeFolder, match="not a folder"):
        views_folder(tmp_path)


def test_a_cache_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NoRecords, match="cannot be written down"):
        views_folder(tmp_path / "file/cache")


@pytest.mark.root
def test_root_uses_no_folder_that_others_could_exchange(tmp_path):
    needs_root()
    cache = tmp_path / "open/cache"
    views_folder(cache)
    for owner, group, mode, why in (
        (0, 0, 0o777, "others may write"),
        (0, 65534, 0o775, "others may write"),
        (65534, 0, 0o755, "belongs to user 65534"),
    ):
        os.chown(tmp_path / "open", owner, group)
        (tmp_path / "open").chmod(mode)
        with pytest.raises(UnsafeFolder, match=why):
            views_folder(cache)
    for owner, group, mode in ((0, 0, 0o1777), (0, 0, 0o775), (0, 65534, 0o755)):
        os.chown(tmp_path / "open", owner, group)
        (tmp_path / "open").chmod(mode)
        assert views_folder(cache).is_dir()


@pytest.mark.root
def test_a_folder_of_somebody_else_is_refused(tmp_path):
    needs_root()
    (tmp_path / "views").mkdir()
    os.chown(tmp_path / "views", 65534, 65534)
    with pytest.raises(UnsafeFolder, match="belongs to user 65534"):
        views_folder(tmp_path)


def test_a_site_is_written_down_and_alive_as_long_as_it_is_open(folder):
    with opened_site(folder, "app:v1", None, made_directory=False, hears_signals=True) as site:
        (found,) = list_views(folder)
        assert found.is_alive
        assert found.record == site.record == read_record(site.folder)
        assert site.directory == site.folder / ROOT
        assert sorted(path.name for path in site.folder.iterdir()) == [BLOBS, "lock", "record.json", ROOT]
        assert (found.record.pid, found.record.pid_started) == (os.getpid(), process_start(os.getpid()))
        assert not found.record.is_ready
        site.change(engine="fuse", is_ready=True)
        assert read_record(site.folder) == replace(found.record, engine="fuse", is_ready=True)
    (found,) = list_views(folder)
    assert not found.is_alive


def test_a_folder_shows_one_view(folder, tmp_path):
    with opened_site(folder, "app:v1", tmp_path / "a", made_directory=False, hears_signals=True) as first:
        with (
            pytest.raises(AlreadyAView, match="app:v1 already"),
            opened_site(folder, "app:v2", tmp_path / "a", made_directory=False, hears_signals=True),
        ):
            pass
        with opened_site(folder, "app:v2", tmp_path / "b", made_directory=False, hears_signals=True) as second:
            assert [one.folder for one in list_views(folder)] == sorted([first.folder, second.folder])
    with opened_site(folder, "app:v3", tmp_path / "a", made_directory=False, hears_signals=True):
        assert [one.record.reference for one in list_views(folder) if one.is_alive] == ["app:v3"]


def test_a_site_that_cannot_be_written_is_no_live_view(folder):
    """Its lock is let go, so that the next view takes the folder away."""
    code = """
import resource, signal, sys
from pathlib import Path
from rafsight.views.mount.records import NoRecords, list_views, opened_site
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
folder = Path(sys.argv[1])
try:
    with opened_site(folder, "app:v1", None, made_directory=False, hears_signals=True):
        raise SystemExit("it was written")
except NoRecords as error:
    print(error)
print([(one.is_alive, one.record) for one in list_views(folder)])
"""
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"running views cannot be written down in {next(folder.glob('*/'))}: File too large",
        "[(False, None)]",
    ]


def test_who_looks_at_locks_hinders_nobody_who_makes_a_view(folder):
    """To look takes the lock for a moment; a view that is made at that moment waits."""
    stop = threading.Event()

    def look():
        while not stop.is_set():
            list_views(folder)

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(40):
            with opened_site(folder, "app", None, made_directory=False, hears_signals=True) as site:
                assert is_alive(site.folder)
    finally:
        stop.set()
        for looker in lookers:
            looker.join(30)


@pytest.mark.parametrize("left", ["nothing", "a lock", "a record"])
def test_folders_written_half_are_no_live_views(folder, left):
    half = folder / "half"
    half.mkdir()
    if left != "nothing":
        (half / "lock").write_bytes(b"")
    if left == "a record":
        write_record(half, RECORD)
    (found,) = list_views(folder)
    assert not found.is_alive
    assert found.record == (RECORD if left == "a record" else None)


def test_locks_that_are_links_are_not_followed(folder, tmp_path):
    (tmp_path / "lock").write_bytes(b"")
    (folder / "odd").mkdir()
    (folder / "odd/lock").symlink_to(tmp_path / "lock")
    with (tmp_path / "lock").open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not is_alive(folder / "odd")


def test_files_beside_the_folders_are_no_views(folder, tmp_path):
    (folder / "file").write_bytes(b"")
    (folder / "link").symlink_to(tmp_path)
    assert list_views(folder) == []
    assert list_views(tmp_path / "nowhere") == []


def test_one_process_at_a_time_changes_the_folder(folder):
    code = (
        "import sys; from pathlib import Path; from rafsight.views.mount.records import all_views\n"
        "with all_views(Path(sys.argv[1])): print('in', flush=True)"
    )
    with all_views(folder):
        waiting = subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True)
        try:
            wait_until(lambda: f"{(folder / 'lock').stat().st_ino}" in locks_waited_for())
            assert waiting.poll() is None
        except BaseException:
            waiting.kill()
            raise
    assert waiting.communicate(timeout=30)[0] == "in\n"


def locks_waited_for():
    lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    return " ".join(word.rpartition(":")[2] for line in lines if "->" in line for word in line.split())


DAMAGE = {
    "empty": b"",
    "no JSON": b"{",
    "no object": b"[]",
    "bytes": bytes(range(256)),
    "deep": b"[" * 100_000,
    "a field less": json.dumps({k: v for k, v in asdict(RECORD).items() if k != "pid"}).encode(),
    "a field more": json.dumps(asdict(RECORD) | {"more": 1}).encode(),
    "text for a number": json.dumps(asdict(RECORD) | {"pid": "1"}).encode(),
    "truth for a number": json.dumps(asdict(RECORD) | {"pid": True}).encode(),
    "a number for truth": json.dumps(asdict(RECORD) | {"made_directory": 1}).encode(),
    "nothing for text": json.dumps(asdict(RECORD) | {"directory": None}).encode(),
    "cut": json.dumps(asdict(RECORD)).encode()[:-5],
    "long": b" " * (1 << 20) + json.dumps(asdict(RECORD)).encode(),
}


@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_record_is_none(tmp_path, content):
    (tmp_path / "record.json").write_bytes(content)
    assert read_record(tmp_path) is None


def test_a_record_comes_back_with_any_name(tmp_path):
    record = replace(RECORD, directory=os.fsdecode(b"/mnt/\xff\n\xc3\xa9"), reference="ü\x1b[31m")
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
    assert (tmp_path / "record.json").read_bytes().isascii()
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_small_files_are_never_links(tmp_path):
    (tmp_path / "real").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(OSError, match="symbolic links"):
        read_small(tmp_path / "link")
    (tmp_path / "file.new").symlink_to("real")
    with pytest.raises(OSError, match="symbolic links"):
        write_small(tmp_path / "file", "y")
    assert (tmp_path / "real").read_bytes() == b"x"


def test_a_number_is_somebody_elses_when_its_process_began_later():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as one:
        began = process_start(one.pid)
        assert began >= process_start(os.getpid()) > 0
        one.communicate(b"\n", timeout=30)
    assert process_start(one.pid) == 0
    assert process_start(2**40) == 0
