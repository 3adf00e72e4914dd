"""Pulls from the presenting registry: the same bytes, whoever made them, and however often."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.verbs.present.asking import ALL, presenting, pull

from rafsight.testing.registry import PLANTED, serve_layout


@pytest.fixture
def registry():
    with serve_layout(PLANTED) as running:
        yield running


def test_a_pull(registry, tmp_path):
    with presenting(registry, tmp_path) as ask:
        first = pull(ask)
        made = ask.statistics
        assert pull(ask) == first
        assert ask.statistics.images_made == 1
        assert ask.statistics.layers_made == made.layers_made == 7
        manifest = next(iter(first.values()))  # which is asked for twice
        assert ask.statistics.bytes_served == 2 * (sum(map(len, first.values())) + len(manifest))
        assert pull(ask, "v5") != first


def test_the_same_digests_after_a_restart_and_elsewhere(registry, tmp_path):
    with presenting(registry, tmp_path / "one") as ask:
        first = pull(ask)
    registry.forget()
    with presenting(registry, tmp_path / "one") as ask:
        assert pull(ask) == first
        assert ask.statistics.images_made == 0
    assert not [call for call in registry.log if "/blobs/" in call.call.path]
    with presenting(registry, tmp_path / "other") as ask:
        assert pull(ask) == first
    with presenting(registry, None) as ask:
        assert pull(ask) == first


def test_by_digest_from_one_who_never_showed_it(registry, tmp_path):
    """Another replica behind the same address, or this one after its cache was emptied."""
    with presenting(registry, tmp_path / "one") as ask:
        objects = pull(ask)
    for place, digest in [("manifests", next(iter(objects))), *(("blobs", digest) for digest in list(objects)[1:3])]:
        with presenting(registry, tmp_path / digest.replace(":", "-")) as ask:
            got = ask(f"/v2/app/{place}/{digest}", accept=ALL)
            assert (got.status, got.content) == (200, objects[digest])


def test_a_search_that_finds_nothing_is_not_made_again(registry, tmp_path):
    with presenting(registry, tmp_path) as ask:
        for number in range(3):
            digest = "sha256:" + f"{number}" * 64
            assert ask(f"/v2/app/blobs/{digest}").error[0] == "BLOB_UNKNOWN"
            assert ask(f"/v2/app/manifests/{digest}").error[0] == "MANIFEST_UNKNOWN"
        assert ask.statistics.images_made == 2
    assert len([call for call in registry.log if "/tags/" in call.call.path]) == 1


def test_one_image_for_all_who_ask_at_once(registry, tmp_path):
    with presenting(registry, tmp_path) as ask, ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda number: ask("/v2/app/manifests/v6", accept=ALL).content, range(10)))
        assert len(set(found)) == 1
        assert ask.statistics.images_made == 1
        assert ask.statistics.layers_made == 7


def test_layers_that_have_gone_are_made_again(registry, tmp_path):
    with presenting(registry, tmp_path) as ask:
        first = pull(ask)
        shutil.rmtree(tmp_path / "presented/layers")
        assert pull(ask) == first
        assert ask.statistics.images_made == 1


def test_everything_forgotten_between_two_requests(registry, tmp_path):
    with presenting(registry, tmp_path) as ask:
        first = pull(ask)
        shutil.rmtree(tmp_path / "presented")
        assert pull(ask) == first
