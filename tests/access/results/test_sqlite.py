"""Results in SQLite: kept, shared, bounded, and never wrong, whatever happens to the file."""

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.access.results.contract import VALUE_SIZE, NoResults, ResultKind, result_key
from rafsight.access.results.files import SCHEMA, begin_file, find_file, open_file
from rafsight.access.results.sealing import seal, unseal
from rafsight.access.results.sqlite import SqliteResults
from rafsight.base.events import Noticed

DAY = 24 * 3600


def key_of(number):
    return result_key(ResultKind.FILE, str(number).encode())


VALUES = {key_of(number): f"{number} ".encode() * (number * 7) for number in range(60)}


class Notes(list):
    def __call__(self, event):
        assert isinstance(event, Noticed)
        self.append(event.message)


def filled(folder, values=VALUES, **more):
    store = SqliteResults(folder, **more)
    store.keep(values)
    store.close()
    return find_file(folder)


def fetched(folder, keys=VALUES, **more):
    store = SqliteResults(folder, **more)
    found = store.fetch(keys)
    store.close()
    return found


def in_a_process(code, *arguments, **more):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def test_what_is_kept_is_there_next_time(tmp_path):
    notes = Notes()
    assert fetched(tmp_path, listener=notes) == {}
    filled(tmp_path)
    assert fetched(tmp_path, listener=notes) == VALUES
    assert fetched(tmp_path, [key_of(3), key_of(1000)]) == {key_of(3): VALUES[key_of(3)]}
    filled(tmp_path, {key_of(3): b"new", key_of(2000): b""})
    assert fetched(tmp_path, [key_of(3), key_of(2000)]) == {key_of(3): b"new", key_of(2000): b""}
    assert notes == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", find_file(tmp_path).name]


def test_a_closed_store_has_nothing_and_keeps_nothing(tmp_path):
    store = SqliteResults(tmp_path)
    store.keep(VALUES)
    store.close()
    assert store.fetch(VALUES) == {}
    store.keep({key_of(99): b"x"})
    assert fetched(tmp_path, [key_of(99)]) == {}
    nothing = NoResults()
    nothing.keep(VALUES)
    assert nothing.fetch(VALUES) == {}
    nothing.close()


def test_more_keys_than_one_statement_takes(tmp_path):
    values = {key_of(number): str(number).encode() for number in range(2500)}
    filled(tmp_path, values)
    assert fetched(tmp_path, values) == values


@given(key=st.binary(min_size=1, max_size=40), value=st.binary(max_size=500) | st.integers(0, 5000).map(bytes))
def test_what_was_sealed_is_what_comes_out(key, value):
    key = key.ljust(33, b"k")[:33]
    sealed = seal(key, value)
    assert unseal(key, sealed) == value
    assert len(sealed) <= len(value) + 17
    assert unseal(key[:-1] + b"?" if key[-1:] != b"?" else key[:-1] + b"!", sealed) is None
    assert unseal(key, sealed[:-1]) is None


@pytest.mark.parametrize("sealed", [None, 5, "text", b"", b"x" * 16, b"x" * 100])
def test_what_was_never_sealed_is_nothing(sealed):
    assert unseal(key_of(1), sealed) is None


def test_too_much_is_not_kept(tmp_path):
    assert seal(key_of(1), bytes(VALUE_SIZE + 1)) is None
    noise = random.Random(1).randbytes(100_000)
    filled(tmp_path, {key_of(1): noise, key_of(2): b"small"}, limit=400_000)
    assert fetched(tmp_path, [key_of(1), key_of(2)]) == {key_of(2): b"small"}


def test_what_was_used_longest_ago_goes_first(tmp_path):
    now = [1_000_000]
    noise = random.Random(1)
    store = SqliteResults(tmp_path, limit=1 << 20, clock=lambda: now[0])
    for number in range(300):
        now[0] += DAY * 2
        store.keep({key_of(number): noise.randbytes(10_000)})
        if number % 10 == 9:
            assert store.fetch([key_of(0)])
            store._do(store._touch, None)
    left = store.fetch([key_of(number) for number in range(300)])
    store.close()
    kept = sorted(number for number in range(300) if key_of(number) in left)
    assert kept[0] == 0, "it was used all the time"
    assert kept[1:] == list(range(kept[1], 300)), "the others went in their order"
    assert 60 < len(kept) < 110
    assert find_file(tmp_path).stat().st_size < (1 << 20) + 400_000


def test_use_is_marked_at_the_end_and_not_each_time(tmp_path):
    now = [1_000_000]

    def marks():
        connection = sqlite3.connect(find_file(tmp_path))
        try:
            return {used for (used,) in connection.execute("SELECT used FROM result")}
        finally:
            connection.close()

    filled(tmp_path, clock=lambda: now[0])
    now[0] += DAY - 1
    fetched(tmp_path, clock=lambda: now[0])
    assert marks() == {1_000_000}
    now[0] += 2
    fetched(tmp_path, clock=lambda: now[0])
    assert marks() == {now[0]}


