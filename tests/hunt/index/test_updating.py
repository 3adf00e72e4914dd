"""Indexes over small fleets in the stand-in registry: what they fetch, what they keep, what they survive."""

import shutil
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.hunt.fleets import make_layout, named

from rafsight.access.fetch import threads
from rafsight.access.fleet import Fleet
from rafsight.access.options import Options
from rafsight.base.events import Advanced, Noticed
from rafsight.hunt.corpus import Corpus
from rafsight.hunt.index.duck import open_duck
from rafsight.hunt.index.fleet_index import FleetIndex
from rafsight.hunt.index.generations import read_newest
from rafsight.hunt.index.hands import Desk, Hands
from rafsight.hunt.index.making import LocalParts
from rafsight.hunt.index.manifest import DamagedIndex
from rafsight.hunt.index.places import LocalPlace
from rafsight.hunt.index.snapshot import NoSuchIndex, Shelf
from rafsight.hunt.index.taking import Taker
from rafsight.hunt.index.updating import IndexExists, Update
from rafsight.hunt.spreading import Threads
from rafsight.hunt.work import LocalCrew
from rafsight.testing.registry import Mischief, serve_layout

BASE = {b"etc/hosts": b"127.0.0.1\n", b"usr/bin/tool": b"x" * 500}


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleet")
    return {
        "app": make_layout(folder / "app", {"v1": BASE, "stable": BASE, "v2": {**BASE, b"opt/two": b"2"}}),
        "web": make_layout(folder / "web", {"v1": {**BASE, b"srv/web": b"w"}}),
        "new": make_layout(folder / "new", {"v1": {**BASE, b"opt/new": b"n"}}),
    }


@pytest.fixture
def index(tmp_path):
    return FleetIndex(str(tmp_path / "index"))


def ask(index, sql):
    with index.query(sql) as result:
        return sorted(result.rows, key=str)


def images(index):
    rows = ask(index, "SELECT regexp_replace(reference, '^[^/]*/', ''), gone_at IS NOT NULL, error_code FROM images")
    return sorted((name, "gone" if is_gone else code or "there") for name, is_gone, code in rows)


def test_each_bootstrap_is_fetched_once_and_never_again(layouts, index):
    with serve_layout({name: layouts[name] for name in ("app", "web")}) as registry:
        result = index.build(named(registry=registry.host, jobs=3))
        assert (result.images, result.trees, result.failures) == (4, 3, ())
        blobs = [served.call.path for served in registry.log if "/blobs/" in served.call.path]
        assert len(blobs) == len(set(blobs)) == 3
        registry.forget()
        again = FleetIndex(index._place.name).update(named())  # it knows what it was built of
        assert (again.images, again.trees, again.gone) == (4, 0, 0)
        assert not [served for served in registry.log if "/blobs/" in served.call.path]
    assert index.status().generation == 1  # nothing had changed
    found = ask(index, "SELECT tag, path FROM files WHERE path LIKE '/opt/%' AND kind = 'file'")
    assert found == [("v2", "/opt/two")]


def test_gone_and_moved_tags(layouts, index, tmp_path):
    served = {name: shutil.copytree(layouts[name], tmp_path / name) for name in ("app", "web")}
    after = make_layout(tmp_path / "after", {"v1": BASE, "next": BASE, "v2": {**BASE, b"opt/new": b"n"}})
    with serve_layout(served) as registry:
        index.build(named(registry=registry.host))
        shutil.copytree(after, served["app"], dirs_exist_ok=True)
        result = index.update(named())
        assert (result.trees, result.gone) == (1, 2)
        assert images(index) == [
            ("app:next", "there"),
            ("app:stable", "gone"),
            ("app:v1", "there"),
            ("app:v2", "gone"),
            ("app:v2", "there"),
            ("web:v1", "there"),
        ]
        assert ask(index, "SELECT tag FROM files WHERE path = '/opt/two'") == []
        assert ask(index, "SELECT tag FROM files WHERE path = '/opt/new'") == [("v2",)]
        assert index.update(named()).gone == 0


def test_what_fails_is_listed_and_tried_again_and_nothing_is_gone_for_it(layouts, index):
    mischief = (
        Mischief(only="/web/blobs/", status=404, times=1),
        Mischief(only="/app/tags/list", status=403, after=1),
    )
    with serve_layout({name: layouts[name] for name in ("app", "web")}, mischief=mischief) as registry:
        result = index.build(named(f"{registry.host}/app:none", "no reference!", registry=registry.host))
        assert sorted(failure.code for failure in result.failures) == ["malformed-reference", "not-found", "not-found"]
        assert ("web:v1", "not-found") in images(index)
        assert ("no reference!", "malformed-reference") in images(index)
        assert ("app:none", "not-found") not in images(index)
        assert index.status().failed == 2
        result = index.update(named())
        assert (f"{registry.host}/app",) in [failure.names for failure in result.failures]
        assert result.gone == 0
        assert ("web:v1", "there") in images(index)


