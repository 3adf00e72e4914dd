"""Archives by reference: the right backend, the right word, OCI layouts in a tar."""

import hashlib
import json

import pytest
import zstandard
from tests.access.archive_builders import docker_members, packed, tar_of_folder, tar_with, with_bytes
from tests.access.source_images import Entry, folder, write_source

import rafsight
from rafsight.access.archives import NotAnArchive, OtherArchive, open_archive
from rafsight.access.backend import DigestMismatch, NoSuchFile, NoSuchTag, NotFound
from rafsight.access.docker_archive import DockerArchive
from rafsight.access.oci_layout import LayoutBackend
from rafsight.base.errors import ExitStatus
from rafsight.formats.oci.errors import MalformedDocument, UnsupportedFormat
from rafsight.formats.oci.reference import parse_reference
from rafsight.formats.tables import MalformedImage
from rafsight.testing.registry import PLANTED

ENTRIES = [folder(b"etc"), Entry(b"etc/name", content=b"name" * 100)]


def opened(reference):
    return open_archive(parse_reference(reference))


@pytest.fixture
def layout(tmp_path):
    (tmp_path / "layout").mkdir()
    write_source(tmp_path / "layout", ENTRIES)
    return tmp_path / "layout"


@pytest.fixture
def archive(layout, tmp_path):
    return with_bytes(tmp_path / "image.tar", tar_of_folder(layout))


