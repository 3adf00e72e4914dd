"""Whose secret goes where, who gets what, and what is said when something is wrong."""

import pytest
from tests.access.registry.helpers import largest_layer
from tests.verbs.present.asking import CHALLENGE, Doorman, basic, presenting, pull

import rafsight
from rafsight.access.registry.relay import UnusableUpstream
from rafsight.base.events import Noticed
from rafsight.formats.tables import Compressor
from rafsight.testing import rafs_images
from rafsight.testing.registry import PLANTED, Mischief, serve_layout

# whose secret


def test_what_a_client_shows_is_for_the_registry(tmp_path):
    with serve_layout(PLANTED, gate=Doorman({"alice": ("app",)})) as registry, presenting(registry, tmp_path) as ask:
        for path in ("/v2/", "/v2/app/manifests/v6", "/v2/app/tags/list"):
            refused = ask(path)
            assert (refused.status, refused.headers["www-authenticate"]) == (401, CHALLENGE[1])
        assert ask("/v2/", authorization=basic("alice")).status == 200
        assert pull(ask, authorization=basic("alice"))
        assert {call.call.header("authorization") for call in registry.log} <= {None, basic("alice")}
        assert ask("/v2/", authorization="Digest x").status == 400


def test_what_was_made_for_one_is_not_for_all(tmp_path):
    """Bob has a repository of his own, and has heard of the digests of Alice's."""
    layouts = {"app": PLANTED, "other": PLANTED}
    doorman = Doorman({"alice": ("app",), "bob": ("other",)})
    with serve_layout(layouts, gate=doorman) as registry, presenting(registry, tmp_path) as ask:
        objects = pull(ask, authorization=basic("alice"))
        manifest, *blobs = objects
        for who, status in ((None, 401), (basic("bob"), 403), (basic("alice"), 200)):
            headers = {"authorization": who} if who else {}
            assert ask(f"/v2/app/manifests/{manifest}", **headers).status == status
            for method in ("GET", "HEAD"):
                assert {ask(f"/v2/app/blobs/{one}", method=method, **headers).status for one in blobs} == {status}
            assert (ask(f"/v2/app/referrers/{manifest}", **headers).status == 200) is (status == 200)
        assert ask.statistics.images_made == 1


def test_a_repository_without_the_image_does_not_give_its_layers(tmp_path):
    secret = tmp_path / "secret"
    rafs_images.write_image(secret, {b"etc/os-release": b"ID=secret\n"}, version=6, compressor=Compressor.NONE, tag="v")
    layouts = {"app": PLANTED, "secret": secret}
    doorman = Doorman({"alice": ("app", "secret"), "bob": ("app",)})
    with serve_layout(layouts, gate=doorman) as registry, presenting(registry, tmp_path / "cache") as ask:
        objects = pull(ask, "v", "secret", authorization=basic("alice"))
        for digest in objects:
            for place in ("manifests", "blobs"):
                assert ask(f"/v2/app/{place}/{digest}", authorization=basic("bob")).status == 404


def test_own_logins_if_they_shall_be_used(tmp_path):
    own = {"username": "alice", "password": "x"}
    with serve_layout(PLANTED, gate=Doorman({"alice": ("app",), "bob": ()})) as registry:
        with presenting(registry, tmp_path / "no", options=own) as ask:
            assert ask("/v2/app/manifests/v6").status == 401
        with presenting(registry, tmp_path / "yes", options=own, own_login=True) as ask:
            assert ask("/v2/").status == 200
            assert pull(ask)
            assert ask("/v2/app/manifests/v6", authorization=basic("bob")).status == 403


def test_access_that_ends_in_the_middle(tmp_path):
    """As with a token that runs out while an image is made: the client is told to get another one."""
    calls = []

    def gate(call):
        calls.append(call.path)
        over = any("/blobs/" in path for path in calls)
        return Doorman({"alice": ("app",)})(call) if not over else Doorman({})(call)

    with serve_layout(PLANTED, gate=gate) as registry, presenting(registry, tmp_path) as ask:
        got = ask("/v2/app/manifests/v6", authorization=basic("alice"))
        assert (got.status, got.headers["www-authenticate"]) == (401, CHALLENGE[1])
        assert ask.statistics.images_made == 0


# when something is wrong


def test_an_image_that_cannot_be_read_is_not_shown(tmp_path):
    layout = tmp_path / "image"
    files = {b"var/lib/dpkg/status": b"Package: x\n" * 1000}
    rafs_images.write_image(layout, files, version=6, compressor=Compressor.NONE, tag="v")
    for blob in (layout / "blobs/sha256").iterdir():
        if blob.read_bytes().startswith(b"Package"):
            blob.write_bytes(b"X" + blob.read_bytes()[1:])
    told = []
    with (
        serve_layout(layout) as registry,
        presenting(registry, tmp_path / "cache", listener=told.append) as ask,
    ):
        for _ in range(2):
            got = ask("/v2/app/manifests/v")
            assert got.status == 502
            assert got.error[0] == "MANIFEST_INVALID"
            assert "while reading /var/lib/dpkg/status" in got.error[1]
        asked = len(registry.log)
        ask("/v2/app/manifests/v")
        assert len(registry.log) == asked + 1  # the manifest: the damage is remembered for a while
        assert ask.statistics.failed == 3
    assert isinstance(told[0], Noticed)
    assert told[0].message.startswith("/v2/app/manifests/v was not answered: ")


def test_a_registry_that_does_not_answer(tmp_path):
    with presenting("127.0.0.1:1", tmp_path) as ask:
        got = ask("/v2/app/manifests/v6")
        assert (got.status, got.error[0]) == (503, "UNAVAILABLE")
        assert got.headers["retry-after"]


def test_a_registry_that_answers_something_else(tmp_path):
    wrong = Mischief(only="/manifests/", headers=(("Docker-Content-Digest", "sha256:" + "0" * 64),))
    with serve_layout(PLANTED, mischief=[wrong]) as registry, presenting(registry, tmp_path) as ask:
        assert ask("/v2/app/manifests/v6").status == 502
    busy = Mischief(only="/manifests/", status=503, method="")
    with serve_layout(PLANTED, mischief=[busy]) as registry, presenting(registry, tmp_path) as ask:
        assert ask("/v2/app/manifests/v6").status == 503


def test_a_body_that_breaks_off(tmp_path):
    with serve_layout(PLANTED, mischief=[Mischief(drop_after=100)]) as registry, presenting(registry, tmp_path) as ask:
        layer = largest_layer()[0]
        with pytest.raises(OSError, match="cannot be reached"):
            ask(f"/v2/app/blobs/{layer}")
        assert ask.statistics.failed == 1


def test_too_little_room(tmp_path):
    with serve_layout(PLANTED) as registry, presenting(registry, tmp_path, room=100_000) as ask:
        got = ask("/v2/app/manifests/v6")
        assert (got.status, got.error[0]) == (503, "UNAVAILABLE")
        assert str(tmp_path) not in got.content.decode()


def test_what_cannot_be_a_registry():
    with pytest.raises(UnusableUpstream):
        rafsight.Presenter("http://registry.example.com")
