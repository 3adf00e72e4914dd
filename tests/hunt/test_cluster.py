"""Hunts on a real Dask cluster: several processes, one of which is killed in the middle; and what goes wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest
from tests.hunt.fleets import make_layout, named
from tests.hunt.test_scans import OWN_CHECK
from tests.interfaces.service.postgres_server import postgres_server

from rafsight.access.options import Options
from rafsight.base.events import Started, silent
from rafsight.hunt import scanning, station, terms
from rafsight.hunt.cluster import Cluster, ClusterUnreachable
from rafsight.hunt.hunts import Hunts
from rafsight.hunt.index.fleet_index import FleetIndex
from rafsight.hunt.sending import ClusterLost, WorkerUnfit
from rafsight.testing.registry import PLANTED, Mischief, serve_layout
from rafsight.verbs.advisories import Advisories

distributed = pytest.importorskip("distributed", reason="needs Dask: pip install 'rafsight[cluster]'")

DPKG = b"Package: xz-utils\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.6.%d-1\nDescription: x\n\n"
REPOSITORIES = 4
TAGS = 6
IMAGES = REPOSITORIES * TAGS


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleet")

    def files(repository, tag):
        return {
            b"etc/os-release": b'ID=debian\nVERSION_ID="12"\n',
            b"var/lib/dpkg/status": DPKG % (tag % 3),
            b"opt/%d/%d" % (repository, tag): b"token %d" % tag,
        }

    return {
        f"team/app{repository}": make_layout(
            folder / f"{repository}", {f"v{tag}": files(repository, tag) for tag in range(TAGS)}
        )
        for repository in range(REPOSITORIES)
    }


@contextmanager
def in_time(seconds=30):
    """See that something does not take long."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def local_cluster(processes, **more):
    return distributed.LocalCluster(
        processes=processes,
        threads_per_worker=1,
        host="127.0.0.1",
        protocol=more.pop("protocol", "tcp://"),
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
        **more,
    )


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """A cluster of three processes, with a cache of their own."""
    cache = tmp_path_factory.mktemp("workers")
    with local_cluster(True, n_workers=3, env={"RAFSIGHT_CACHE_DIR": str(cache)}) as running:
        yield running


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A cluster of two workers in this process, quickly begun."""
    monkeypatch.setenv("RAFSIGHT_CACHE_DIR", str(tmp_path / "workers"))
    with local_cluster(False, n_workers=2) as running:
        yield running


def hunts_on(registry, cluster=None, **more):
    hunts = Hunts(cluster=cluster and Cluster(address=cluster.scheduler_address), **more)
    hunts.add_registry(registry.host)
    return hunts


def pids_of(cluster):
    """Return the numbers of the processes, once those that were killed before are replaced."""
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        client.wait_for_workers(len(cluster.worker_spec), timeout=120)
        return client.run(os.getpid)


def by_digest(answers):
    found = {answer.digest: answer for answer in answers}
    assert len(found) == len(answers)  # none is doubled
    return found


QUESTIONS = {
    "files": {"paths": [b"/opt/*/3"]},
    "content": {"paths": [b"/opt/**"], "content": "token 3"},
    "packages": {"package": "pkg:deb/xz-utils", "version": "<5.6.2"},
}


@pytest.mark.parametrize(("question", "dies"), [("files", False), ("packages", False), ("content", True)])
def test_the_same_answers_with_a_cluster_even_if_one_of_its_processes_is_killed(fleet, processes, question, dies):
    with serve_layout(fleet, latency=0.05 if dies else 0) as registry:
        local = hunts_on(registry)
        expected = by_digest(list(local.ask(**QUESTIONS[question])))
        assert len(expected) == IMAGES
        hunts = hunts_on(registry, processes, jobs=1)
        answers = hunts.ask(**QUESTIONS[question])
        found = [next(answers)]
        if dies:
            os.kill(min(pids_of(processes).values()), signal.SIGKILL)
        found += answers
    assert by_digest(found) == expected
    assert hunts.failures == ()
    assert hunts.tally is not None
    assert local.tally is not None
    assert (hunts.tally.names, hunts.tally.images, hunts.tally.matches) == (IMAGES, IMAGES, local.tally.matches)


def test_the_same_index_with_a_cluster_one_of_whose_processes_is_killed(fleet, processes, tmp_path):
    pytest.importorskip("duckdb", reason="needs DuckDB: pip install 'rafsight[fleet]'")
    victims = [max(pids_of(processes).values())]

    def kill(event):
        if isinstance(event, Started) and event.unit == "images":
            os.kill(victims.pop(), signal.SIGKILL)

    rows = []
    with serve_layout(fleet, latency=0.02) as registry:
        for name, more in (("here", {}), ("there", {"cluster": Cluster(address=processes.scheduler_address)})):
            listener = kill if more else silent
            index = FleetIndex(str(tmp_path / name))
            result = index.build(named(registry=registry.host, listener=listener, jobs=2, **more))
            assert (result.images, result.trees, result.failures) == (IMAGES, IMAGES, ())
            with index.query("SELECT reference, path, size, mode, content FROM files") as found:
                rows.append(sorted(found.rows, key=str))
            again = index.update(named(**more))
            assert (again.trees, again.gone) == (0, 0)
    assert not victims
    assert rows[0] == rows[1]


def test_the_same_reports_with_a_cluster_one_of_whose_processes_is_killed(fleet, processes, tmp_path, monkeypatch):
    database = tmp_path / "advisories.sqlite"
    Advisories(database).take([PLANTED.parent / "advisories"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rafsight.yaml").write_text(OWN_CHECK)
    asked = {"database": database, "scanners": ("vuln", "misconfig")}
    with serve_layout({**fleet, "planted": PLANTED}, latency=0.02) as registry:
        expected = {image.names: image.report for image in hunts_on(registry).scan(**asked)}
        hunts = hunts_on(registry, processes, jobs=1)
        images = hunts.scan(**asked)
        found = [next(images, None)]
        assert not hunts.failures, hunts.failures
        os.kill(min(pids_of(processes).values()), signal.SIGKILL)
        found += images
    assert len(found) == len(expected) == IMAGES + 2
    for image in found:
        report, alone = image.report, expected[image.names]
        assert (report.findings, report.inventory) == (alone.findings, alone.inventory)
        assert report.misconfigurations == alone.misconfigurations
        assert report.misconfigurations or "planted" in image.names[0]
    assert hunts.failures == ()


@pytest.mark.parametrize("work", [Hunts.scan, partial(Hunts.ask, advisories=["CVE-2018-18074"])])
def test_workers_with_other_advisories_end_the_work(fleet, here, tmp_path, monkeypatch, work):
    database = tmp_path / "advisories.sqlite"
    Advisories(database).take([PLANTED.parent / "advisories"])
    for module in (terms, scanning):
        monkeypatch.setattr(module, "digest_of_advisories", lambda _: "of another database")
    hunts = Hunts(cluster=Cluster(address=here.scheduler_address))
    hunts.add(f"oci:{fleet['team/app0']}")
    with pytest.raises(WorkerUnfit, match="is another one than that of who asks"):
        list(work(hunts, database=database))


@pytest.mark.postgres
def test_workers_share_what_they_know_in_a_database(fleet, processes, tmp_path):
    with postgres_server() as url, serve_layout(fleet) as registry:
        for question in (QUESTIONS["content"], QUESTIONS["packages"]):
            options = Options(shared_cache=url)
            first = hunts_on(registry, processes, options=options)
            expected = by_digest(list(first.ask(**question)))
            registry.forget()
            again = hunts_on(registry, processes, options=options)
            assert by_digest(list(again.ask(**question))) == expected
            assert not [served for served in registry.log if served.range]  # each worker knows what any has read
            assert again.tally is not None
            assert again.tally.contents == 0
        other = hunts_on(registry, processes, options=Options(cache_dir=tmp_path))
        list(other.ask(**QUESTIONS["packages"]))
        assert [served for served in registry.log if served.range]  # their own cache has nothing of it


def test_the_workers_say_what_it_cost_and_what_failed(fleet, here):
    mischief = (Mischief(only="/team/app1/manifests/v2", status=403),)
    with serve_layout(fleet, mischief=mischief) as registry:
        hunts = hunts_on(registry, here)
        hunts.add(f"{registry.host}/team/app0:missing", "no reference!")
        assert len(list(hunts.ask(**QUESTIONS["files"]))) == IMAGES - 1
        assert sorted(one.code for one in hunts.failures) == ["malformed-reference", "not-found", "registry-denied"]
        assert hunts.tally is not None
        assert hunts.tally.requests == len(registry.log)


def test_files_are_named_by_their_whole_paths(fleet, here, monkeypatch):
    layout = fleet["team/app0"]
    monkeypatch.chdir(layout.parent)
    hunts = Hunts(cluster=Cluster(address=here.scheduler_address))
    hunts.add(f"oci:{layout.name}:v3", f"./{layout.name}")
    answers = list(hunts.ask(**QUESTIONS["files"]))
    assert [one.names for one in answers if one.is_match] == [(f"oci:{layout}:v3",)]
    assert len(answers) == TAGS


def test_who_ends_early_leaves_nothing_behind(fleet, here):
    with serve_layout(fleet, latency=0.02) as registry:
        answers = hunts_on(registry, here, jobs=1).ask(**QUESTIONS["files"])
        next(answers)
        with in_time():
            answers.close()
            while station._STATIONS:
                time.sleep(0.01)


def test_an_interrupted_command_ends_at_once_and_says_nothing_of_the_clusters_log(fleet, here):
    with serve_layout(fleet, mischief=(Mischief(only="/blobs/", hang=60),)) as registry:
        command = [sys.executable, "-m", "rafsight", "hunt", "--dask", here.scheduler_address, "--registry"]
        command += [registry.host, "--name", "x", "--no-cache", "--no-progress"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert registry.wait_for_hang()
            process.send_signal(signal.SIGINT)
            with in_time(40):
                out, err = process.communicate(timeout=50)
        assert (process.returncode, out) == (130, b"")
        assert b"distributed" not in err
        with in_time():
            while station._STATIONS:
                time.sleep(0.01)


def test_strangers_are_kept_out_by_certificates(fleet, tmp_path):
    security = distributed.Security.temporary()
    files = {"ca": security.tls_ca_file, "cert": security.tls_client_cert, "key": security.tls_client_key}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with local_cluster(False, n_workers=1, protocol="tls://", security=security) as running:
        address = running.scheduler_address
        known = {"tls_ca": tmp_path / "ca", "tls_certificate": tmp_path / "cert", "tls_key": tmp_path / "key"}
        hunts = Hunts(cluster=Cluster(address=address, **known))
        hunts.add(f"oci:{fleet['team/app0']}:v3")
        assert [one.is_match for one in hunts.ask(**QUESTIONS["files"])] == [True]
        (tmp_path / "other").write_text(distributed.Security.temporary().tls_ca_file)
        for strange in ({}, {**known, "tls_ca": tmp_path / "other"}, {**known, "tls_key": tmp_path / "ca"}):
            stranger = Hunts(cluster=Cluster(address=address, timeout=1, **strange))
            stranger.add("localhost:1/x:y")
            with pytest.raises(ClusterUnreachable):
                list(stranger.ask(names=[b"x"]))


def test_a_cluster_that_is_not_there(tmp_path):
    hunts = Hunts(cluster=Cluster(address="tcp://127.0.0.1:1", timeout=0.2))
    hunts.add("localhost:1/x:y")
    with pytest.raises(ClusterUnreachable, match=r"tcp://127\.0\.0\.1:1"):
        list(hunts.ask(names=[b"x"]))


@contextmanager
def program(*arguments, **environment):
    """Run a program of Dask's; it is killed at the end."""
    command = [sys.executable, "-m", *map(str, arguments)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, env={**os.environ, **environment}) as process:
        try:
            yield process
        finally:
            process.kill()