@pytest.mark.parametrize("wrap", [bytes, packed, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_an_archive_says_what_its_layout_says(tmp_path, wrap):
    path = with_bytes(tmp_path / "planted.tar", wrap(tar_of_folder(PLANTED)))
    inside, outside = opened(f"oci-archive:{path}"), LayoutBackend(PLANTED)
    assert isinstance(inside, LayoutBackend)
    assert inside.tags() == outside.tags() == ("v6", "v5")
    for tag in ("v6", "v5"):
        assert inside.fetch_manifest(tag) == outside.fetch_manifest(tag)
    for blob in (PLANTED / "blobs/sha256").iterdir():
        digest = f"sha256:{blob.name}"
        assert inside.blob_size(digest) == outside.blob_size(digest)
        with inside.open_blob(digest) as pieces:
            assert hashlib.sha256(b"".join(pieces)).hexdigest() == blob.name
    inside.close()
    inside.close()


def test_a_nydus_image_in_an_archive_is_read_lazily(tmp_path):
    path = with_bytes(tmp_path / "planted.tar", tar_of_folder(PLANTED))
    with rafsight.open_image(f"oci-archive:{path}:v6") as image, rafsight.open_image(f"oci:{PLANTED}:v6") as same:
        row = image.tree.lookup(b"etc/os-release")
        assert b"".join(image.read_file(row)) == b"".join(same.read_file(same.tree.lookup(b"etc/os-release")))
        assert image.cost.bytes_fetched == same.cost.bytes_fetched


def test_a_plain_image_in_an_archive_is_streamed(archive):
    with rafsight.open_image(f"oci-archive:{archive}") as image:
        assert b"".join(image.read_file(image.tree.lookup(b"etc/name"))) == b"name" * 100


def test_tags_may_be_whole_references(layout, tmp_path):
    index = json.loads((layout / "index.json").read_text())
    whole = "docker.io/library/app:v1"
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": whole}
    (layout / "index.json").write_text(json.dumps(index))
    path = with_bytes(tmp_path / "image.tar", tar_of_folder(layout))
    backend = opened(f"oci-archive:{path}")
    for name in ("v1", "app:v1", whole, ""):
        assert backend.fetch_manifest(name).digest == index["manifests"][0]["digest"]
    with pytest.raises(NoSuchTag, match=r"no tag 'v2' \(its tags: docker\.io/library/app:v1\)"):
        backend.fetch_manifest("v2")
    backend.close()


def test_the_wrong_word_is_put_right(archive, tmp_path):
    with pytest.raises(OtherArchive, match=r"has no manifest\.json") as caught:
        opened(f"docker-archive:{archive}:v1")
    assert caught.value.advice == f"Name it as oci-archive:{archive}."
    assert caught.value.exit_status is ExitStatus.REFERENCE
    docker = with_bytes(tmp_path / "docker.tar", tar_with(*docker_members()))
    with pytest.raises(OtherArchive, match=r"has no index\.json") as caught:
        opened(f"oci-archive:{docker}")
    assert f"docker-archive:{docker}" in caught.value.advice


def test_an_archive_of_both_kinds_is_read_as_either(layout, tmp_path):
    """As docker has written them since version 25."""
    members = [(str(path.relative_to(layout)), path.read_bytes()) for path in layout.rglob("*") if path.is_file()]
    manifest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"].partition(":")[2]
    document = json.loads((layout / "blobs/sha256" / manifest).read_text())
    names = [f"blobs/{one['digest'].replace(':', '/')}" for one in (document["config"], *document["layers"])]
    listed = [{"Config": names[0], "RepoTags": ["app:v1"], "Layers": names[1:]}]
    path = with_bytes(tmp_path / "both.tar", tar_with(*members, ("manifest.json", json.dumps(listed).encode())))
    found = []
    for kind, backend in (("docker-archive", DockerArchive), ("oci-archive", LayoutBackend)):
        place = opened(f"{kind}:{path}")
        assert isinstance(place, backend)
        place.close()
        with rafsight.open_image(f"{kind}:{path}") as image:
            found.append([one.digest for one in image.identity.classified.manifest.layers])
            assert image.tree.lookup(b"etc/name")
    assert found[0] == found[1]


def test_what_is_no_archive_of_images(tmp_path):
    with pytest.raises(NotAnArchive, match="neither") as caught:
        opened(f"docker-archive:{with_bytes(tmp_path / 'a.tar', tar_with(('file', b'')))}")
    assert caught.value.exit_status is ExitStatus.NOT_AN_IMAGE
    with pytest.raises(MalformedImage) as caught:
        opened(f"oci-archive:{with_bytes(tmp_path / 'a', b'text' * 1000)}")
    assert "docker save" in caught.value.advice
    with pytest.raises(NoSuchFile) as caught:
        opened(f"oci-archive:{tmp_path}/app:v1.tar")
    assert "first colon" in caught.value.advice


def what_is_missing(reference):
    """Return what opening says; an image without its config opens, and says so."""
    try:
        with rafsight.open_image(reference) as image:
            return image.unread[0].why
    except NotFound as error:
        return str(error)


class TestDamage:
    """A layout in an archive is believed as little as one in a folder."""

    def test_a_member_that_is_missing(self, layout, tmp_path):
        for path in sorted((layout / "blobs/sha256").iterdir()):
            content = path.read_bytes()
            path.unlink()
            archive = with_bytes(tmp_path / "image.tar", tar_of_folder(layout))
            assert path.name in what_is_missing(f"oci-archive:{archive}")
            path.write_bytes(content)

    def test_a_member_that_is_another(self, layout, tmp_path):
        for path in sorted((layout / "blobs/sha256").iterdir()):
            content = path.read_bytes()
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            archive = with_bytes(tmp_path / "image.tar", tar_of_folder(layout))
            with (
                pytest.raises((DigestMismatch, MalformedImage)),
                rafsight.open_image(f"oci-archive:{archive}"),
            ):
                pass
            path.write_bytes(content)

    def test_a_version_that_nobody_knows(self, layout, tmp_path):
        (layout / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')
        archive = with_bytes(tmp_path / "image.tar", tar_of_folder(layout))
        backend = opened(f"oci-archive:{archive}")
        with pytest.raises(UnsupportedFormat, match="version '2"):
            backend.fetch_manifest("")
        backend.close()

    def test_an_index_that_is_none(self, tmp_path):
        backend = opened(f"oci-archive:{with_bytes(tmp_path / 'a.tar', tar_with(('index.json', b'[]')))}")
        with pytest.raises(MalformedDocument):
            backend.fetch_manifest("")
        backend.close()