def test_a_place_that_does_not_answer_says_nothing_about_its_images(layouts, index, tmp_path):
    folder = shutil.copytree(layouts["app"], tmp_path / "app")
    index.build(named(f"oci:{folder}", f"oci:{folder}:v1"))
    folder.rename(tmp_path / "away")
    result = index.update(named())
    assert result.gone == 0
    assert {failure.code for failure in result.failures} == {"no-such-file"}
    assert {state for _, state in images(index)} == {"there"}


def test_two_writers_at_once_lose_nothing(layouts, tmp_path):
    url = str(tmp_path / "index")
    first = FleetIndex(url)
    first.build(named(f"oci:{layouts['web']}"))

    def work(name: str) -> None:
        FleetIndex(url).update(named(f"oci:{layouts[name]}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("app", "new", "app")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tags = ask(first, "SELECT DISTINCT repository.regexp_extract('[^/]*$'), tag FROM files WHERE name = 'hosts'")
    assert tags == [("app", "stable"), ("app", "v1"), ("app", "v2"), ("new", "v1"), ("web", "v1")]
    assert len(ask(first, "SELECT reference, path FROM files WHERE path = '/opt/two'")) == 1


def test_who_is_stopped_has_changed_nothing(layouts, tmp_path):
    class Stopped(Exception):
        pass

    class Stopping(LocalPlace):
        def create(self, name: str, content: bytes) -> bool:
            raise Stopped

    index = FleetIndex(str(tmp_path / "index"))
    index.build(named(f"oci:{layouts['web']}"))
    later = FleetIndex(str(tmp_path / "index"))
    later._place = Stopping(tmp_path / "index")
    with pytest.raises(Stopped):
        later.update(named(f"oci:{layouts['app']}"))
    assert index.status().images == 1
    assert index.update(named(f"oci:{layouts['app']}")).trees == 2


def test_each_part_is_there_as_soon_as_it_is_full(layouts, tmp_path):
    place = LocalPlace(tmp_path / "index")
    options = Options()
    with threads(2, name="test") as pool, open_duck() as connection, TemporaryDirectory() as scratch:
        fleet = Fleet(options, pool=pool)
        seen = []

        def hear(event):
            if isinstance(event, Advanced) and event.operation.endswith("taking file tables"):
                newest = read_newest(place)
                seen.append(len(newest.parts) if newest else 0)

        lists = Threads(pool=pool, ahead=1, listener=hear)
        crew = LocalCrew(tradesman=Taker(fleet=fleet, all_platforms=False), threads=lists)
        where = {"place": place, "connection": connection, "scratch": Path(scratch)}
        parts = LocalParts(**where, crew=crew, most_trees=1)
        update = Update(
            desk=Desk(**where, url=place.name, shelf=Shelf(place, None, Path(scratch))),
            hands=Hands(fleet=fleet, lists=lists, crew=crew, parts=parts),
            corpus=Corpus(references=tuple(f"oci:{layouts[name]}" for name in ("app", "new", "web"))),
            all_platforms=False,
            before=None,
        )
        assert update.run().trees == 4
        fleet.close()
    assert seen == [0, 1, 2, 3]
    index = FleetIndex(str(tmp_path / "index"))
    assert (index.status().parts, index.status().failed) == (4, 0)
    assert len(ask(index, "SELECT reference FROM files WHERE path = '/etc/hosts'")) == 5


def test_a_damaged_table_of_images_is_made_again(layouts, index, tmp_path):
    heard = []
    with serve_layout({name: layouts[name] for name in ("app", "web")}) as registry:
        index.build(named(registry=registry.host))
        before = images(index)
        (table,) = (tmp_path / "index" / "images").iterdir()
        table.write_bytes(b"x" * table.stat().st_size)
        with pytest.raises(DamagedIndex, match="images/"):
            FleetIndex(index._place.name).update(named())
        registry.forget()
        again = named(f"{registry.host}/app:v1", listener=heard.append)  # the others are not forgotten for that
        result = FleetIndex(index._place.name).update(again, verify=True)
        assert (result.images, result.trees) == (4, 0)
        assert not [served for served in registry.log if "/blobs/" in served.call.path]
    assert images(index) == before
    assert any(isinstance(event, Noticed) and "table of images was damaged" in event.message for event in heard)


def test_an_index_is_built_once(layouts, index):
    with pytest.raises(NoSuchIndex):
        index.update(named())
    with pytest.raises(NoSuchIndex):
        index.status()
    images = named(f"oci:{layouts['web']}")
    index.build(images)
    with pytest.raises(IndexExists):
        index.build(images)


def test_at_any_url(layouts):
    fsspec = pytest.importorskip("fsspec", reason="needs the extra `fsspec`")
    index = FleetIndex("memory://fleet/index")
    try:
        index.build(named(f"oci:{layouts['app']}"))
        assert ask(index, "SELECT tag FROM files WHERE path = '/opt/two'") == [("v2",)]
        assert [len(answer.names) for answer in index.ask(names=[b"hosts"])] == [2, 1]
    finally:
        fsspec.filesystem("memory").rm("/fleet", recursive=True)
