"""The cache folder as a whole: how much it is, whether it is sound, and how it gets smaller."""

import os
import shutil
import sqlite3
import time

import pytest
from blake3 import blake3
from tests.access.chunk_store.images import PLENTY, open_small, small_image
from tests.access.results.test_sqlite import VALUES, filled

import rafsight
from rafsight.access.cache import Cache
from rafsight.access.chunk_store.store import open_chunk_store
from rafsight.access.results.files import SCHEMA, find_file
from rafsight.access.results.sqlite import SqliteResults
from rafsight.access.work_folder import open_work_folder
from rafsight.base.digest import digest_of
from rafsight.interfaces.cli import cache as commands
from rafsight.verbs.caches import PARTS, NoSuchPart

DAY = 24 * 3600
NOW = int(time.time())
LAYER = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def age(path, days):
    os.utime(path, (NOW - days * DAY, NOW - days * DAY))


@pytest.fixture
def cache(tmp_path):
    """A cache with something in each part."""
    folder = tmp_path / "cache"
    kept = Cache(folder)
    for content in (b"{}", b"[]", b'{"a": 1}'):
        kept.keep_document(digest_of(content), content)
    kept.keep_bootstrap(LAYER, {"image.boot": bytes(100_000), "x.blob.meta": b"meta"})
    kept.keep_bootstrap(OTHER, {"image.boot": bytes(200_000)})
    filled(folder / "results", clock=lambda: NOW - 5 * DAY)
    with open_small(small_image()) as image, open_chunk_store(image, folder / "chunks", limit=PLENTY) as store:
        for row in image.tree.walk():
            if image.tree.is_file(row):
                store.read_row(row, 0, 1 << 20)
    (folder / "downloads").mkdir()
    (folder / "downloads/npm.part").write_bytes(b"half")
    (folder / "presented/layers").mkdir(parents=True)
    (folder / "presented/layers" / digest_of(b"layer")[7:]).write_bytes(b"layer")
    (folder / "index").mkdir()
    (folder / "index" / f"{blake3(b'table').hexdigest()}.parquet").write_bytes(b"table")
    (folder / "db").mkdir()
    (folder / "db/advisories.sqlite").write_bytes(bytes(50_000))
    days = {"documents": 40, "bootstraps": 10, "downloads": 20, "index": 15}
    for part, old in days.items():
        for path in (folder / part).iterdir():
            age(path, old)
    age(folder / "presented/layers" / digest_of(b"layer")[7:], 16)
    age(folder / "bootstraps" / OTHER[7:], 35)
    age(next((folder / "chunks").iterdir()) / "labels", 3)
    return folder


def caches(folder):
    return rafsight.Caches(folder, clock=lambda: NOW)


def counts(folder):
    return {part.name: dict(part.counts) for part in caches(folder).status().parts}


FULL = {
    "results": {"about_images": 0, "about_files": 60},
    "documents": {"documents": 3},
    "bootstraps": {"bootstraps": 2},
    "chunks": {"blobs": 1},
    "convert": {"files": 0},
    "downloads": {"files": 1},
    "index": {"tables": 1},
    "presented": {"layers": 1},
}
EMPTY = {name: dict.fromkeys(one, 0) for name, one in FULL.items()}


def test_status_counts_everything(cache):
    status = caches(cache).status()
    assert counts(cache) == FULL
    assert [part.name for part in status.parts] == list(PARTS)
    sizes = {part.name: part.size for part in status.parts}
    assert status.size == sum(sizes.values())
    assert 300_000 < sizes["bootstraps"] < 350_000
    assert 150_000 < sizes["chunks"] < 200_000
    assert status.other_size >= 50_000


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    one = caches(tmp_path / "none")
    assert one.status().size == one.status().other_size == 0
    assert one.prune(max_size=0, unused_for=0) == 0
    assert one.clear() == 0
    assert all(found.checked == 0 for found in one.verify())
    assert not (tmp_path / "none").exists()


