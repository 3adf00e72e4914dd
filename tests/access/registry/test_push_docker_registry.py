"""Pushing to the real thing: Debian's docker-registry, judged by our pull side and by skopeo."""

import json
import shutil
import subprocess
from contextlib import contextmanager

import pytest
from tests.access.registry.certificates import Certificates
from tests.access.registry.conftest import PROGRAM, run_registry
from tests.access.registry.helpers import (
    Content,
    backend_for,
    largest_layer,
    planted_blob,
    planted_manifest,
    target_for,
)
from tests.access.registry.test_docker_registry import ALICE, HTPASSWD
from tests.access.registry.token_server import ISSUER, SERVICE, TokenServer

from rafsight.access.oci_layout import LayoutBackend
from rafsight.access.outgoing import WrongContent
from rafsight.access.registry.credentials import Credentials
from rafsight.access.registry.errors import PushRefused, RegistryDenied, RegistryReadOnly
from rafsight.access.target import Pushed
from rafsight.base.digest import digest_of
from rafsight.base.units import MiB
from rafsight.formats.oci.media_types import OCI_INDEX, OCI_MANIFEST
from rafsight.testing.registry import serve_layout

pytestmark = pytest.mark.registry
SKOPEO = shutil.which("skopeo")
needs_skopeo = pytest.mark.skipif(SKOPEO is None, reason="skopeo is not installed")


@pytest.fixture
def start(tmp_path):
    if PROGRAM is None:
        pytest.skip("docker-registry is not installed")
    return lambda **more: run_registry(tmp_path, tmp_path / "storage", more.pop("auth", ""), **more)


@pytest.fixture
def host(start):
    with start() as host:
        yield host


@contextmanager
def pushing(host, **more):
    target = target_for(host, **more)
    try:
        yield target
    finally:
        target.close()


def push_planted(target, tag="v1", neighbour=""):
    """Push the planted image; how each blob got there, and the digest."""
    digest, manifest = planted_manifest()
    pushed = [
        target.push_blob(one["digest"], one["size"], Content(planted_blob(one["digest"])), neighbour=neighbour)
        for one in (manifest["config"], *manifest["layers"])
    ]
    assert target.push_manifest(planted_blob(digest), OCI_MANIFEST, tag=tag) == digest
    return pushed, digest


def blob_sizes():
    _, manifest = planted_manifest()
    return sum(one["size"] for one in (manifest["config"], *manifest["layers"]))


def test_an_image_is_pushed_once_and_pulled(host):
    manifest_size = len(planted_blob(planted_manifest()[0]))
    with pushing(host) as target:
        pushed, digest = push_planted(target)
        assert {one.how for one in pushed} == {"sent"}
        assert sum(one.sent for one in pushed) == blob_sizes()
        assert target.meter.cost.bytes_sent == blob_sizes() + manifest_size
        again, _ = push_planted(target, tag="v2")
        assert {(one.how, one.sent) for one in again} == {("present", 0)}
        assert target.meter.cost.bytes_sent == blob_sizes() + 2 * manifest_size
    backend = backend_for(host)
    assert backend.tags() == ("v1", "v2")
    assert backend.fetch_manifest("v1").digest == digest
    layer, content = largest_layer()
    with backend.open_blob(layer) as pieces:
        assert b"".join(pieces) == content
    backend.close()


@needs_skopeo
def test_skopeo_finds_every_byte(host, tmp_path):
    with pushing(host) as target:
        _, digest = push_planted(target)
    copied = tmp_path / "copied"
    subprocess.run(
        [
            *(SKOPEO, "--insecure-policy", "copy", "-q", "--src-tls-verify=false", "--preserve-digests"),
            *(f"docker://{host}/app:v1", f"oci:{copied}:v1"),
        ],
        check=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        timeout=60,
    )
    layout = LayoutBackend(copied)
    assert layout.fetch_manifest("v1").digest == digest
    _, manifest = planted_manifest()
    for one in manifest["layers"]:
        with layout.open_blob(one["digest"]) as pieces:
            assert digest_of(b"".join(pieces)) == one["digest"]


def test_another_repository_lends_its_blobs(host):
    with pushing(host) as target:
        push_planted(target)
    with pushing(host, repository="team/other") as target:
        pushed, digest = push_planted(target, neighbour=f"{host}/app")
        assert {(one.how, one.sent) for one in pushed} == {("mounted", 0)}
        assert target.meter.cost.bytes_sent == len(planted_blob(digest))
        blob = b"only here"
        assert target.push_blob(digest_of(blob), 9, Content(blob), neighbour=f"{host}/app") == Pushed(
            sent=9, how="sent"
        )
        assert target.push_blob(digest_of(b"x"), 1, Content(b"x"), neighbour=f"{host}/nothing/like/it") == Pushed(
            sent=1, how="sent"
        )


