"""The numbers of a view: written when they change, read by others, and never believed when they are damaged."""

import dataclasses
import json
import time

import pytest

from rafsight.views.mount.statistics import StatisticsFile, ViewStatistics, read_statistics

NUMBERS = ViewStatistics(
    seconds=1.5, files_opened=3, bytes_served=10, bytes_fetched=20, requests=4, chunk_hits=5, chunk_misses=6, failed=0
)


def write(folder, **changes):
    (folder / "stats.json").write_text(json.dumps(dataclasses.asdict(NUMBERS) | changes))


def test_they_are_written_when_one_of_them_changes(tmp_path):
    now = [NUMBERS]
    file = StatisticsFile(tmp_path, lambda: now[0])
    started = int(time.time()) + 1000
    file.refresh()
    assert read_statistics(tmp_path, started=started) == NUMBERS
    (tmp_path / "stats.json").unlink()
    now[0] = dataclasses.replace(NUMBERS, seconds=9.0)
    file.refresh()
    assert read_statistics(tmp_path, started=started) is None, "the time alone is no change"
    now[0] = dataclasses.replace(NUMBERS, seconds=9.5, files_opened=None)
    file.refresh()
    assert read_statistics(tmp_path, started=started) == now[0]


def test_the_time_goes_on_while_nothing_changes(tmp_path):
    write(tmp_path)
    read = read_statistics(tmp_path, started=int(time.time()) - 100)
    assert 100 <= read.seconds < 110
    assert dataclasses.replace(read, seconds=1.5) == NUMBERS


def test_a_place_that_takes_nothing_is_tried_again(tmp_path):
    folder = tmp_path / "gone"
    file = StatisticsFile(folder, lambda: NUMBERS)
    file.refresh()
    folder.mkdir()
    file.refresh()
    assert read_statistics(folder, started=int(time.time())).requests == 4


DAMAGE = {
    "empty": b"",
    "cut": json.dumps(dataclasses.asdict(NUMBERS)).encode()[:-3],
    "a list": b"[1]",
    "deep": b"[" * 100_000,
    "one less": json.dumps({k: v for k, v in dataclasses.asdict(NUMBERS).items() if k != "failed"}).encode(),
}


@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
def test_damaged_ones_are_none(tmp_path, content):
    (tmp_path / "stats.json").write_bytes(content)
    assert read_statistics(tmp_path, started=0) is None


@pytest.mark.parametrize(
    "change",
    [{"requests": None}, {"requests": "4"}, {"requests": 1.5}, {"failed": True}, {"seconds": None}, {"seconds": "1"},
     {"files_opened": 1.5}, {"more": 1}],
)  # fmt: skip
def test_numbers_of_another_kind_are_none(tmp_path, change):
    write(tmp_path)
    assert read_statistics(tmp_path, started=0) is not None
    write(tmp_path, **change)
    assert read_statistics(tmp_path, started=0) is None
