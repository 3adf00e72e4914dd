"""A folder for a run is gone after it, also if the process was killed."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from rafsight.base.errors import ExitStatus
from rafsight.engines.scratch import ScratchFailed, open_scratch

HOLD = """
import sys
from pathlib import Path
from rafsight.engines.scratch import open_scratch

with open_scratch(Path(sys.argv[1])) as folder:
    (folder / "image.tar").write_bytes(b"content")
    print(folder, flush=True)
    sys.stdin.read()
"""


def runs_in(parent):
    return {path.name for path in parent.glob("run-*")}


def test_it_is_ours_alone_and_goes(tmp_path):
    with open_scratch(tmp_path / "cache" / "engines") as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert [path.name for path in folder.iterdir()] == ["lock"]
        (folder / "deep" / "er").mkdir(parents=True)
        (folder / "deep" / "er" / "file").write_bytes(b"content")
    assert not folder.exists()
    assert [path.name for path in (tmp_path / "cache" / "engines").iterdir()] == ["lock"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_it_goes_whatever_happens(tmp_path, error):
    with pytest.raises(error), open_scratch(tmp_path) as folder:
        raise error
    assert not folder.exists()


def test_without_a_place_of_its_own_it_lies_where_temporary_files_do():
    with open_scratch(None) as folder:
        assert folder.is_dir()
    assert not folder.exists()


@pytest.fixture
def without_privileges():
    """A folder, and nobody's rights: root may remove anything."""
    folder = Path(tempfile.mkdtemp())
    before = os.geteuid()
    if not before:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    yield folder
    os.seteuid(before)
    shutil.rmtree(folder)


def test_what_an_engine_made_read_only_goes_too(without_privileges):
    with open_scratch(without_privileges / "engines") as folder:
        (folder / "a" / "b").mkdir(parents=True)
        (folder / "a" / "b" / "file").write_bytes(b"content")
        (folder / "a" / "out").symlink_to(without_privileges)
        (folder / "a" / "b").chmod(0o500)
        (folder / "a").chmod(0o500)
        shutil.rmtree(folder / "a", ignore_errors=True)
        assert (folder / "a" / "b" / "file").exists()  # that is not enough
    assert not folder.exists()
    assert without_privileges.is_dir()


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        left = process.stdout.readline().rstrip("\n")
        with open_scratch(tmp_path) as folder:
            assert runs_in(tmp_path) == {folder.name, left.rpartition("/")[2]}  # its process lives
        process.kill()
        process.wait()
    assert runs_in(tmp_path) == {left.rpartition("/")[2]}
    with open_scratch(tmp_path) as folder:
        assert runs_in(tmp_path) == {folder.name}


def test_one_that_got_no_lock_in_time_is_swept(tmp_path):
    (tmp_path / "run-before").mkdir()
    (tmp_path / "run-file").write_bytes(b"no folder")
    (tmp_path / "other").mkdir()
    with open_scratch(tmp_path):
        assert not (tmp_path / "run-before").exists()
        assert (tmp_path / "other").exists()


def test_nobody_sweeps_a_folder_that_is_just_made(tmp_path):
    lost = []

    def work():
        for _ in range(25):
            with open_scratch(tmp_path) as folder:
                try:
                    (folder / "file").write_bytes(b"content")
                except OSError as error:
                    lost.append(error)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not lost
    assert not runs_in(tmp_path)


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_place_that_cannot_be(tmp_path, name):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ScratchFailed) as caught, open_scratch(tmp_path / name):
        pytest.fail("there is no such folder")
    assert caught.value.exit_status == ExitStatus.HOST
    assert str(tmp_path / name) in str(caught.value)
