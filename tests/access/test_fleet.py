"""Images opened by the dozen: one connection, one token a repository, no config."""

import pytest

from rafsight.access.fleet import Fleet
from rafsight.access.options import Offline, Options
from rafsight.access.session import open_image
from rafsight.access.threads import threads
from rafsight.image.plan import FileRange
from rafsight.testing.registry import PLANTED, serve_layout


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
