"""What a worker of a cluster does, without a cluster."""

import base64
import threading
import time
from dataclasses import replace
from secrets import token_hex

import pytest
from tests.hunt.fleets import digests_of, make_layout
from tests.matching.support import make_database, record

from rafsight.access.fleet import Lead
from rafsight.access.options import Options
from rafsight.access.results.contract import NoResults
from rafsight.hunt import station
from rafsight.hunt.joining import StoredVerdicts
from rafsight.hunt.question import make_question, parse_package, read_file_question
from rafsight.hunt.spreading import FaultKind
from rafsight.hunt.terms import make_terms
from rafsight.hunt.wire import Batch, Order, OtherRelease, Parcel, pack, pack_order, unpack, unpack_order
from rafsight.reports.hunting import Evidence, HuntAnswer
from rafsight.testing.registry import Mischief, serve_layout
from rafsight.testing.registry_server import Answer

DPKG = b"Package: xz-utils\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.6.1-1\nDescription: x\n\n"


@pytest.fixture
def fleet(tmp_path):
    files = {
        b"etc/hosts": b"127.0.0.1\n",
        b"var/lib/dpkg/status": DPKG,
        b"etc/os-release": b'ID=debian\nVERSION_ID="12"\n',
    }
    return make_layout(tmp_path / "app", {"v1": files, "v2": {**files, b"opt/b": b"token"}})


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RAFSIGHT_CACHE_DIR", str(tmp_path / "workers"))
    return tmp_path / "workers"


@pytest.fixture
def name():
    """The name of an order, which comes once; what it needs is closed at the end."""
    name = token_hex(8)
    yield name
    station.end_work(name)
    await_that(lambda: name not in station._STATIONS)


