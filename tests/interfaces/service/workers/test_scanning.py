"""Real scans of real images by real workers: credentials, places, twins, and a cluster."""

import base64

import pytest
from tests.interfaces.service.orders import digest, order
from tests.interfaces.service.workers.support import ROOT, begun, gone, pool, until, worker_environ
from tests.matching.support import make_database, record

import rafsight
from rafsight.hunt.cluster import MalformedCluster
from rafsight.interfaces.service.jobs.contract import new_id
from rafsight.interfaces.service.jobs.model import JobState, Order, Place
from rafsight.interfaces.service.jobs.opening import open_store
from rafsight.interfaces.service.jobs.reports_kept import unpack_report
from rafsight.interfaces.service.workers.lending import Lending, Lent
from rafsight.interfaces.service.workers.pool import Pool
from rafsight.interfaces.service.workers.terms import PoolTerms, ScanSettings, Twins
from rafsight.testing.registry import PLANTED, serve_layout, serve_writable
from rafsight.testing.registry_pages import Answer, error_answer


def gate(*accepted):
    """Want one of some Authorization headers."""

    def answer(call):
        if call.header("authorization") in accepted:
            return None
        refused = error_answer(401, "UNAUTHORIZED", "who are you?")
        return Answer(
            status=refused.status,
            headers=(*refused.headers, ("WWW-Authenticate", 'Basic realm="here"')),
            content=refused.content,
        )

    return answer


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def store(tmp_path):
    opened = open_store(str(tmp_path / "jobs.sqlite"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    folder = tmp_path_factory.mktemp("db")
    return make_database(folder, [record("PYSEC-1", package="requests", events=[{"introduced": "0"}])])


@pytest.fixture(scope="module")
def planted():
    """The digests of the shipped image, by tag."""
    with serve_layout(PLANTED) as registry:
        return {
            tag: rafsight.scan_reference(registry.reference(tag), database=None).image.manifest_digest
            for tag in ("v5", "v6")
        }


class Working:
    """A pool that scans for real."""

    def __init__(self, store, database, tmp_path, **terms):
        self.store, self.lending, self.replica = store, Lending(), new_id()
        twins = terms.pop("twins", Twins())
        self.pool = Pool(
            store,
            lending=self.lending,
            terms=PoolTerms(**{"workers": 1, "retry_in": 0, **terms}),
            scans=ScanSettings(database=database, cache_dir=tmp_path / "cache", platform="linux/amd64", twins=twins),
            replica=self.replica,
            environment=worker_environ(),
        )

    def __enter__(self):
        self.pool.start()
        return self

    def __exit__(self, *_):
        self.pool.stop(0)

    def order(self, place, lent=None, **more):
        request_id = new_id()
        if lent is not None:
            self.lending.lend(request_id, lent)
        order = Order(place=place, is_lent=lent is not None, **more)
        self.store.accept(order, replica=self.replica, queue_limit=100, request_id=request_id)
        self.pool.wake()
        return request_id

    def result(self, request_id):
        return until(lambda: (found := self.store.request(request_id)[1]).finished and found, 30.0)


def test_an_image_is_scanned_with_the_credential_of_its_request(store, database, planted, tmp_path):
    with (
        serve_layout(PLANTED, gate=gate(basic("robot", "s3cret"), "Bearer t0ken")) as registry,
        Working(store, database, tmp_path) as working,
    ):
        place = Place(registry=registry.host, repository="app", digest=planted["v6"], tag="v6")
        refused = working.order(place)
        job = working.result(refused)
        assert (job.state, job.failure.code, job.attempts) == (JobState.FAILED, "registry-denied", 1)
        wrong = working.order(place, Lent(username="robot", password="wr0ng"))
        assert working.result(wrong).failure.code == "registry-denied"
        good = working.order(place, Lent(username="robot", password="s3cret"))
        job = working.result(good)
        assert job.state is JobState.DONE
        stored = store.report(job.report_id)
        report = unpack_report(stored.content)
        assert (stored.head.place, stored.head.read_digest) == (place, planted["v6"])
        assert report.image.name == f"{registry.host}/app:v6@{planted['v6']}"
        assert stored.head.summary.components == len(report.inventory.components) > 0
        assert stored.head.version == rafsight.__version__
        other = Place(registry=registry.host, repository="app", digest=planted["v5"])
        assert working.result(working.order(other, Lent(password="t0ken"))).state is JobState.DONE
        until(lambda: len(working.lending) == 0)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert b"s3cret" not in file.read_bytes()


def test_the_next_place_is_tried_where_one_has_it_not(store, database, planted, tmp_path):
    with serve_layout(PLANTED) as registry:
        working = Working(store, database, tmp_path)
        names = ("gone", "app")
        requests = [
            working.order(Place(registry=registry.host, repository=name, digest=planted["v6"])) for name in names
        ]
        with working:
            job = working.result(requests[0])
        assert job.state is JobState.DONE
        assert job.id == store.request(requests[1])[1].id


def test_what_is_nowhere_fails_at_once(store, database, tmp_path):
    with serve_layout(PLANTED) as registry, Working(store, database, tmp_path) as working:
        job = working.result(working.order(Place(registry=registry.host, repository="app", digest=digest(1))))
        assert (job.state, job.failure.code, job.attempts) == (JobState.FAILED, "not-found", 1)


def test_a_tag_alone_is_scanned_and_named_by_its_digest(store, database, planted, tmp_path):
    with serve_layout(PLANTED) as registry, Working(store, database, tmp_path) as working:
        job = working.result(working.order(Place(registry=registry.host, repository="app", tag="v5")))
        assert store.head(job.report_id).place.digest == planted["v5"]


def test_an_image_with_a_twin_is_read_through_it(store, database, tmp_path):
    from tests.verbs.scan.test_twin import FILES, give_tag
    from tests.views.slim.images import write_image

    write_image(tmp_path / "served" / "app", FILES)
    plain = give_tag(tmp_path / "served" / "app", "v1")
    with serve_writable(tmp_path / "served") as registry:
        twin = rafsight.Conversions().convert(
            f"{registry.host}/app:v1", f"{registry.host}/app:any", rafsight.ConvertTerms(with_referrer=True)
        )
        with Working(store, database, tmp_path, twins=Twins(index=False, referrer=True)) as working:
            request_id = working.order(Place(registry=registry.host, repository="app", digest=plain))
            head = store.head(working.result(request_id).report_id)
            tagged = working.order(Place(registry=registry.host, repository="app", tag="v1"))
            named = store.head(working.result(tagged).report_id)
        assert (head.place.digest, head.read_digest) == (plain, twin.digest)
        assert (named.place.digest, named.read_digest) == (plain, twin.digest)
        assert store.latest(plain) == store.latest(twin.digest) == named
        notes = unpack_report(store.report(head.id).content).image.notes
        assert any(twin.digest in note and plain in note for note in notes)


@pytest.fixture(scope="module")
def cluster():
    """A scheduler and one node, as processes of this machine."""
    distributed = pytest.importorskip("distributed", reason="needs `pip install rafsight[cluster]`")
    made = distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=True,
        dashboard_address=None,
        host="127.0.0.1",
        env={"PYTHONPATH": str(ROOT)},
    )
    yield made.scheduler_address
    made.close()


def test_a_cluster_scans_too(store, database, planted, tmp_path, cluster):
    with (
        serve_layout(PLANTED, gate=gate(basic("robot", "s3cret"))) as registry,
        Working(store, database, tmp_path, workers=2, dask=cluster) as working,
    ):
        place = Place(registry=registry.host, repository="app", digest=planted["v6"])
        job = working.result(working.order(place, Lent(username="robot", password="s3cret")))
        assert (job.state, job.attempts) == (JobState.DONE, 1)
        assert store.head(job.report_id).read_digest == planted["v6"]
        job = working.result(working.order(place))
        assert (job.state, job.failure.code) == (JobState.FAILED, "registry-denied")
        assert working.pool.state().starts == 0


def test_an_unwanted_scan_ends_on_its_node(store, tmp_path, cluster):
    with pool(store, tmp_path, {"1": ["hang"]}, dask=cluster) as workers:
        job_id = store.accept(order(1), replica="", queue_limit=10).job.id
        workers.wake()
        (_, pid), *_ = until(lambda: begun(tmp_path))
        store.cancel(job_id)
        workers.recheck()
        until(lambda: gone(pid))
        job_id = store.accept(order(2), replica="", queue_limit=10).job.id
        workers.wake()
        assert until(lambda: (found := store.job(job_id)).finished and found).state is JobState.DONE


def test_a_cluster_that_is_not_there_is_said(store, tmp_path):
    with pytest.raises(MalformedCluster), pool(store, tmp_path, dask="nonsense://127.0.0.1:1"):
        pass
