"""Docker archives as backends: manifests that are made, blobs that keep the contract of all backends."""

import json
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard
from tests.access.archive_builders import (
    LOWER,
    UPPER,
    config_of,
    docker_members,
    hex_of,
    listed,
    manifest,
    packed,
    tar_with,
    with_bytes,
)

import rafsight
from rafsight.access.archive_file import ArchiveFile
from rafsight.access.backend import Backend, DigestMismatch, NotFound, ShortRead
from rafsight.access.counting import Cost, Meter
from rafsight.access.docker_archive import DockerArchive
from rafsight.base.digest import digest_of
from rafsight.base.errors import ImageFault, RegistryFault
from rafsight.base.units import MiB
from rafsight.formats.oci import media_types
from rafsight.formats.oci.errors import MalformedDocument, UnsupportedFormat
from rafsight.formats.oci.manifest import parse_document

PLAIN = "application/vnd.docker.image.rootfs.diff.tar"
MISSING = "sha256:" + "0" * 64


@pytest.fixture
def opened(tmp_path):
    """Open archives of members, and close them at the end."""
    backends = []

    def make(*members):
        path = with_bytes(tmp_path / f"{len(backends)}.tar", tar_with(*members))
        backends.append(DockerArchive(ArchiveFile(path, place=f"docker-archive:{path.name}")))
        return backends[-1]

    yield make
    for one in backends:
        one.close()


def conforming(archive: DockerArchive) -> Backend:
    """Hold the type to the protocol (the type checker is the judge)."""
    return archive


def layers_of(backend, name=""):
    return parse_document(backend.fetch_manifest(name).content).layers


def blob(backend, digest):
    with backend.open_blob(digest) as pieces:
        return b"".join(pieces)


def contents(reference):
    with rafsight.open_image(str(reference)) as image:
        files = [row for row in image.tree.walk() if image.tree.is_file(row)]
        return {image.tree.path(row): b"".join(image.read_file(row)) for row in files}


MERGED = {b"etc/kept": b"kept", b"etc/name": b"upper" * 1000}


def test_makes_a_manifest_of_what_is_there(opened):
    backend = opened(*docker_members())
    document = backend.fetch_manifest("demo/app:v1")
    made = parse_document(document.content, media_type=document.media_type)
    assert document.media_type == made.media_type == media_types.DOCKER_MANIFEST
    assert document.digest == digest_of(document.content)
    assert made.config.media_type == media_types.DOCKER_CONFIG
    assert blob(backend, made.config.digest) == config_of(LOWER, UPPER)
    assert [(one.media_type, one.digest, one.size) for one in made.layers] == [
        (PLAIN, digest_of(LOWER), len(LOWER)),
        (PLAIN, digest_of(UPPER), len(UPPER)),
    ]
    assert blob(backend, digest_of(UPPER)) == UPPER
    assert json.loads(document.content)["schemaVersion"] == 2


def test_a_manifest_is_found_by_its_own_digest(opened):
    members = docker_members()
    document = opened(*members).fetch_manifest("")
    assert opened(*members).fetch_manifest(document.digest) == document
    with pytest.raises(NotFound, match="no manifest sha256:000"):
        opened(*members).fetch_manifest(MISSING)
    assert opened(*members).blob_size(digest_of(UPPER)) == len(UPPER)  # nobody asked for a manifest before


def test_plain_layers_are_not_hashed(opened):
    backend = opened(*docker_members())
    before = backend.meter.cost.bytes_fetched
    backend.fetch_manifest("")
    assert backend.meter.cost.bytes_fetched - before == len(config_of(LOWER, UPPER))


@pytest.mark.parametrize(("pack", "ending"), [(packed, ".gzip"), (zstandard.compress, ".zstd")], ids=["gzip", "zstd"])
@pytest.mark.parametrize("name", ["{hex}/layer.tar", "blobs/sha256/{hex}"])
def test_compressed_layers_are_known_by_their_content(opened, pack, ending, name):
    stored = [pack(LOWER), pack(UPPER)]
    backend = opened(*docker_members(stored=stored, name=name))
    assert [(one.media_type, one.digest) for one in layers_of(backend)] == [
        (PLAIN + ending, digest_of(one)) for one in stored
    ]


def test_layers_are_hashed_once_where_nobody_knows_their_digest(opened):
    config = config_of(LOWER)  # one diff id, three layers
    members = [
        ("c.json", config),
        ("a", LOWER),
        ("b", "a"),
        ("c", UPPER),
        manifest(listed("c.json", ["a", "b", "c"], None)),
    ]
    backend = opened(*members)
    before = backend.meter.cost.bytes_fetched
    assert [one.digest for one in layers_of(backend)] == [digest_of(one) for one in (LOWER, LOWER, UPPER)]
    assert backend.meter.cost.bytes_fetched - before == len(config) + len(LOWER) + len(UPPER)
    again = backend.meter.cost.bytes_fetched
    layers_of(backend)
    assert backend.meter.cost.bytes_fetched == again


