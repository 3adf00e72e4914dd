"""Images opened by the dozen: one connection, one token a repository, no config."""

import pytest
from tests.access.registry.helpers import Time

from rafsight.access.finding import find_image
from rafsight.access.fleet import Fleet
from rafsight.access.options import Offline, Options
from rafsight.access.pace import Pace
from rafsight.access.registry.errors import RegistryGivenUp, RegistryUnreachable
from rafsight.access.session import open_image
from rafsight.access.threads import threads
from rafsight.image.plan import FileRange
from rafsight.testing.registry import PLANTED, Mischief, serve_layout


def test_a_fleet_opens_what_open_image_opens():
    with serve_layout(PLANTED) as registry, threads(2, name="test") as pool:
        fleet = Fleet(Options(), pool=pool)
        (lead,) = fleet.resolve(registry.reference("v6"))
        with fleet.open(lead) as image, open_image(registry.reference("v6")) as other:
            assert image.tree.paths() == other.tree.paths()
            row = image.tree.lookup(b"etc/os-release")
            (part,) = image.read([FileRange(row=row)])
            assert part.content == b"".join(other.read_file(row))
        fleet.close()


def test_manifest_and_bootstrap_are_all_that_is_asked_for():
    with serve_layout(PLANTED) as registry, threads(2, name="test") as pool:
        fleet = Fleet(Options(), pool=pool)
        for tag in ("v5", "v6"):
            (lead,) = fleet.resolve(registry.reference(tag))
            with fleet.open(lead):
                pass
        assert [served.call.path.split("/")[3] for served in registry.log] == ["manifests", "blobs"] * 2
        assert fleet.cost.requests == 4
        fleet.close()


def test_bootstraps_come_out_of_the_cache_and_do_not_fill_it(tmp_path):
    options = Options(cache_dir=tmp_path)
    with serve_layout(PLANTED) as registry, threads(2, name="test") as pool:
        fleet = Fleet(options, pool=pool)
        (lead,) = fleet.resolve(registry.reference("v6"))
        with fleet.open(lead):
            pass
        assert not (tmp_path / "bootstraps").exists()
        with open_image(registry.reference("v6"), options=options):
            pass
        registry.forget()
        with fleet.open(lead) as image:
            assert len(image.tree) > 10
        assert not registry.log
        fleet.close()


def test_bare_bootstraps_and_offline(tmp_path):
    with threads(1, name="test") as pool:
        fleet = Fleet(Options(offline=True), pool=pool)
        with pytest.raises(Offline):
            fleet.resolve("registry.example/app:v1")
        with pytest.raises(Offline):
            fleet.repositories("registry.example")
        with open_image(f"oci:{PLANTED}:v6") as image:
            bootstrap = tmp_path / "x.boot"
            bootstrap.write_bytes(image.tree.buffer)
            (lead,) = fleet.resolve(f"boot:{bootstrap}")
            with fleet.open(lead) as other:
                assert other.tree.paths() == image.tree.paths()
        fleet.close()


def test_an_image_that_is_found_again_pays_for_itself_and_by_its_digest(tmp_path):
    with serve_layout(PLANTED) as registry, threads(2, name="test") as pool:
        fleet = Fleet(Options(cache_dir=tmp_path), pool=pool)
        (kept,) = fleet.resolve(registry.reference("v6"), keep=True)
        (other,) = fleet.resolve(registry.reference("v5"))
        registry.forget()
        for lead, requests in ((kept, 0), (other, 1)):
            with fleet.find(lead) as found, find_image(lead.reference) as alone:
                assert (found.digest, found.cost.requests) == (lead.digest, requests)
                assert found.identify(None) == alone.identify(None)
        assert [served.call.path.rpartition("/")[2] for served in registry.log] == ["v6", other.digest, "v5"]
        with fleet.find(kept) as found:
            row = found.open().tree.lookup(b"etc/os-release")
            assert row is not None
            assert found.cost.requests == 2
        assert fleet.cost.requests == 5
        fleet.close()


def test_a_registry_that_asks_for_time_gets_it():
    mischief = Mischief(only="/manifests/", status=429, headers=(("Retry-After", "0"),), times=7)
    with serve_layout(PLANTED, mischief=(mischief,)) as registry, threads(2, name="test") as pool:
        fleet = Fleet(Options(), pool=pool, pace=Pace(sleep=lambda _: None))
        (lead,) = fleet.resolve(registry.reference("v6"))
        assert lead.bootstrap is not None
        fleet.close()


def test_a_registry_that_is_gone_is_not_asked_about_each_image():
    time = Time()
    with threads(2, name="test") as pool:
        fleet = Fleet(Options(timeout=1.0), pool=pool, pace=Pace(clock=time.clock, sleep=time.sleep))
        with pytest.raises(RegistryUnreachable):
            fleet.resolve("127.0.0.1:1/x:y")
        requests = fleet.cost.requests
        assert requests > 1
        time.now += 100
        for _ in range(3):
            with pytest.raises(RegistryGivenUp):
                fleet.resolve("127.0.0.1:1/x:y")
        assert fleet.cost.requests == requests + 1
        fleet.close()