def test_a_large_blob_and_an_empty_one(host):
    large = bytes(range(256)) * (12 * MiB // 256)
    with pushing(host) as target:
        for content in (large, b""):
            digest = digest_of(content)
            assert target.push_blob(digest, len(content), Content(content, piece=3 * MiB)).how == "sent"
            assert target.has_blob(digest)


def test_what_was_spoilt_is_not_there(host):
    layer, content = largest_layer()
    with pushing(host) as target:
        for spoilt, size in (
            (content[:-1] + b"x", len(content)),
            (content, len(content) + 5),
            (content[:-5], len(content)),
        ):
            with pytest.raises(WrongContent):
                target.push_blob(layer, size, Content(spoilt))
            assert not target.has_blob(layer)
        assert target.push_blob(layer, len(content), Content(content)).how == "sent"


def test_a_manifest_without_its_blobs(host):
    digest, _ = planted_manifest()
    with pushing(host) as target, pytest.raises(PushRefused, match="blob unknown"):
        target.push_manifest(planted_blob(digest), OCI_MANIFEST, tag="v1")


def test_an_index_over_manifests_without_tags(host):
    with pushing(host) as target:
        _, digest = push_planted(target, tag="")
        size = len(planted_blob(digest))
        entry = {"mediaType": OCI_MANIFEST, "digest": digest, "size": size}
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
        pushed = target.push_manifest(index, OCI_INDEX, tag="both")
    backend = backend_for(host)
    assert backend.fetch_manifest("both").digest == pushed
    assert backend.fetch_manifest(digest).content == planted_blob(digest)
    assert backend.tags() == ("both",)
    backend.close()


def test_referrers_are_listed_under_a_tag(host):
    with pushing(host) as target:
        _, digest = push_planted(target)
        target.push_blob(digest_of(b"{}"), 2, Content(b"{}"))
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/x-mine",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2},
            "layers": [],
            "subject": {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(planted_blob(digest))},
        }
        artifact = target.push_manifest(json.dumps(document).encode(), OCI_MANIFEST)
    backend = backend_for(host)
    listed = backend.fetch_manifest(digest.replace(":", "-"))
    assert listed.media_type == OCI_INDEX
    assert [(one["digest"], one["artifactType"]) for one in json.loads(listed.content)["manifests"]] == [
        (artifact, "application/x-mine")
    ]
    backend.close()


def test_read_only(start):
    with start(read_only=True) as host, pushing(host) as target, pytest.raises(RegistryReadOnly):
        target.push_blob(digest_of(b"x"), 1, Content(b"x"))


def test_with_a_password(start, tmp_path):
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    auth = f"auth: {{htpasswd: {{realm: basic-realm, path: {tmp_path}/htpasswd}}}}\n"
    with start(auth=auth) as host:
        with pushing(host, credentials=ALICE) as target:
            pushed, _ = push_planted(target)
            assert {one.how for one in pushed} == {"sent"}
        for credentials in (None, Credentials(source="some/config.json", username="alice", password="wrong")):
            with pushing(host, credentials=credentials) as target, pytest.raises(RegistryDenied) as caught:
                target.push_blob(digest_of(b"x"), 1, Content(b"x"))
            assert "may push" in caught.value.advice


def test_with_tokens(start, certificates: Certificates):
    tokens = TokenServer(signer=certificates.stranger, users={"alice": "wonderland"})
    with serve_layout({}, gate=tokens.gate) as server:
        auth = (
            f"auth: {{token: {{realm: '{server.url}/token', service: {SERVICE}, issuer: {ISSUER}, "
            f"rootcertbundle: {tokens.signer.certificate}}}}}\n"
        )
        with start(auth=auth) as host:
            with pushing(host, credentials=ALICE) as target:
                push_planted(target)
                assert tokens.issued == ["POST"]
            with pushing(host, credentials=ALICE, repository="other") as target:
                pushed, _ = push_planted(target, neighbour=f"{host}/app")
                assert {one.how for one in pushed} == {"mounted"}
                assert tokens.issued == ["POST"] * 3
            ready = Credentials(source="the test", registry_token=tokens.token(["repository:app:pull"]))
            with pushing(host, credentials=ready) as target, pytest.raises(RegistryDenied):
                target.push_blob(digest_of(b"x"), 1, Content(b"x"))