class TestNames:
    """Several images in one archive."""

    FIRST, SECOND = config_of(LOWER), config_of(UPPER)

    @pytest.fixture
    def backend(self, opened):
        images = (
            listed("1.json", ["a"], ["registry.example/team/app:v1", "app:latest"]),
            listed("2.json", ["b"], ["registry.example/team/app:v2"]),
            listed("1.json", ["b"], None),
        )
        members = (("1.json", self.FIRST), ("2.json", self.SECOND), ("a", LOWER), ("b", UPPER))
        return opened(*members, manifest(*images))

    @pytest.mark.parametrize(
        ("name", "layer"),
        [
            ("registry.example/team/app:v1", LOWER),
            ("team/app:v2", UPPER),
            ("app:v1", LOWER),
            ("v2", UPPER),
            ("latest", LOWER),
            ("app", LOWER),
            ("docker.io/library/app:latest", LOWER),
            ("@0", LOWER),
            ("@1", UPPER),
        ],
    )
    def test_one_is_meant(self, backend, name, layer):
        assert [one.digest for one in layers_of(backend, name)] == [digest_of(layer)]

    def test_an_image_without_a_tag_has_a_number(self, backend):
        assert digest_of(self.FIRST) in backend.fetch_manifest("@2").content.decode()

    @pytest.mark.parametrize(
        ("name", "what"),
        [
            ("", r"no single image \(its tags: registry\.example/team/app:v1, registry\.example/team/app:v2\)"),
            ("v3", r"no tag 'v3' \(its tags: "),
            ("p:v1", "no tag"),
            ("@3", "no image number 3"),
            ("@999999999", "no image number"),
            ("@9999999999", "no tag"),
        ],
    )
    def test_none_is_meant(self, backend, name, what):
        with pytest.raises(NotFound, match=what):
            backend.fetch_manifest(name)

    def test_one_damaged_image_does_not_hide_the_others(self, opened):
        good = listed("1.json", ["a"], ["good"])
        members = (
            ("1.json", self.FIRST),
            ("a", LOWER),
            ("2.json", b"{"),
            manifest(listed("2.json", [], ["bad"]), good),
        )
        backend = opened(*members)
        assert backend.blob_size(digest_of(LOWER)) == len(LOWER)
        assert backend.fetch_manifest(backend.fetch_manifest("good").digest)
        with pytest.raises(MalformedDocument):
            backend.fetch_manifest("bad")

    def test_the_same_image_twice_is_one(self, opened):
        image = listed("1.json", ["a"], None)
        assert layers_of(opened(("1.json", self.FIRST), ("a", LOWER), manifest(image, image)))