WRITE = """
    import sys
    from pathlib import Path
    from rafsight.access.results.contract import ResultKind, result_key
    from rafsight.access.results.sqlite import SqliteResults
    folder, own, notes = Path(sys.argv[1]), int(sys.argv[2]), []
    store = SqliteResults(folder, listener=notes.append)
    for round in range(15):
        values = {result_key(ResultKind.FILE, str(n).encode()): f"{n} ".encode() * (n * 7) for n in range(round * 4, round * 4 + 4)}
        store.keep({**values, result_key(ResultKind.IMAGE, bytes([own, round])): bytes(2000)})
        assert store.fetch(values) == values
    store.close()
    print(notes)
"""


def test_many_processes_at_once(tmp_path):
    running = [in_a_process(WRITE, tmp_path, own) for own in range(10)]
    for process in running:
        output, errors = process.communicate(timeout=60)
        assert (process.returncode, output, errors) == (0, "[]\n", "")
    assert fetched(tmp_path) == VALUES
    connection = open_file(find_file(tmp_path), patience=1)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("SELECT count(*) FROM result").fetchone() == (60 + 150,)
    connection.close()


ENDLESS = """
    import itertools, random, sys
    from pathlib import Path
    from rafsight.access.results.contract import ResultKind, result_key
    from rafsight.access.results.sqlite import SqliteResults
    store = SqliteResults(Path(sys.argv[1]), limit=1 << 20)
    for number in itertools.count():
        store.keep({result_key(ResultKind.FILE, f"{number} {part}".encode()): str(number).encode() * 3000 for part in range(20)})
        print(number, flush=True)
"""


def test_killed_while_it_writes(tmp_path):
    filled(tmp_path)
    for wait in (1, 4, 11):
        process = in_a_process(ENDLESS, tmp_path)
        for _ in range(wait):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
    notes = Notes()
    store = SqliteResults(tmp_path, listener=notes)
    assert store.fetch(VALUES) == VALUES
    for number in range(11):  # of what was written, all or nothing is there
        keys = [result_key(ResultKind.FILE, f"{number} {part}".encode()) for part in range(20)]
        found = store.fetch(keys)
        assert len(found) in (0, 20)
        assert set(found.values()) <= {str(number).encode() * 3000}
    store.keep({key_of(500): b"after"})
    assert store.fetch([key_of(500)]) == {key_of(500): b"after"}
    store.close()
    assert notes == []


FULL = """
    import random, sys
    from pathlib import Path
    from rafsight.access.results.contract import ResultKind, result_key
    from rafsight.access.results.sqlite import SqliteResults
    notes = []
    store = SqliteResults(Path(sys.argv[1]), listener=notes.append)
    first = result_key(ResultKind.FILE, b"0")
    for number in range(40):
        store.keep({result_key(ResultKind.FILE, str(number).encode() + b"x"): random.Random(number).randbytes(20_000)})
        store.fetch([first])
    store.close()
    print(len(notes), notes[0].message if notes else "")
"""


def test_a_limit_on_files_ends_writing_and_nothing_else(tmp_path):
    filled(tmp_path)
    process = in_a_process(
        FULL, tmp_path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    )
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert output.startswith("1 results of scans cannot be kept in "), output
    notes = Notes()
    assert fetched(tmp_path, listener=notes) == VALUES
    assert notes == []


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_ends_writing_and_nothing_else(tmp_path):
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "none", tmp_path], check=False, capture_output=True
    ).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        filled(tmp_path / "results")
        process = in_a_process(FULL, tmp_path / "results")
        output, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
        assert output.startswith("1 results of scans cannot be kept in "), output
        assert fetched(tmp_path / "results") == VALUES
        (tmp_path / "rest").write_bytes(b"")
        with pytest.raises(OSError, match="space"):
            (tmp_path / "rest").write_bytes(bytes(600_000))
        notes = Notes()
        assert fetched(tmp_path / "new", listener=notes) == {}
        assert len(notes) == 1
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def spoil_head(content):
    return b"garbage, garbage" + content[16:]


def spoil_middle(content):
    return content[:4096] + os.urandom(len(content) - 4096)


