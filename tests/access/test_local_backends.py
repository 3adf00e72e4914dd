"""Layouts, folders and memory keep one contract; what a hostile layout plants stays unread."""

import contextlib
import hashlib
import json
import os
import stat
import threading
from pathlib import Path

import pytest
from tests.shared import SHARED, needs_shared

from rafsight.access.backend import Backend, DigestMismatch, NotFound, ShortRead
from rafsight.access.counting import Cost
from rafsight.access.local_files import Unreadable
from rafsight.access.localfs import FolderBackend, read_bootstrap_file
from rafsight.access.memory import MemoryBackend
from rafsight.access.oci_layout import LayoutBackend
from rafsight.base.digest import digest_of
from rafsight.base.errors import ImageFault, RegistryFault
from rafsight.base.limits import Limits
from rafsight.base.units import MiB
from rafsight.formats.oci import media_types
from rafsight.formats.oci.errors import MalformedDocument, UnsupportedFormat
from rafsight.formats.tables import MalformedImage

BLOB = bytes(range(256)) * 10_000
DIGEST = digest_of(BLOB)
MISSING = "sha256:" + "0" * 64
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "layers": [], "config": {"digest": MISSING, "size": 1}}).encode()  # fmt: skip
OTHER = MANIFEST + b" "


def write_layout(folder, *tagged, blobs=(), version="1.0.0"):
    """Write a layout; `tagged` are (content, annotations, media type)."""
    store = folder / "blobs" / "sha256"
    store.mkdir(parents=True)
    if version:
        (folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": version}))
    for content in [*blobs, *(content for content, _, _ in tagged)]:
        (store / hashlib.sha256(content).hexdigest()).write_bytes(content)
    manifests = [
        {"mediaType": kind, "digest": digest_of(content), "size": len(content), "annotations": annotations}
        for content, annotations, kind in tagged
    ]
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
    return LayoutBackend(folder)


def tag(name, content=MANIFEST):
    return (content, {"org.opencontainers.image.ref.name": name}, media_types.OCI_MANIFEST)


@pytest.fixture(params=["layout", "folder", "memory"])
def backend(request, tmp_path):
    """One backend of each kind, with the same blob."""
    if request.param == "layout":
        return write_layout(tmp_path, tag("v1"), blobs=[BLOB])
    if request.param == "folder":
        (tmp_path / DIGEST.removeprefix("sha256:")).write_bytes(BLOB)
        return FolderBackend(tmp_path)
    memory = MemoryBackend()
    memory.put_blob(BLOB)
    memory.put_manifest(MANIFEST, media_type=media_types.OCI_MANIFEST, tag="v1")
    return memory


def conforming(layout: LayoutBackend, folder: FolderBackend, memory: MemoryBackend) -> tuple[Backend, ...]:
    """Hold the types to the protocol (the type checker is the judge)."""
    return layout, folder, memory


class TestContract:
    """What every backend does alike."""

    def test_ranges_are_exact(self, backend):
        assert backend.supports_ranges
        assert backend.fetch_range(DIGEST, 0, 10) == BLOB[:10]
        assert backend.fetch_range(DIGEST, 1000, 300_000) == BLOB[1000:301_000]
        assert backend.fetch_range(DIGEST, len(BLOB) - 1, 1) == BLOB[-1:]
        assert backend.fetch_range(DIGEST, 5, 0) == b""
        assert backend.meter.cost == Cost(requests=4, bytes_fetched=300_011)

    @pytest.mark.parametrize(
        ("offset", "size"),
        [(0, len(BLOB) + 1), (len(BLOB), 1), (1 << 70, 1), (0, 1 << 50), (-1, 1), (5, -1)],
    )
    def test_ranges_beyond_the_blob_are_short(self, backend, offset, size):
        with pytest.raises(ShortRead):
            backend.fetch_range(DIGEST, offset, size)

    def test_streams_are_whole_and_in_pieces(self, backend):
        with backend.open_blob(DIGEST) as pieces:
            read = list(pieces)
        assert b"".join(read) == BLOB
        assert 0 < max(map(len, read)) <= MiB
        assert backend.meter.cost == Cost(requests=1, bytes_fetched=len(BLOB))

    def test_a_stream_may_be_left_early(self, backend):
        with backend.open_blob(DIGEST) as pieces:
            assert BLOB.startswith(next(pieces))
        assert backend.meter.cost.bytes_fetched <= MiB

    def test_sizes_cost_nothing(self, backend):
        assert backend.blob_size(DIGEST) == len(BLOB)
        assert backend.meter.cost == Cost()

    @pytest.mark.parametrize(
        "digest",
        [MISSING, "", "sha256:", "sha256:..", "../" + DIGEST, "sha256:../../index.json", "/etc/passwd", ".", "a/b", "x\0y", "sha256:" + "A" * 64, "md5:" + "a" * 32, ".hidden", "x" * 65, "é"],
    )  # fmt: skip
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

    def test_threads_may_share_it(self, backend):
        wrong: list[int] = []

        def read(start):
            offsets = range(start, start + 100_000, 5_000)
            wrong.extend(one for one in offsets if backend.fetch_range(DIGEST, one, 4_000) != BLOB[one : one + 4_000])

        threads = [threading.Thread(target=read, args=(start * 300_000,)) for start in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert backend.meter.cost == Cost(requests=120, bytes_fetched=120 * 4_000)

    def test_closing_is_harmless(self, backend):
        backend.close()
        backend.close()


def test_memory_gives_manifests_by_tag_and_digest():
    memory = MemoryBackend("here")
    digest = memory.put_manifest(MANIFEST, media_type="x/y", tag="v1")
    assert memory.fetch_manifest("v1") == memory.fetch_manifest(digest)
    assert memory.fetch_manifest("v1").media_type == "x/y"
    assert memory.meter.cost == Cost(requests=3, bytes_fetched=3 * len(MANIFEST))
    memory.put_manifest(OTHER, media_type="x/y", tag="bad", digest=digest)
    with pytest.raises(DigestMismatch):
        memory.fetch_manifest("bad")


def test_memory_streams_pieces_of_any_size():
    memory = MemoryBackend(piece_size=1000)
    with memory.open_blob(memory.put_blob(BLOB)) as pieces:
        assert {len(piece) for piece in pieces} == {1000}


class TestLayout:
    """Tags, and files that are not what they should be."""

    def test_gives_manifests_by_tag_and_digest(self, tmp_path):
        layout = write_layout(tmp_path, tag("v1"), tag("v2", OTHER))
        by_tag, by_digest = layout.fetch_manifest("v2"), layout.fetch_manifest(digest_of(OTHER))
        assert by_tag == by_digest
        assert (by_tag.content, by_tag.digest, by_tag.media_type) == (OTHER, digest_of(OTHER), media_types.OCI_MANIFEST)
        assert layout.tags() == ("v1", "v2")
        assert layout.place == f"oci:{tmp_path}"

    def test_finds_a_tag_at_the_end_of_a_whole_reference(self, tmp_path):
        whole = (MANIFEST, {"io.containerd.image.name": "127.0.0.1:5067/demo/app:v1"}, media_types.OCI_MANIFEST)
        layout = write_layout(tmp_path, whole, tag("docker.io/org/app:v2", OTHER))
        assert layout.fetch_manifest("v1").content == MANIFEST
        assert layout.fetch_manifest("127.0.0.1:5067/demo/app:v1").content == MANIFEST
        assert layout.fetch_manifest("v2").content == OTHER

    def test_without_a_name_the_only_image_is_meant(self, tmp_path):
        assert write_layout(tmp_path / "one", tag("odd")).fetch_manifest("").content == MANIFEST
        assert write_layout(tmp_path / "latest", tag("latest", OTHER), tag("b")).fetch_manifest("").content == OTHER

    def test_without_any_tag_the_index_is_meant(self, tmp_path):
        layout = write_layout(
            tmp_path, (MANIFEST, {}, media_types.OCI_MANIFEST), (OTHER, None, media_types.OCI_MANIFEST)
        )
        document = layout.fetch_manifest("")
        assert document.media_type == media_types.OCI_INDEX
        assert document.content == (tmp_path / "index.json").read_bytes()
        assert document.digest == digest_of(document.content)

    def test_says_which_tags_there_are(self, tmp_path):
        layout = write_layout(tmp_path, tag("a"), tag("b", OTHER))
        with pytest.raises(NotFound, match=r"no tag 'x' \(its tags: a, b\)"):
            layout.fetch_manifest("x")
        with pytest.raises(NotFound, match=r"no tag 'latest' \(its tags: a, b\)"):
            layout.fetch_manifest("")

    def test_a_tag_of_two_images_is_no_name(self, tmp_path):
        layout = write_layout(tmp_path, tag("a"), tag("a", OTHER), tag("b"), tag("b"))
        with pytest.raises(NotFound, match="2 carry that tag"):
            layout.fetch_manifest("a")
        assert layout.fetch_manifest("b").content == MANIFEST

    def test_a_manifest_is_verified(self, tmp_path):
        layout = write_layout(tmp_path, tag("a"))
        (tmp_path / "blobs" / "sha256" / digest_of(MANIFEST).removeprefix("sha256:")).write_bytes(OTHER)
        for name in ("a", digest_of(MANIFEST)):
            with pytest.raises(DigestMismatch):
                layout.fetch_manifest(name)

    def test_sha512_is_a_digest_too(self, tmp_path):
        layout = write_layout(tmp_path, tag("a"))
        name = hashlib.sha512(MANIFEST).hexdigest()
        (tmp_path / "blobs" / "sha512").mkdir()
        (tmp_path / "blobs" / "sha512" / name).write_bytes(MANIFEST)
        assert layout.fetch_manifest("sha512:" + name).content == MANIFEST

    def test_versions(self, tmp_path):
        assert write_layout(tmp_path / "none", tag("a"), version="").fetch_manifest("a")
        with pytest.raises(UnsupportedFormat, match="version '2"):
            write_layout(tmp_path / "two", tag("a"), version="2.0.0").fetch_manifest("a")

    def test_a_folder_that_is_no_layout(self, tmp_path):
        for folder in (tmp_path, tmp_path / "none", Path("/dev/null")):
            with pytest.raises(NotFound, match=r"no index\.json"):
                LayoutBackend(folder).fetch_manifest("a")

    @pytest.mark.parametrize("index", [b"", b"{}", b"[]", MANIFEST, b'{"manifests": [{"digest": "../x", "size": 1}]}'])
    def test_a_damaged_index(self, tmp_path, index):
        layout = write_layout(tmp_path, tag("a"))
        (tmp_path / "index.json").write_bytes(index)
        with contextlib.suppress(NotFound), pytest.raises(MalformedDocument, match=r"^index\.json \(sha256:"):
            layout.fetch_manifest("a")

    def test_documents_are_called_by_their_names(self, tmp_path):
        layout = write_layout(tmp_path, tag("v1"))
        path = tmp_path / "blobs" / "sha256" / digest_of(MANIFEST).removeprefix("sha256:")
        path.write_bytes(b"other")
        with pytest.raises(DigestMismatch, match="manifest of tag v1"):
            layout.fetch_manifest("v1")
        os.truncate(path, 1 << 40)
        with pytest.raises(MalformedDocument, match=r"^manifest of tag v1 \(sha256:"):
            layout.fetch_manifest("v1")
        with pytest.raises(MalformedDocument, match=r"^manifest \(sha256:"):
            layout.fetch_manifest(digest_of(MANIFEST))

    def test_sizes_are_bounded_before_anything_is_read(self, tmp_path):
        layout = write_layout(tmp_path, tag("a"))
        for name in ("index.json", "blobs/sha256/" + digest_of(MANIFEST).removeprefix("sha256:")):
            os.truncate(tmp_path / name, 1 << 40)
            with pytest.raises(MalformedDocument, match="larger than"):
                layout.fetch_manifest("a" if name == "index.json" else digest_of(MANIFEST))

    def test_links_do_not_lead_out(self, tmp_path):
        layout = write_layout(tmp_path / "layout", tag("a"), blobs=[BLOB])
        store = tmp_path / "layout" / "blobs" / "sha256"
        secret = tmp_path / "secret"
        secret.write_bytes(b"secret")
        (store / ("1" * 64)).symlink_to(secret)
        (store / ("2" * 64)).symlink_to("../../../secret")
        (store / ("3" * 64)).symlink_to(DIGEST.removeprefix("sha256:"))
        (store / ("4" * 64)).symlink_to("4" * 64)
        for number in "124":
            with pytest.raises(NotFound):
                layout.fetch_range("sha256:" + number * 64, 0, 1)
        assert layout.fetch_range("sha256:" + "3" * 64, 0, 9) == BLOB[:9]

    def test_folders_that_are_links_do_not_lead_out(self, tmp_path):
        layout = write_layout(tmp_path / "layout", tag("a"), blobs=[BLOB])
        (tmp_path / "layout" / "blobs").rename(tmp_path / "elsewhere")
        (tmp_path / "layout" / "blobs").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(NotFound, match="a link leads out"):
            layout.fetch_range(DIGEST, 0, 1)
        (tmp_path / "link").symlink_to(tmp_path / "layout")
        (tmp_path / "layout" / "blobs").unlink()
        (tmp_path / "elsewhere").rename(tmp_path / "layout" / "blobs")
        assert LayoutBackend(tmp_path / "link").fetch_range(DIGEST, 0, 9) == BLOB[:9]

    def test_only_regular_files_are_read(self, tmp_path):
        layout = write_layout(tmp_path, tag("a"))
        store = tmp_path / "blobs" / "sha256"
        os.mkfifo(store / ("1" * 64))
        (store / ("2" * 64)).mkdir()
        for number in "12":
            with pytest.raises(NotFound, match="is not a regular file"):
                layout.blob_size("sha256:" + number * 64)

    @needs_shared
    def test_the_real_layout(self):
        layout = LayoutBackend(SHARED / "fixtures" / "images" / "planted")
        assert layout.tags() == ("oci", "v6", "v6-ref", "merged", "v5")
        assert layout.fetch_manifest("merged").media_type == media_types.OCI_INDEX
        for name in layout.tags():
            assert digest_of(layout.fetch_manifest(name).content) == layout.fetch_manifest(name).digest


class TestFolder:
    """Blob ids as file names."""

    @pytest.mark.parametrize("name", ["myblob", "a.b_c-d", "A:b", "x" * 64])
    def test_any_sane_id_is_a_name(self, tmp_path, name):
        (tmp_path / name).write_bytes(BLOB)
        folder = FolderBackend(tmp_path)
        assert folder.fetch_range(name, 1, 3) == BLOB[1:4]
        assert folder.fetch_range("sha256:" + name, 1, 3) == BLOB[1:4]

    def test_sha512_ids_are_longer(self, tmp_path):
        (tmp_path / ("a" * 128)).write_bytes(BLOB)
        assert FolderBackend(tmp_path).blob_size("sha512:" + "a" * 128) == len(BLOB)

    def test_without_a_folder_nothing_is_there(self):
        with pytest.raises(NotFound, match="no --blob-dir"):
            FolderBackend(None).fetch_range(DIGEST, 0, 1)

    def test_there_are_no_manifests(self, tmp_path):
        with pytest.raises(NotFound, match="folder of blobs"):
            FolderBackend(tmp_path).fetch_manifest("latest")

    def test_the_users_own_links_are_followed(self, tmp_path):
        (tmp_path / "real").write_bytes(BLOB)
        (tmp_path / "blobs").mkdir()
        (tmp_path / "blobs" / "id").symlink_to(tmp_path / "real")
        assert FolderBackend(tmp_path / "blobs").blob_size("id") == len(BLOB)

    def test_a_blob_that_shrinks_while_it_is_read_is_short(self, tmp_path):
        (tmp_path / "id").write_bytes(BLOB)
        with FolderBackend(tmp_path).open_blob("id") as pieces:
            next(pieces)
            os.truncate(tmp_path / "id", MiB)
            with pytest.raises(ShortRead):
                next(pieces)

    def test_what_cannot_be_opened_is_told(self, tmp_path):
        os.mknod(tmp_path / "id", stat.S_IFSOCK | 0o600)
        with pytest.raises(Unreadable, match=r"blob id in .* cannot be read: No such device"):
            FolderBackend(tmp_path).blob_size("id")


def test_reads_a_bootstrap_file(tmp_path):
    (tmp_path / "image.boot").write_bytes(BLOB)
    assert read_bootstrap_file(tmp_path / "image.boot") == BLOB
    with pytest.raises(NotFound, match=r"no file none\.boot"):
        read_bootstrap_file(tmp_path / "none.boot")
    with pytest.raises(NotFound):
        read_bootstrap_file(tmp_path)
    with pytest.raises(MalformedImage, match="larger than 5"):
        read_bootstrap_file(tmp_path / "image.boot", limits=Limits(bootstrap_size=5))


def test_errors_are_of_the_tree():
    assert issubclass(NotFound, RegistryFault)
    assert issubclass(Unreadable, RegistryFault)
    assert issubclass(MalformedDocument, ImageFault)