class TestContract:
    """What every backend does alike."""

    @pytest.fixture
    def backend(self, opened):
        backend = opened(*docker_members())
        backend.fetch_manifest("")
        backend.meter = Meter()
        return backend

    def test_ranges_are_exact(self, backend):
        digest = digest_of(UPPER)
        assert backend.supports_ranges
        assert backend.fetch_range(digest, 1000, 3000) == UPPER[1000:4000]
        assert backend.fetch_range(digest, 5, 0) == b""
        assert backend.meter.cost == Cost(requests=2, bytes_fetched=3000)
        for offset, size in ((0, len(UPPER) + 1), (len(UPPER), 1), (1 << 70, 1), (-1, 1), (5, -1)):
            with pytest.raises(ShortRead):
                backend.fetch_range(digest, offset, size)

    def test_streams_and_sizes(self, backend):
        with backend.open_blob(digest_of(LOWER)) as pieces:
            read = list(pieces)
        assert b"".join(read) == LOWER
        assert max(map(len, read)) <= MiB
        assert backend.blob_size(digest_of(LOWER)) == len(LOWER)
        assert backend.meter.cost == Cost(requests=1, bytes_fetched=len(LOWER))

    @pytest.mark.parametrize("digest", [MISSING, "", "sha256:..", "../" + MISSING, "manifest.json", "x\0y", "é"])
    def test_what_is_not_there_is_not_found(self, backend, digest):
        for ask in (
            lambda: backend.fetch_range(digest, 0, 1),
            lambda: backend.blob_size(digest),
            lambda: backend.open_blob(digest).__enter__(),
            lambda: backend.fetch_manifest(digest or "none"),
        ):
            with pytest.raises(NotFound) as caught:
                ask()
            assert backend.place in str(caught.value)

    def test_threads_may_share_it(self, opened):
        backend, found = opened(*docker_members(stored=[packed(LOWER), packed(UPPER)])), []
        threads = [threading.Thread(target=lambda: found.append(backend.fetch_manifest(""))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 6
        assert len(set(found)) == 1


class TestDamage:
    """Nothing in an archive is believed."""

    CONFIG = config_of(LOWER)

    @pytest.mark.parametrize(
        "content",
        [b"", b"{}", b"[]", b"[1]", b"[{}]", b'[{"Config": "c", "Layers": [1]}]', b'[{"Config": 1}]', b"\xff", b"[" * 100_000, json.dumps([{"Config": "c", "Layers": ["x"] * 2000}]).encode(), json.dumps([{"Config": "c"}] * 5000).encode()],
    )  # fmt: skip
    def test_lists_of_images(self, opened, content):
        with pytest.raises(MalformedDocument, match=r"^manifest\.json"):
            opened(("manifest.json", content))

    def test_members_that_are_missing(self, opened):
        with pytest.raises(NotFound, match=r"no config c\.json"):
            opened(manifest(listed("c.json", [], None))).fetch_manifest("")
        with pytest.raises(NotFound, match="no layer a/b"):
            opened(("c.json", self.CONFIG), manifest(listed("c.json", ["a/b"], None))).fetch_manifest("")
        for name in ("../../etc/passwd", "/etc/passwd", "\ud800", ""):
            with pytest.raises((NotFound, MalformedDocument)):
                opened(("c.json", self.CONFIG), manifest(listed("c.json", [name], None))).fetch_manifest("")

    def test_a_config_that_is_not_what_its_name_says(self, opened):
        name = f"{hex_of(b'other')}.json"
        with pytest.raises(DigestMismatch, match="image config"):
            opened((name, self.CONFIG), ("a", LOWER), manifest(listed(name, ["a"], None))).fetch_manifest("")

    @pytest.mark.parametrize("config", [b"", b"[]", b'{"rootfs": {"diff_ids": ["x"]}}', b"\xff\xfe"])
    def test_a_config_that_is_none(self, opened, config):
        with pytest.raises(MalformedDocument, match=r"^config sha256:"):
            opened(("c", config), manifest(listed("c", [], None))).fetch_manifest("")

    def test_a_layer_of_a_strange_compression(self, opened):
        members = (("c", self.CONFIG), ("a", b"\xfd7zXZ\x00..."), manifest(listed("c", ["a"], None)))
        with pytest.raises(UnsupportedFormat, match="layer a is compressed with xz"):
            opened(*members).fetch_manifest("")

    @pytest.mark.parametrize("name", ["a", f"blobs/sha256/{hex_of(LOWER)}"])
    def test_a_layer_that_is_not_what_was_said_is_refused(self, tmp_path, name):
        members = (("c", self.CONFIG), (name, UPPER), manifest(listed("c", [name], None)))
        path = with_bytes(tmp_path / "a.tar", tar_with(*members))
        with pytest.raises(DigestMismatch):
            contents(f"docker-archive:{path}")

    def test_an_error_leaves_nothing_open(self, tmp_path):
        with descriptors_kept(), pytest.raises((ImageFault, RegistryFault)):
            contents(f"docker-archive:{with_bytes(tmp_path / 'a.tar', tar_with(('manifest.json', b'[]')))}")


@contextmanager
def descriptors_kept():
    before = set(Path("/proc/self/fd").iterdir())
    yield
    assert set(Path("/proc/self/fd").iterdir()) == before


@pytest.mark.parametrize("wrap", [bytes, packed], ids=["plain", "gzip"])
@pytest.mark.parametrize("pack", [bytes, packed], ids=["layers-plain", "layers-gzip"])
def test_images_open(tmp_path, wrap, pack):
    archive = wrap(tar_with(*docker_members(stored=[pack(LOWER), pack(UPPER)])))
    path = with_bytes(tmp_path / "image.tar", archive)
    with descriptors_kept():
        assert contents(f"docker-archive:{path}") == contents(f"docker-archive:{path}:demo/app:v1") == MERGED


def test_an_image_opens_by_the_digest_that_was_made(tmp_path):
    path = with_bytes(tmp_path / "image.tar", tar_with(*docker_members()))
    with rafsight.open_image(f"docker-archive:{path}") as image:
        digest = image.identity.classified.manifest.digest
    assert contents(f"docker-archive:{path}@{digest}") == MERGED
