import threading
import time
from dataclasses import replace

import pytest

from rafsight.hunt.corpus import Corpus
from rafsight.hunt.index.generations import BusyIndex, commit, new_name, read_newest
from rafsight.hunt.index.manifest import (
    DamagedIndex,
    Manifest,
    NewerIndex,
    Retired,
    StoredFile,
    manifest_name,
    read_manifest,
    write_manifest,
)
from rafsight.hunt.index.places import LocalPlace


def stored(name: str | None = None) -> StoredFile:
    return StoredFile(name=name or f"images/{new_name()}.parquet", size=1, digest="0" * 64, rows=0)


def empty() -> Manifest:
    return Manifest(
        generation=0, writer="", written_at=0, corpus=Corpus(), all_platforms=False, images=stored(), parts=()
    )


def naming(reference: str):
    """Return a change that adds a reference: what it says can be seen, and must not get lost."""

    def change(newest: Manifest | None) -> Manifest:
        before = newest or empty()
        return replace(before, corpus=Corpus(references=(*before.corpus.references, reference)), images=stored())

    return change


@pytest.fixture
def place(tmp_path):
    return LocalPlace(tmp_path / "index")


def test_no_writer_takes_back_what_another_wrote(place):
    def work(number: int) -> None:
        for turn in range(4):
            commit(place, naming(f"{number}-{turn}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    newest = read_newest(place)
    assert newest is not None
    assert newest.generation == 20
    assert sorted(newest.corpus.references) == sorted(f"{number}-{turn}" for number in range(5) for turn in range(4))


def test_a_reader_sees_the_newest_whole_generation(place):
    assert read_newest(place) is None
    commit(place, naming("a"))
    place.create(manifest_name(2), b'{"format": "rafsight-ind')  # a writer was killed where files grow
    newest = read_newest(place)
    assert newest is not None
    assert newest.corpus.references == ("a",)
    assert commit(place, naming("b")).generation == 3
    assert read_newest(place).corpus.references == ("a", "b")


def test_nothing_but_damage_is_damage(place):
    place.create(manifest_name(1), b"{}")
    with pytest.raises(DamagedIndex):
        read_newest(place)


def test_nothing_to_change_changes_nothing(place):
    first = commit(place, naming("a"))
    assert commit(place, lambda _: None) == first
    assert place.listing("generations") == ["0000000001.json"]


def test_who_never_wins_gives_up(place):
    def overtaken(newest: Manifest | None) -> Manifest:
        commit(place, naming("other"))
        return newest or empty()

    with pytest.raises(BusyIndex):
        commit(place, overtaken, attempts=3)


def test_files_stay_for_readers_and_go_when_nobody_can_have_them(place, tmp_path):
    source = tmp_path / "file"
    source.write_bytes(b"x")
    young, old = new_name(), f"{int(time.time()) - 100_000:08x}-{'0' * 16}"
    for name in (f"images/{young}.parquet", f"images/{old}.parquet", "images/note.txt"):
        place.put(name, source)
    named = stored(f"images/{old}.parquet")
    commit(place, lambda _: replace(empty(), images=named))
    after = commit(place, naming("a"))
    assert [retired.name for retired in after.retired] == [named.name]
    assert place.listing("images") == sorted([f"{young}.parquet", f"{old}.parquet", "note.txt"])
    late = replace(after, generation=3, retired=(Retired(name=named.name, since=1),))
    place.create(manifest_name(3), write_manifest(late))  # as if it had been retired for long
    last = commit(place, naming("b"))
    assert named.name not in [retired.name for retired in last.retired]
    assert place.listing("images") == sorted([f"{young}.parquet", "note.txt"])


def test_old_documents_go(place):
    for number in range(66):
        commit(place, naming(str(number)))
    numbers = [int(name[:10]) for name in place.listing("generations")]
    assert numbers == list(range(3, 67))


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"images": stored("../../etc/passwd")},
        {"images": stored("parts/../x.parquet")},
        {"images": replace(stored(), digest="nothex")},
        {"images": replace(stored(), size=-1)},
        {"retired": (Retired(name="/etc/passwd", since=0),)},
    ],
    ids=["format", "above", "in-between", "digest", "size", "retired"],
)
def test_documents_that_name_what_they_must_not_are_refused(change):
    with pytest.raises(DamagedIndex):
        read_manifest(write_manifest(replace(empty(), **change)), "here")


def test_documents_of_later_releases_are_told_apart():
    with pytest.raises(NewerIndex):
        read_manifest(b'{"format": "rafsight-index", "version": 2, "whatever": []}', "here")
    for content in (b"", b"[]", b"\xff", b"[" * 100_000):
        with pytest.raises(DamagedIndex):
            read_manifest(content, "here")


def test_what_is_written_is_read():
    manifest = replace(empty(), generation=7, retired=(Retired(name=stored().name, since=3),))
    assert read_manifest(write_manifest(manifest), "here") == manifest
