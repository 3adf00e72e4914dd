"""Images that are read through their Nydus twins, and twins that nobody should believe."""

import hashlib
import json

import pytest
from tests.matching.support import make_database, record
from tests.views.slim.images import program, write_image

import rafsight
from rafsight.access.options import Options
from rafsight.testing.registry import Mischief, serve_writable
from rafsight.verbs.scan.twin import TwinTerms, find_twin

OPTIONS = Options(platform="linux/amd64")
EVERYWHERE = TwinTerms(in_index=True, in_referrers=True, tag_suffix="-nydus")
SOURCE = "containerd.io/snapshot/nydus-source-digest"
FILES = {
    "etc/os-release": b"ID=debian\nVERSION_ID=12\n",
    "usr/lib/python3/dist-packages/alpha-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n",
    "usr/bin/tool": program(b"#!/bin/sh\n" + b"x" * 200_000),
}
CLEAN = {"etc/os-release": b"ID=debian\nVERSION_ID=12\n", "usr/bin/tool": program(b"#!/bin/sh\n" + b"y" * 100)}


def give_tag(layout, tag):
    index = json.loads((layout / "index.json").read_text())
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (layout / "index.json").write_text(json.dumps(index))
    return index["manifests"][0]["digest"]


@pytest.fixture
def registry(tmp_path):
    """A registry with a plain image, `app:v1`, and one that is clean, `other:v1`."""
    write_image(tmp_path / "served" / "app", FILES)
    write_image(tmp_path / "served" / "other", CLEAN)
    give_tag(tmp_path / "served" / "other", "v1")
    digest = give_tag(tmp_path / "served" / "app", "v1")
    with serve_writable(tmp_path / "served") as running:
        running.digest = digest
        yield running


def convert(registry, target, *, source="app:v1", **terms):
    done = rafsight.Conversions(options=OPTIONS).convert(
        f"{registry.host}/{source}", f"{registry.host}/{target}", rafsight.ConvertTerms(**terms)
    )
    return done.digest


def twin_of(registry, name="", *, terms=EVERYWHERE):
    reference = f"{registry.host}/app:v1@{registry.digest}" if not name else f"{registry.host}/app{name}"
    return find_twin(reference, terms=terms, options=OPTIONS)


def manifest_of(registry, digest):
    path = registry.layout("app") / "blobs" / "sha256" / digest.partition(":")[2]
    return json.loads(path.read_bytes())


def push(registry, document, tag=""):
    """Put a manifest, as an attacker would, and list it as a referrer if it says so."""
    import urllib.request

    content = json.dumps(document).encode()
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    url = f"{registry.url}/v2/app/manifests/{tag or digest}"
    request = urllib.request.Request(url, data=content, method="PUT", headers={"Content-Type": document["mediaType"]})
    urllib.request.urlopen(request).close()
    return digest


def test_an_image_without_a_twin(registry):
    assert twin_of(registry) is None
    assert find_twin("oci:/nowhere", terms=EVERYWHERE, options=OPTIONS) is None


def test_a_referrer_that_names_it_as_its_subject(registry):
    digest = convert(registry, "app:anything", with_referrer=True)
    for name in ("", f"@{registry.digest}", ":v1"):
        twin = twin_of(registry, name)
        assert twin.reference == f"{registry.host}/app@{digest}"
        assert registry.digest in twin.note
    assert twin_of(registry, terms=TwinTerms(in_referrers=False, tag_suffix="-nydus")) is None
    registry.forget()
    assert twin_of(registry, terms=TwinTerms(in_index=False, in_referrers=False)) is None
    assert registry.log == ()


def test_the_tag_with_a_suffix(registry):
    digest = convert(registry, "app:v1-nydus")
    assert twin_of(registry).reference.endswith(digest)
    assert "tag v1-nydus" in twin_of(registry).note
    assert twin_of(registry, f"@{registry.digest}") is None, "without a tag there is no other tag"
    assert twin_of(registry, terms=TwinTerms(tag_suffix="-other")) is None


def test_the_index_that_the_tag_names(registry):
    convert(registry, "app:v1", merge_platform=True)
    twin = twin_of(registry)
    assert "in the index" in twin.note
    assert twin_of(registry, f"@{registry.digest}") is None
    assert twin_of(registry, ":v1") is None, "the index itself leads to the Nydus image"