def test_everything_sound_is_verified_and_left(cache):
    found = {one.name: one for one in caches(cache).verify()}
    assert {name: (one.checked, one.damaged) for name, one in found.items()} == {
        "results": (60, 0),
        "documents": (3, 0),
        "bootstraps": (2, 0),
        "chunks": (11, 0),
        "convert": (0, 0),
        "downloads": (0, 0),
        "index": (1, 0),
        "presented": (1, 0),
    }
    assert found["downloads"].unchecked == 1
    assert counts(cache) == FULL
    assert caches(cache).prune(unused_for=30 * DAY) > 200_000, "to be looked at is not to be used"


def flip(path, at=-1):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def damage_a_value(cache):
    connection = sqlite3.connect(find_file(cache / "results"), isolation_level=None)
    connection.execute("UPDATE result SET value = x'00' || value WHERE id = 7")
    connection.close()


DAMAGES = {
    "documents": lambda cache: flip(next((cache / "documents").iterdir())),
    "bootstraps": lambda cache: flip(cache / "bootstraps" / LAYER[7:] / "image.boot"),
    "results": damage_a_value,
    "index": lambda cache: flip(next((cache / "index").iterdir())),
    "presented": lambda cache: flip(next((cache / "presented/layers").iterdir())),
    "chunks": lambda cache: flip(next((cache / "chunks").iterdir()) / "data", 5000),
}


@pytest.mark.parametrize("part", DAMAGES)
def test_damage_is_found_and_goes(cache, part):
    DAMAGES[part](cache)
    found = {one.name: one.damaged for one in caches(cache).verify()}
    assert found == dict.fromkeys(PARTS, 0) | {part: 1}
    assert all(one.damaged == 0 for one in caches(cache).verify())
    left = counts(cache)
    assert left.pop(part) != FULL[part]
    assert left.items() <= FULL.items()


def test_results_of_which_nothing_can_be_read(cache):
    path = find_file(cache / "results")
    path.write_bytes(b"no database" * 100)
    assert counts(cache)["results"] == {"about_images": 0, "about_files": 0}
    assert [one.damaged for one in caches(cache).verify(["results"])] == [1]
    assert find_file(cache / "results") != path
    assert [one.damaged for one in caches(cache).verify(["results"])] == [0]


def test_old_things_go(cache):
    assert caches(cache).prune(unused_for=100 * DAY) == 0
    freed = caches(cache).prune(unused_for=30 * DAY)
    assert counts(cache) == FULL | {"documents": {"documents": 0}, "bootstraps": {"bootstraps": 1}}
    assert (cache / "bootstraps" / LAYER[7:]).is_dir()
    assert freed > 200_000
    caches(cache).prune(unused_for=4 * DAY)
    assert counts(cache) == EMPTY | {"chunks": {"blobs": 1}}
    assert (cache / "db/advisories.sqlite").stat().st_size == 50_000


def test_the_rest_is_small_enough_and_what_was_used_last_stays(cache):
    size = caches(cache).status().size
    freed = caches(cache).prune(max_size=size - 1)
    assert counts(cache)["documents"] == {"documents": 2}
    assert 0 < freed < 10_000
    caches(cache).prune(max_size=size - 210_000)
    assert counts(cache) == FULL | {
        "documents": {"documents": 0},
        "bootstraps": {"bootstraps": 1},
    }
    caches(cache).prune(max_size=150_000)
    assert counts(cache) == EMPTY | {"results": FULL["results"]}, "results go last"
    caches(cache).prune(max_size=25_000)
    assert counts(cache)["results"]["about_files"] < 60