def await_that(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def order(*, package="", paths=(), content="", advisories=(), database=None, **options):
    files = read_file_question(paths=paths, names=(), kinds="", size="", mode="", xattr=b"", sha256=(), content=content)
    question = make_question(files, parse_package(package, "", advisories))
    terms = make_terms(question, database, all_platforms=False)
    return Order(trade="hunt", terms=pack(terms).content, options=Options(**options), keeps=True, jobs=2)


def work(name, told, kind, items, rate=None):
    return unpack(station.work_on(name, pack_order(told), kind, pack(items), rate), Batch)


def results(batch, kind):
    return [unpack(Parcel(one.result), kind) for one in batch.outcomes]


def test_names_become_images_and_images_answers(fleet, name):
    told = order(paths=[b"/opt/*"])
    found = work(name, told, "resolve", [f"oci:{fleet}:v1", f"oci:{fleet}:v2", f"oci:{fleet}:nope"])
    leads = [lead for one in found.outcomes[:2] for lead in unpack(Parcel(one.result), tuple[Lead, ...])]
    assert [lead.digest for lead in leads] == [digests_of(fleet)[tag] for tag in ("v1", "v2")]
    assert (found.outcomes[2].fault.kind, found.outcomes[2].fault.code) == (FaultKind.MISSING, "no-such-tag")
    looked = work(name, told, "look", leads)
    answers = results(looked, HuntAnswer)
    assert [[file.path for file in one.files] for one in answers] == [[], [b"opt/b"]]
    assert [one.digest for one in answers] == [lead.digest for lead in leads]
    assert looked.account == found.account
    assert looked.spent.requests > found.spent.requests


def test_the_worker_has_an_environment_and_a_cache_of_its_own(fleet, name, cache, tmp_path):
    told = order(package="pkg:deb/xz-utils", cache_dir=tmp_path / "ours", environment={"SECRET": "x"})
    sent = unpack_order(pack_order(told), "here")
    assert (sent.options.environment, sent.options.cache_dir) == ({}, None)
    (lead,) = unpack(Parcel(work(name, told, "resolve", [f"oci:{fleet}:v1"]).outcomes[0].result), tuple[Lead, ...])
    (answer,) = results(work(name, told, "look", [lead]), HuntAnswer)
    assert [one.name for one in answer.packages] == ["xz-utils"]
    assert list(cache.rglob("*.sqlite"))
    assert not (tmp_path / "ours").exists()


def test_credentials_travel_if_they_were_given_and_are_never_shown(fleet, name):
    wanted = "Basic " + base64.b64encode(b"me:geheim").decode()

    def gate(call):
        is_me = call.header("authorization") == wanted
        return None if is_me else Answer(status=401, headers=(("WWW-Authenticate", 'Basic realm="r"'),))

    with serve_layout(fleet, gate=gate) as registry:
        told = order(paths=[b"/opt/*"], username="me", password="geheim")
        assert "geheim" not in repr(told) + repr(pack_order(told))
        (found,) = work(name, told, "resolve", [registry.reference("v1")]).outcomes
        assert found.fault is None


def test_another_release_is_refused(name, fleet):
    sent = pack_order(order(paths=[b"/opt/*"]))
    other = pack(replace(unpack(sent, Order), release="0.0.1"))
    with pytest.raises(OtherRelease, match=r"rafsight 0\.0\.1"):
        unpack_order(other, "here")
    told = unpack(station.work_on(name, other, "resolve", pack(["x"]), None), Batch)
    assert (told.final.code, told.worker) == ("other-release", station.worker_name())
    with pytest.raises(OtherRelease):
        unpack_order(Parcel(b"\x01"), "here")


def test_other_advisories_are_refused(name, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    ours = make_database(tmp_path / "a", [record("PYSEC-1")])
    told = order(advisories=["PYSEC-1"], database=ours)
    make_database(tmp_path / "b", [record("PYSEC-2")]).replace(ours)
    assert work(name, told, "resolve", ["x"]).final.code == "other-advisories"
    ours.unlink()
    assert work(name, told, "resolve", ["x"]).final.code == "no-database"


def test_mistakes_are_answers_too(name):
    told = order(paths=[b"/opt/*"])
    assert work(name, told, "no such work", []).final.code == "defect"
    assert work(name, told, "look", ["no lead"]).final.code == "defect"


def test_hosts_are_asked_as_often_as_the_last_call_says(fleet, name):
    with serve_layout(fleet) as registry:
        told = order(paths=[b"/opt/*"])
        names = [registry.reference("v1")] * 4
        work(name, told, "resolve", names[:1], 1000)
        began = time.monotonic()
        work(name, told, "resolve", names, 20)
        assert time.monotonic() - began > 0.14  # three distances of 50 ms


def test_the_end_waits_for_nobody(fleet, name):
    with serve_layout(fleet, mischief=(Mischief(only="/manifests/", hang=30),)) as registry:
        told = order(paths=[b"/opt/*"])
        batches = []
        call = threading.Thread(target=lambda: batches.append(work(name, told, "resolve", [registry.reference("v1")])))
        call.start()
        assert registry.wait_for_hang()
        station.end_work(name)
        call.join(25)
        assert batches[0].final.code == "defect"  # nobody reads it


def test_a_call_that_comes_after_the_end_opens_nothing(fleet, name):
    told = order(paths=[b"/opt/*"])
    station.end_work(name)
    assert work(name, told, "resolve", [f"oci:{fleet}:v1"]).final.code == "defect"  # nobody reads it
    assert name not in station._STATIONS


def test_verdicts_lie_where_results_do():
    kept = {}

    class Store(NoResults):
        def fetch(self, keys):
            return {key: kept[key] for key in keys if key in kept}

        def keep(self, values):
            kept.update(values)

    verdicts = {b"a": None, b"b": (Evidence(kind="content", text="x", offset=3),)}
    StoredVerdicts(Store(), "question").keep_verdicts(verdicts.items())
    assert StoredVerdicts(Store(), "question").verdicts([b"a", b"b", b"c"]) == verdicts
    assert StoredVerdicts(Store(), "another").verdicts([b"a", b"b"]) == {}
    kept = dict.fromkeys(kept, b"\xff")
    assert StoredVerdicts(Store(), "question").verdicts([b"a", b"b"]) == {}