def test_a_nydus_image_has_no_twin(registry):
    digest = convert(registry, "app:v1-nydus", with_referrer=True)
    assert twin_of(registry, f":v1-nydus@{digest}") is None


def test_twins_of_other_images_are_not_believed(registry):
    """A clean image is put where the twin would be, with everything but the claim."""
    other = convert(registry, "app:v1-nydus", source="other:v1")
    assert twin_of(registry) is None
    forged = manifest_of(registry, other)
    assert forged["annotations"][SOURCE] != registry.digest
    subject = {"mediaType": forged["mediaType"], "digest": registry.digest, "size": 1}
    push(registry, forged | {"subject": subject})
    assert twin_of(registry) is None, "it refers to the image, and says that it was made from another one"


def test_a_twin_that_lies_is_used_where_that_is_allowed_and_the_report_says_so(registry, tmp_path):
    """What cannot be told from a real one: whoever may push may do that, so it must be said, and can be forbidden."""
    database = make_database(tmp_path, [record("PYSEC-1", package="alpha")])
    forged = manifest_of(registry, convert(registry, "app:spare", source="other:v1"))
    forged["annotations"][SOURCE] = registry.digest
    push(registry, forged, "v1-nydus")
    reference = f"{registry.host}/app:v1@{registry.digest}"
    report = rafsight.Scanner(database=database, twin_tag_suffix="-nydus").scan(reference, options=OPTIONS)
    assert report.findings == ()
    assert any("says that it was made from" in note for note in report.image.notes)
    report = rafsight.Scanner(database=database).scan(reference, options=OPTIONS)
    assert [finding.id for finding in report.findings] == ["PYSEC-1"]


def test_an_index_that_does_not_list_the_image_is_about_another_one(registry):
    convert(registry, "app:merged", source="other:v1", merge_platform=True)
    assert twin_of(registry, f":merged@{registry.digest}") is None


def test_a_registry_that_fails_has_no_twins(registry, tmp_path):
    convert(registry, "app:v1-nydus")
    layout = {"app": registry.layout("app")}
    mischief = [Mischief(only=place, status=403) for place in ("/referrers/", "/manifests/v1")]
    with serve_writable(tmp_path / "empty", layouts=layout, mischief=mischief) as broken:
        reference = f"{broken.host}/app:v1@{registry.digest}"
        assert find_twin(reference, terms=EVERYWHERE, options=OPTIONS) is None


def test_a_scan_through_a_twin_finds_the_same_for_fewer_bytes(registry, tmp_path):
    database = make_database(tmp_path, [record("PYSEC-1", package="alpha")])
    digest = convert(registry, "app:v1-nydus")
    reference = f"{registry.host}/app:v1@{registry.digest}"
    plain = rafsight.Scanner(database=database).scan(reference, options=OPTIONS)
    lazy = rafsight.Scanner(database=database, twin_tag_suffix="-nydus").scan(reference, options=OPTIONS)
    assert [finding.id for finding in lazy.findings] == [finding.id for finding in plain.findings] == ["PYSEC-1"]
    assert (lazy.image.name, lazy.image.manifest_digest) == (reference, digest)
    assert (plain.image.name, plain.image.manifest_digest) == (reference, registry.digest)
    assert lazy.image.format.startswith("RAFS")


def test_a_twin_that_cannot_be_read_is_as_good_as_none(registry, tmp_path):
    database = make_database(tmp_path, [record("PYSEC-1", package="alpha")])
    digest = convert(registry, "app:v1-nydus")
    bootstrap = manifest_of(registry, digest)["layers"][-1]["digest"]
    (registry.layout("app") / "blobs" / "sha256" / bootstrap.partition(":")[2]).unlink()
    reference = f"{registry.host}/app:v1@{registry.digest}"
    report = rafsight.Scanner(database=database, twin_tag_suffix="-nydus").scan(reference, options=OPTIONS)
    assert [finding.id for finding in report.findings] == ["PYSEC-1"]
    assert report.image.manifest_digest == registry.digest
