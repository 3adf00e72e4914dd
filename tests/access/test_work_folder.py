"""Packed layers wait in a folder: whole or not at all, one conversion at a time, and not for ever."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.access.test_layer_records import SUMMARY, record

from rafsight.access.layer_records import LayerSummary
from rafsight.access.work_folder import WorkFolder, WorkFolderUnusable, open_work_folder
from rafsight.base.errors import ExitStatus

KEY = "0" * 64


def make(work, key=KEY, blob=b"1234567", summary=SUMMARY):
    """Put a layer into a folder as a conversion does."""
    _content, files, written = record(summary=summary)
    with work.make(key) as (blob_file, writer):
        blob_file.write(blob)
        writer.finish(files, written.entry, written.chunks, summary)


def names(path):
    return sorted(one.name for one in Path(path).iterdir())


class TestLayers:
    def test_one_is_found_by_its_key(self, tmp_path):
        work = WorkFolder(path=tmp_path)
        assert work.find(KEY) is None
        assert not work.was_made(KEY)
        make(work)
        found = work.find(KEY)
        assert found.summary == SUMMARY
        with found.open_blob() as pieces:
            assert b"".join(pieces) == b"1234567"
        assert work.was_made(KEY)
        assert not WorkFolder(path=tmp_path).was_made(KEY)
        assert WorkFolder(path=tmp_path).find("1" * 64) is None
        assert names(tmp_path) == [f"{KEY}.blob", f"{KEY}.layer"]

    def test_one_that_failed_leaves_nothing(self, tmp_path):
        work = WorkFolder(path=tmp_path)

        def fail():
            with work.make(KEY) as (blob, _):
                blob.write(b"half")
                assert len(names(tmp_path)) == 2
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert names(tmp_path) == []
        assert not work.was_made(KEY)

    @pytest.mark.parametrize("content", [b"123456", b"12345678", None])
    def test_a_blob_of_another_size_is_not_used(self, tmp_path, content):
        work = WorkFolder(path=tmp_path)
        make(work)
        if content is None:
            (tmp_path / f"{KEY}.blob").unlink()
        else:
            (tmp_path / f"{KEY}.blob").write_bytes(content)
        assert work.find(KEY) is None

    def test_a_damaged_record_is_not_used(self, tmp_path):
        work = WorkFolder(path=tmp_path)
        make(work)
        path = tmp_path / f"{KEY}.layer"
        content = path.read_bytes()
        for damaged in (content[:-1], content[:40] + bytes([content[40] ^ 1]) + content[41:], b""):
            path.write_bytes(damaged)
            assert work.find(KEY) is None
        path.write_bytes(content)
        assert work.find(KEY) is not None

    def test_a_layer_without_a_blob(self, tmp_path):
        work = WorkFolder(path=tmp_path)
        empty = LayerSummary(blob_digest="", blob_size=0, meta=b"", content_size=0)
        make(work, blob=b"", summary=empty)
        assert work.find(KEY).summary == empty

    def test_the_end_takes_away_what_was_used(self, tmp_path):
        before = WorkFolder(path=tmp_path)
        make(before)
        make(before, "1" * 64)
        make(before, "2" * 64)
        work = WorkFolder(path=tmp_path)
        work.find(KEY)
        make(work, "3" * 64)
        work.find("4" * 64)
        work.drop()
        assert names(tmp_path) == sorted(f"{digit * 64}.{end}" for digit in "12" for end in ("blob", "layer"))

    def test_a_blob_that_went_away_is_told(self, tmp_path):
        work = WorkFolder(path=tmp_path)
        make(work)
        found = work.find(KEY)
        (tmp_path / f"{KEY}.blob").unlink()
        with pytest.raises(WorkFolderUnusable, match="No such file"), found.open_blob():
            pass


class TestFolders:
    def test_it_is_made_and_kept(self, tmp_path):
        folder = tmp_path / "a" / "work"
        with open_work_folder(folder) as work:
            assert work.path == folder
            make(work)
        assert names(folder) == [f"{KEY}.blob", f"{KEY}.layer", "lock"]
        assert folder.stat().st_mode & 0o777 == 0o700
        with open_work_folder(folder) as work:
            assert work.find(KEY) is not None

    def test_another_conversion_has_one_of_its_own(self, tmp_path):
        with open_work_folder(tmp_path) as first:
            make(first)
            with open_work_folder(tmp_path) as second:
                assert second.path.parent == tmp_path
                assert second.find(KEY) is None
                make(second)
                assert first.find(KEY) is not None
            assert not second.path.exists()
        with open_work_folder(tmp_path) as third:
            assert third.path == tmp_path

    def test_so_has_one_of_another_process(self, tmp_path):
        code = (
            "import sys, pathlib\nfrom rafsight.access.work_folder import open_work_folder\n"
            "with open_work_folder(pathlib.Path(sys.argv[1])) as work:\n    print(work.path, flush=True)\n    input()"
        )
        command = [sys.executable, "-c", code, str(tmp_path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            try:
                assert other.stdout.readline().strip() == str(tmp_path)
                with open_work_folder(tmp_path) as work:
                    assert work.path != tmp_path
            finally:
                other.communicate("\n")
        with open_work_folder(tmp_path) as work:
            assert work.path == tmp_path

    def test_nobody_named_one(self):
        with open_work_folder(None) as work:
            make(work)
            assert work.find(KEY) is not None
        assert not work.path.exists()

    def test_what_nobody_could_use_again_goes_at_once(self, tmp_path):
        folder = tmp_path / "work"
        with open_work_folder(folder, keeps=False) as work:
            make(work)
            assert work.path.parent == folder
        assert names(folder) == []

    def test_a_failure_leaves_whole_layers_alone(self, tmp_path):
        def fail():
            with open_work_folder(tmp_path) as work:
                make(work)
                (tmp_path / "x.blob.part").write_bytes(b"of a thread that was not waited for")
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert names(tmp_path) == [f"{KEY}.blob", f"{KEY}.layer", "lock"]

    def test_what_is_old_or_was_begun_goes(self, tmp_path):
        with open_work_folder(tmp_path) as work:
            for digit in "012":
                make(work, digit * 64)
        left = tmp_path / "rafsight-convert-old"
        fresh = tmp_path / "rafsight-convert-new"
        for one in (left, fresh):
            one.mkdir()
            (one / "x.blob").write_bytes(b"x")
        (tmp_path / "stranger").write_bytes(b"")
        (tmp_path / "x.blob.part").write_bytes(b"")
        long_ago = time.time() - 8 * 24 * 3600
        for one in (*tmp_path.glob(f"{'0' * 64}.*"), left, tmp_path / "stranger"):
            os.utime(one, (long_ago, long_ago))
        with open_work_folder(tmp_path):
            expected = {f"{digit * 64}.{end}" for digit in "12" for end in ("blob", "layer")}
            assert set(names(tmp_path)) == expected | {"lock", "stranger", fresh.name}

    def test_a_place_that_cannot_be_written(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(WorkFolderUnusable, match="cannot be used") as caught, open_work_folder(tmp_path / "file"):
            pass
        assert caught.value.exit_status is ExitStatus.HOST
        with pytest.raises(WorkFolderUnusable), open_work_folder(tmp_path / "file" / "below"):
            pass

    def test_it_goes_away_under_way(self, tmp_path):
        folder = tmp_path / "work"
        with open_work_folder(folder) as work:
            (folder / "lock").unlink()
            folder.rmdir()
            with pytest.raises(WorkFolderUnusable):
                make(work)
