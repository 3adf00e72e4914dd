"""What the presenting registry answers to each question that a client may have."""

import json
import shutil

import pytest
from tests.access.registry.helpers import target_for
from tests.verbs.present.asking import ALL, presenting, pull, sha256

import rafsight
from rafsight.testing.registry import PLANTED, serve_layout, serve_writable

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
NYDUS = "sha256:9bcab2a0fec5a479a2af90619bdcea050535a94b5e8345f12b46dfe321325a22"
"""The manifest of the planted tag `v6`."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The planted image with everything, as a layout of plain images: tags `plain`, and `merged` of both."""
    folder = tmp_path_factory.mktemp("plain")
    rafsight.Conversions(options=rafsight.Options()).to_oci(f"oci:{PLANTED}:v6", f"oci:{folder}:plain")
    for blob in (PLANTED / "blobs/sha256").iterdir():
        shutil.copy(blob, folder / "blobs/sha256")
    index = json.loads((folder / "index.json").read_text())
    (entry,) = index["manifests"]
    of_v6 = next(one for one in json.loads((PLANTED / "index.json").read_text())["manifests"] if one["digest"] == NYDUS)
    platform = {"os": "linux", "architecture": "amd64"}
    merged = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            {name: entry[name] for name in ("mediaType", "digest", "size")} | {"platform": platform},
            {name: of_v6[name] for name in ("mediaType", "digest", "size")}
            | {"platform": platform | {"os.features": ["nydus.remoteimage.v1"]}},
        ],
    }
    content = json.dumps(merged).encode()
    (folder / "blobs/sha256" / sha256(content).removeprefix("sha256:")).write_bytes(content)
    names = {"org.opencontainers.image.ref.name": "merged"}
    index["manifests"] += [
        {"mediaType": OCI_INDEX, "digest": sha256(content), "size": len(content), "annotations": names},
        of_v6,
    ]
    (folder / "index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture
def registry():
    with serve_layout(PLANTED) as running:
        yield running


def test_ranges_of_a_layer(registry, tmp_path):
    with presenting(registry, tmp_path) as ask:
        layer = ask("/v2/app/manifests/v6").json["layers"][0]
        path = f"/v2/app/blobs/{layer['digest']}"
        whole = ask(path).content
        part = ask(path, range="bytes=100-199")
        assert (part.status, part.content) == (206, whole[100:200])
        assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
        assert ask(path, range="bytes=-10").content == whole[-10:]
        assert ask(path, range=f"bytes={len(whole)}-").status == 416
        assert ask(path, range=f"bytes={len(whole)}-").headers["content-range"] == f"bytes */{len(whole)}"
        assert ask(path, range="bytes=0-9", if_range='"other"').content == whole
        head = ask(path, method="HEAD")
        assert (head.status, head.content, head.headers["content-length"]) == (200, b"", str(len(whole)))
        assert head.headers["accept-ranges"] == "bytes"


def test_plain_images_pass_through(plain, tmp_path):
    with serve_layout(plain) as registry, presenting(registry, tmp_path) as ask:
        objects = pull(ask, "plain")
        for digest, content in objects.items():
            assert (plain / "blobs" / digest.replace(":", "/")).read_bytes() == content
        layer = ask("/v2/app/manifests/plain").json["layers"][0]["digest"]
        part = ask(f"/v2/app/blobs/{layer}", range="bytes=5-9")
        assert (part.status, part.content) == (206, objects[layer][5:10])
        head = ask(f"/v2/app/blobs/{layer}", method="HEAD")
        assert (head.status, head.headers["content-length"]) == (200, str(len(objects[layer])))
        assert ask.statistics.images_made == 0
        assert ask.statistics.bytes_passed >= sum(map(len, objects.values())) - 5000


def test_an_index_of_both(plain, tmp_path):
    with serve_layout(plain) as registry, presenting(registry, tmp_path) as ask:
        got = ask("/v2/app/manifests/merged", accept=ALL)
        made, twin = got.json["manifests"]
        assert got.headers["content-type"] == OCI_INDEX
        assert got.digest == sha256(got.content)
        assert made["platform"] == twin["platform"] == {"os": "linux", "architecture": "amd64"}
        assert made["digest"] == ask("/v2/app/manifests/v6").digest
        assert pull(ask, made["digest"])
        assert pull(ask, twin["digest"])
        assert ask(f"/v2/app/manifests/{got.digest}", accept=ALL).content == got.content
    with serve_layout(plain) as registry, presenting(registry, tmp_path, platform="linux/arm64") as ask:
        raw = ask("/v2/app/manifests/merged", accept=ALL)
        assert [one["digest"] for one in raw.json["manifests"]] == [twin["digest"], NYDUS]
        assert ask.statistics.images_made == 0


def test_a_nydus_manifest_by_its_own_digest_is_not_there(registry, tmp_path):
    """Its bytes would be those of the Nydus image, of which clients find nothing, and say so."""
    with presenting(registry, tmp_path) as ask:
        code, message = ask(f"/v2/app/manifests/{NYDUS}").error
        alias = "nydus-" + NYDUS.replace(":", "-")
        assert (code, alias in message) == ("MANIFEST_UNKNOWN", True)
        by_tag, by_alias = ask("/v2/app/manifests/v6"), ask(f"/v2/app/manifests/{alias}")
        assert by_alias.content == by_tag.content
        assert by_tag.digest in ask(f"/v2/app/manifests/{NYDUS}").error[1]
        assert ask("/v2/app/manifests/nydus-sha256-" + "0" * 64).status == 404


def test_lists(registry, tmp_path):
    with presenting(registry, tmp_path) as ask:
        assert ask("/v2/").status == 200
        assert ask("/v2/app/tags/list").json == {"name": "app", "tags": ["v5", "v6"]}
        page = ask("/v2/app/tags/list", query="n=1")
        assert page.json["tags"] == ["v5"]
        assert page.headers["link"] == '</v2/app/tags/list?n=1&last=v5>; rel="next"'
        assert ask("/v2/app/tags/list", query="n=1&last=v5").json["tags"] == ["v6"]
        assert ask("/v2/_catalog").json == {"repositories": ["app"]}


def test_what_is_not_there(registry, tmp_path):
    with presenting(registry, tmp_path) as ask:
        assert ask("/v2/app/manifests/v7").error[0] == "MANIFEST_UNKNOWN"
        assert ask("/v2/other/manifests/v6").error[0] == "NAME_UNKNOWN"
        assert ask("/v2/../manifests/v6").error[0] == "NAME_INVALID"
        assert ask("/v2/app/blobs/v6").error[0] == "DIGEST_INVALID"
        assert ask("/elsewhere").status == 404
        assert ask("/v2/app/tags/list", query="a b").status == 400


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
def test_nothing_can_be_pushed(registry, tmp_path, method):
    with presenting(registry, tmp_path) as ask:
        for path in ("/v2/app/blobs/uploads/", "/v2/app/manifests/v6"):
            got = ask(path, method=method)
            assert got.status == 405
            assert got.headers["allow"] == "GET, HEAD"
            assert got.error == ("UNSUPPORTED", f"this registry only shows the images of {registry.host}: push there")
    assert registry.log == ()


def test_what_refers_to_an_image(tmp_path):
    content = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": "application/vnd.cyclonedx+json",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2},
            "layers": [],
            "subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": NYDUS, "size": 1},
        }
    ).encode()
    for referrers in (True, False):
        folder = tmp_path / str(referrers)
        shutil.copytree(PLANTED, folder / "app")
        (folder / "app/blobs/sha256" / sha256(b"{}").removeprefix("sha256:")).write_bytes(b"{}")
        with serve_writable(folder, referrers=referrers) as registry:
            push(registry, content, referrers=referrers)
            with presenting(registry, folder / "cache") as ask:
                shown = ask("/v2/app/manifests/v6").digest
                listed = ask(f"/v2/app/referrers/{shown}")
                assert listed.headers["content-type"] == OCI_INDEX
                assert [one["digest"] for one in listed.json["manifests"]] == [sha256(content)]
                other = ask("/v2/app/manifests/v5").digest
                assert ask(f"/v2/app/referrers/{other}").json["manifests"] == []


def push(registry, content, *, referrers):
    target = target_for(registry)
    target.push_manifest(content, "application/vnd.oci.image.manifest.v1+json")
    target.close()
    assert [call.status for call in registry.log if call.call.method == "PUT"] == [201] * (1 if referrers else 2)