def whole_json(path):
    """Return what a file says once it is written to its end; None before."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def test_a_scheduler_that_dies_is_said_and_the_hunt_goes_on_later(fleet, tmp_path):
    place = tmp_path / "place.json"
    state = tmp_path / "state"
    with serve_layout(fleet, latency=0.05) as registry, ExitStack() as stack:
        words = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", place)
        scheduler = stack.enter_context(program("distributed.cli.dask_scheduler", *words))
        words = ("--scheduler-file", place, "--no-nanny", "--no-dashboard", "--nthreads", "1", "--host", "127.0.0.1")
        stack.enter_context(program("distributed.cli.dask_worker", *words, RAFSIGHT_CACHE_DIR=str(tmp_path / "c")))
        while not (written := whole_json(place)):
            assert scheduler.poll() is None
            time.sleep(0.02)
        address = written["address"]
        hunts = Hunts(cluster=Cluster(address=address), jobs=1)
        hunts.add_registry(registry.host)
        answers = hunts.ask(**QUESTIONS["files"], state=state)
        found = [next(answers)]
        scheduler.kill()
        with in_time(60), pytest.raises(ClusterLost, match=address) as caught:
            found += answers
        assert "--state" in caught.value.advice
        rest = hunts_on(registry)
        assert len(by_digest(list(rest.ask(**QUESTIONS["files"], state=state)))) == IMAGES
        assert rest.tally is not None
        assert rest.tally.remembered >= len(found)