def test_clear_takes_all_or_some_parts(cache):
    assert caches(cache).clear(["documents", "chunks"]) > 150_000
    assert counts(cache) == FULL | {"documents": {"documents": 0}, "chunks": {"blobs": 0}}
    other = cache / "results" / f"v{SCHEMA + 1}-5.sqlite"
    other.write_bytes(b"of another release")
    caches(cache).clear()
    assert counts(cache) == EMPTY
    assert not other.exists()
    assert (cache / "db/advisories.sqlite").stat().st_size == 50_000
    with pytest.raises(NoSuchPart, match="no part 'db'"):
        caches(cache).clear(["db"])
    with pytest.raises(NoSuchPart):
        caches(cache).verify(["everything"])


def test_what_is_in_use_stays(cache):
    with open_small(small_image()) as image, open_chunk_store(image, cache / "chunks", limit=PLENTY) as store:
        assert caches(cache).verify(["chunks"])[0].unchecked == 1
        caches(cache).clear()
        assert store.is_complete()
    with open_work_folder(cache / "convert") as work:
        (work.path / "x.layer").write_bytes(b"")
        caches(cache).clear()
        assert (work.path / "x.layer").exists()
        assert caches(cache).verify(["convert"])[0].unchecked == 1
    caches(cache).clear()
    assert not (cache / "convert" / "x.layer").exists()


def test_a_scan_goes_on_while_somebody_clears(cache):
    store = SqliteResults(cache / "results")
    assert store.fetch(VALUES) == VALUES
    caches(cache).clear()
    assert store.fetch(VALUES) == VALUES
    store.keep({**VALUES})
    other = SqliteResults(cache / "results")
    other.keep(VALUES)
    store.close()
    assert other.fetch(VALUES) == VALUES
    other.close()
    assert [one.damaged for one in caches(cache).verify(["results"])] == [0]


def test_unfinished_conversions_are_compared_with_their_records(tmp_path):
    from tests.views.slim.images import program, write_image

    plain = write_image(tmp_path / "plain", {"a": program(bytes(50_000)), "b": b"2" * 9000})
    work = tmp_path / "cache" / "convert"
    kept = tmp_path / "kept"

    def listen(event):  # the layer is packed; the conversion has not come to its end
        if not kept.exists() and list(work.glob("*.layer")):
            shutil.copytree(work, kept)

    rafsight.Conversions(listener=listen).convert(
        plain, f"oci:{tmp_path / 'nydus'}:latest", rafsight.ConvertTerms(work_dir=work)
    )
    shutil.copytree(kept, work, dirs_exist_ok=True)
    assert counts(tmp_path / "cache")["convert"] == {"files": 2}
    sound = caches(tmp_path / "cache").verify(["convert"])[0]
    assert (sound.checked, sound.damaged, sound.unchecked) == (2, 0, 0)
    flip(next(work.glob("*.blob")))
    assert caches(tmp_path / "cache").verify(["convert"])[0].damaged == 1
    assert not list(work.glob("*.blob"))


def test_bootstraps_that_were_used_longest_ago_make_room(tmp_path):
    cache = Cache(tmp_path, room=1_000_000)
    digests = [f"sha256:{number:064x}" for number in range(15)]
    for number, digest in enumerate(digests):
        cache.keep_bootstrap(digest, {"image.boot": bytes(100_000)})
        age(tmp_path / "bootstraps" / digest[7:], 100 - number)
        assert cache.bootstrap(digests[0]) is not None, "it is used all the time"
    left = [digest for digest in digests if cache.bootstrap(digest)]
    assert left == [digests[0], *digests[-len(left) + 1 :]]
    assert 7 <= len(left) <= 10


def test_use_is_marked(tmp_path):
    cache = Cache(tmp_path)
    cache.keep_document(digest_of(b"{}"), b"{}")
    path = next((tmp_path / "documents").iterdir())
    os.utime(path, (1000, 1000))
    assert cache.document(digest_of(b"{}")) == b"{}"
    assert path.stat().st_mtime > 1000


def test_the_command_line_knows_the_parts():
    assert commands._PARTS == PARTS