DAMAGES = {
    "empty": lambda content: b"",
    "garbage": lambda content: b"no database at all " * 1000,
    "head": spoil_head,
    "all but the head": spoil_middle,
    "cut in the middle": lambda content: content[: len(content) // 2],
    "cut to the head": lambda content: content[:4096],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_begun_anew_with_a_warning(tmp_path, damage):
    path = filled(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    notes = Notes()
    store = SqliteResults(tmp_path, listener=notes)
    found = store.fetch(VALUES)
    assert found == {}
    assert [note.partition(" in ")[0] for note in notes] == ["the results of earlier scans"]
    store.keep(VALUES)
    assert store.fetch(VALUES) == VALUES
    store.close()
    assert find_file(tmp_path) != path
    assert not path.exists()
    notes.clear()
    assert fetched(tmp_path, listener=notes) == VALUES
    assert notes == []


def test_no_flipped_bit_ever_gives_a_wrong_answer(tmp_path):
    path = filled(tmp_path)
    sound, chance = path.read_bytes(), random.Random(7)
    wrong = 0
    for _ in range(150):
        content = bytearray(sound)
        for _ in range(chance.choice((1, 1, 3))):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        for one in tmp_path.glob("v*"):
            one.unlink()
        path.write_bytes(content)
        found = fetched(tmp_path)
        assert found.items() <= VALUES.items()
        wrong += len(found) < len(VALUES)
    assert wrong > 20, "the damage is where it matters"


def test_a_value_of_another_key_is_damage(tmp_path):
    path = filled(tmp_path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE result SET value = (SELECT value FROM result WHERE key = ?)", (key_of(5),))
    connection.close()
    notes = Notes()
    assert fetched(tmp_path, [key_of(6)], listener=notes) == {}
    assert len(notes) == 1


@pytest.mark.parametrize(
    "statement",
    [
        f"PRAGMA user_version = {SCHEMA + 1}",
        "PRAGMA application_id = 5",
        "DROP TABLE result",
        "UPDATE result SET value = 'x'",
    ],
)
def test_a_file_of_others_under_our_name_is_left(tmp_path, statement):
    path = filled(tmp_path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()
    notes = Notes()
    assert fetched(tmp_path, listener=notes) == {}
    assert len(notes) == 1
    filled(tmp_path)
    assert fetched(tmp_path) == VALUES


def test_a_newer_release_has_a_file_of_its_own(tmp_path):
    filled(tmp_path)
    newer = tmp_path / f"v{SCHEMA + 1}-{10**18}.sqlite"
    newer.write_bytes(b"who knows")
    notes = Notes()
    assert fetched(tmp_path, listener=notes) == VALUES
    path = find_file(tmp_path)
    path.write_bytes(b"damaged")
    assert fetched(tmp_path, listener=notes) == {}
    assert newer.read_bytes() == b"who knows"


def test_who_has_a_damaged_file_open_harms_nobody(tmp_path):
    """SQLite removes the files beside a database by their names when the last one closes it."""
    path = filled(tmp_path)
    old = SqliteResults(tmp_path)
    assert old.fetch([key_of(1)])
    begin_file(tmp_path, instead_of=path)
    new = SqliteResults(tmp_path)
    new.keep({key_of(1): b"one", key_of(2): b"two"})
    old.keep({key_of(3): b"three"})
    old.close()
    assert new.fetch([key_of(1), key_of(2), key_of(3)]) == {key_of(1): b"one", key_of(2): b"two"}
    new.keep({key_of(4): b"four"})
    new.close()
    assert len(fetched(tmp_path)) == 3
    assert sorted(one.suffix for one in tmp_path.iterdir()) == ["", ".sqlite"]


def test_two_who_find_the_same_damage_begin_one_file(tmp_path):
    path = filled(tmp_path)
    assert begin_file(tmp_path, instead_of=path) == begin_file(tmp_path, instead_of=path) == find_file(tmp_path)


def test_what_a_killed_process_had_begun_is_swept(tmp_path):
    tmp_path.joinpath(".new-0123.sqlite").write_bytes(b"half")
    filled(tmp_path)
    assert not list(tmp_path.glob(".new-*"))


def test_a_writer_that_does_not_go_on_costs_what_was_to_be_written(tmp_path):
    path, notes = filled(tmp_path), Notes()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    store = SqliteResults(tmp_path, listener=notes, patience=0.05)
    assert store.fetch(VALUES) == VALUES
    store.keep({key_of(77): b"x"})
    assert notes == [f"results of scans cannot be kept in {tmp_path}: another process holds them and does not go on"]
    holder.execute("ROLLBACK")
    holder.close()
    store.keep({key_of(78): b"y"})
    assert store.fetch([key_of(77), key_of(78)]) == {key_of(78): b"y"}
    store.close()


def test_a_folder_that_is_not_ours_to_write_is_no_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    notes = Notes()
    store = SqliteResults(blocked / "results", listener=notes)
    store.keep(VALUES)
    assert store.fetch(VALUES) == {}
    store.close()
    assert notes == []


@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_folder_that_may_not_be_written(mode):
    folder = Path(tempfile.mkdtemp(prefix="rafsight-test-"))
    nobody, notes = 65_534, Notes()
    try:
        filled(folder)
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                os.chown(path, nobody, nobody)
        folder.chmod(mode)
        if os.geteuid() == 0:
            os.seteuid(nobody)
        try:
            store = SqliteResults(folder, listener=notes)
            assert store.fetch(VALUES).items() <= VALUES.items()
            store.keep({key_of(90): b"x"})
            assert key_of(90) not in store.fetch([key_of(90)])
            store.close()
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
        assert notes == []
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)


def test_a_folder_instead_of_the_file(tmp_path):
    path = filled(tmp_path)
    path.unlink()
    path.mkdir()
    store = SqliteResults(tmp_path)
    assert store.fetch(VALUES) == {}
    store.keep(VALUES)
    store.close()


def test_a_file_that_vanishes_is_made_again(tmp_path):
    store = SqliteResults(tmp_path)
    store.keep(VALUES)
    find_file(tmp_path).unlink()
    store.close()
    filled(tmp_path)
    assert fetched(tmp_path) == VALUES
