import random
import sqlite3
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.os.rpm_sqlite import _checksum, read_blobs

SCHEMA = """CREATE TABLE IF NOT EXISTS 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);
CREATE TABLE 'Name' (key TEXT NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL);"""


def some(count, seed=1, largest=60_000):
    choose = random.Random(seed)
    return [choose.randbytes(choose.choice((5, 300, 4000, 4061, 4062, largest)) + number) for number in range(count)]


def fill(connection, blobs):
    for blob in blobs:
        connection.execute("INSERT INTO Packages(blob) VALUES (?)", (blob,))
    connection.commit()


def database(path, blobs, *, page_size=4096):
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA page_size={page_size}")
        connection.executescript(SCHEMA)
        fill(connection, blobs)
    connection.close()
    return path.read_bytes()


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
@pytest.mark.parametrize("count", [0, 1, 300])
def test_reads_what_sqlite_wrote(tmp_path, page_size, count):
    blobs = some(count, largest=20_000)
    assert list(read_blobs(database(tmp_path / "db", blobs, page_size=page_size))) == blobs


def test_rows_that_were_deleted_and_replaced(tmp_path):
    blobs = some(60)
    path = tmp_path / "db"
    database(path, blobs)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM Packages WHERE hnum % 3 = 0")
        connection.execute("UPDATE Packages SET blob = ? WHERE hnum = 5", (b"n" * 9000,))
    expected = [row[0] for row in connection.execute("SELECT blob FROM Packages ORDER BY hnum")]
    connection.close()
    assert list(read_blobs(path.read_bytes())) == expected


@pytest.fixture
def logged(tmp_path):
    """A database whose newest pages are in its log only, as rpm leaves it when it is killed."""
    path = tmp_path / "db"
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;" + SCHEMA)
    fill(connection, some(20))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    fill(connection, some(30, seed=2))
    connection.execute("DELETE FROM Packages WHERE hnum IN (1, 7)")
    connection.commit()
    expected = [row[0] for row in connection.execute("SELECT blob FROM Packages ORDER BY hnum")]
    content, log = path.read_bytes(), path.with_name("db-wal").read_bytes()
    connection.close()
    assert len(expected) == 48
    return content, log, expected


def test_the_log_holds_newer_pages(logged):
    content, log, expected = logged
    assert list(read_blobs(content, log)) == expected
    assert list(read_blobs(content)) == some(20)


def test_what_was_not_committed_does_not_count(logged):
    content, log, expected = logged
    # The last frame of a commit says the size of the database; cut it off, and its whole transaction is gone.
    assert list(read_blobs(content, log[:-1])) != expected
    assert len(list(read_blobs(content, log[:-1]))) == 50


def test_a_log_with_a_wrong_checksum_ends_there(logged):
    content, log, _ = logged
    damaged = bytearray(log)
    damaged[32 + 24 + 100] ^= 1
    assert list(read_blobs(content, bytes(damaged))) == some(20)
    damaged = bytearray(log)
    damaged[16] ^= 1
    assert list(read_blobs(content, bytes(damaged))) == some(20)


def test_an_empty_log_is_normal(logged):
    assert list(read_blobs(logged[0], b"")) == some(20)


def test_a_schema_cannot_run(tmp_path):
    path = tmp_path / "db"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE VIEW Packages AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT x AS blob FROM n"
        )
    connection.close()
    with pytest.raises(MalformedFile, match="no table Packages"):
        list(read_blobs(path.read_bytes()))


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"SQLite format 3\0" + bytes(200)])
def test_no_database_is_malformed(content):
    with pytest.raises(MalformedFile):
        list(read_blobs(content))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return database(tmp_path_factory.mktemp("sound") / "db", some(12, largest=3000), page_size=512)


@given(data=st.data())
def test_any_damage_is_read_or_malformed(sound, data):
    content = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(sound) - 1) | st.integers(0, 2000))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.just(len(sound)) | st.integers(0, len(sound)))
    try:
        found = list(read_blobs(bytes(content[:cut])))
    except MalformedFile:
        return
    assert sum(map(len, found)) <= 2 * len(sound)


def test_links_cannot_loop(sound):
    content = bytearray(sound)
    root = 2
    assert content[512] == 0x05  # an interior page
    content[512 + 8 : 512 + 12] = root.to_bytes(4, "big")  # its last child is itself
    with pytest.raises(MalformedFile, match="used twice"):
        list(read_blobs(bytes(content)))


def cells(sound, page):
    """The page's start, and the offsets of its cells."""
    start = (page - 1) * 512
    count = int.from_bytes(sound[start + 3 : start + 5], "big")
    return start, [int.from_bytes(sound[at : at + 2], "big") for at in range(start + 8, start + 8 + 2 * count, 2)]


@pytest.mark.parametrize(
    ("place", "new", "message"),
    [
        ("count", b"\xff\xff", "too many cells"),
        ("pointer", b"\x01\xfd", "a record is cut off"),
        ("pointer", b"\xff\xff", "a number is cut off"),
        ("cell", b"\xff\xff\xff\xff\x01", "a record of"),
        ("serial", b"\x7e", "shorter than its columns"),
    ],
)
def test_damaged_cells(tmp_path, place, new, message):
    # A cell is: size, row number, then the record: size of its head, NULL (the row number again), 18 (a blob of 3).
    content = bytearray(database(tmp_path / "db", [b"abc", b"def"], page_size=512))
    start, offsets = cells(content, 2)
    cell = start + offsets[0]
    assert content[cell : cell + 8] == b"\x06\x01\x03\x00\x12abc"
    at = {"count": start + 3, "pointer": start + 8, "cell": cell, "serial": cell + 4}[place]
    content[at : at + len(new)] = new
    with pytest.raises(MalformedFile, match=message):
        list(read_blobs(bytes(content)))


def test_a_database_that_ends_early(sound):
    with pytest.raises(MalformedFile):
        list(read_blobs(sound[: len(sound) // 2]))


def forged_log(log, page_size, number, count):
    """Write a log of one frame with sound check sums: page `number`, and `count` pages in the database."""
    order = "<" if log[3] == 0x82 else ">"
    head = struct.pack(">II", number, count)
    page = log[56 : 56 + page_size]
    sums = _checksum(head + page, order, _checksum(log[:24], order, (0, 0)))
    return log[:32] + head + log[16:24] + struct.pack(">II", *sums) + page


def test_a_log_that_claims_more_pages_than_there_are(logged):
    content, log, _ = logged
    page_size = int.from_bytes(content[16:18], "big")
    pages = len(content) // page_size
    with pytest.raises(MalformedFile, match="more pages"):
        list(read_blobs(content, forged_log(log, page_size, 1, 1 << 30)))
    # One page more than the file has fits in file and log together, and is nowhere.
    with pytest.raises(MalformedFile):
        list(read_blobs(content[:-page_size], forged_log(log, page_size, 1, pages)))


def test_rows_without_a_blob_are_passed_over(tmp_path):
    path = tmp_path / "db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob)")
        connection.executemany("INSERT INTO Packages(blob) VALUES (?)", [(None,), (b"x",), (7,), ("text",)])
    connection.close()
    assert list(read_blobs(path.read_bytes())) == [b"x"]


def test_row_numbers_of_nine_bytes(tmp_path):
    path = tmp_path / "db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob)")
        connection.execute("INSERT INTO Packages VALUES (-1, ?)", (b"x",))
    connection.close()
    assert list(read_blobs(path.read_bytes())) == [b"x"]
