"""OCI layouts that are written to: whole or not at all, and no writer loses what another wrote."""

import hashlib
import json
import os
import resource
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.access.registry.helpers import Content, largest_layer, planted_blob, planted_manifest

from rafsight.access.backend import NotFound
from rafsight.access.layout_target import LayoutNotWritten, LayoutTarget, NotALayout
from rafsight.access.oci_layout import LayoutBackend
from rafsight.access.outgoing import WrongContent
from rafsight.access.target import Pushed
from rafsight.base.digest import digest_of
from rafsight.base.errors import ExitStatus, HostLimit
from rafsight.base.units import MiB
from rafsight.formats.oci.errors import MalformedDocument, UnsupportedFormat
from rafsight.formats.oci.media_types import OCI_INDEX, OCI_MANIFEST
from rafsight.testing.registry import PLANTED

CONTENT = bytes(range(256)) * 1000
DIGEST = digest_of(CONTENT)
DOCUMENT = b'{"schemaVersion":2,"manifests":[]}'
SKOPEO = shutil.which("skopeo")


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def blob(folder, digest=DIGEST):
    return folder / "blobs" / digest.replace(":", "/")


def push_planted(target, tag):
    digest, manifest = planted_manifest()
    for one in (manifest["config"], *manifest["layers"]):
        target.push_blob(one["digest"], one["size"], Content(planted_blob(one["digest"])))
    return target.push_manifest(planted_blob(digest), OCI_MANIFEST, tag=tag)


def test_a_blob_is_written_once(tmp_path):
    target, content = LayoutTarget(tmp_path / "a" / "b"), Content(CONTENT)
    assert not (tmp_path / "a").exists()
    assert not target.has_blob(DIGEST)
    assert target.push_blob(DIGEST, len(CONTENT), content) == Pushed(sent=len(CONTENT), how="sent")
    assert target.push_blob(DIGEST, len(CONTENT), content) == Pushed(sent=0, how="present")
    assert target.has_blob(DIGEST)
    assert (content.opened, content.closed) == (1, 1)
    assert files(tmp_path / "a" / "b") == [str(blob(Path(), DIGEST)), "index.json", "oci-layout"]
    assert blob(tmp_path / "a" / "b").read_bytes() == CONTENT
    assert json.loads((tmp_path / "a" / "b" / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert (target.meter.cost.requests, target.meter.cost.bytes_sent) == (1, len(CONTENT))
    assert target.place == f"oci:{tmp_path}/a/b"
    target.close()


def test_files_are_as_the_umask_wants_them(tmp_path):
    target = LayoutTarget(tmp_path)
    before = os.umask(0o027)
    try:
        target.push_blob(DIGEST, len(CONTENT), Content(CONTENT))
        target.push_manifest(DOCUMENT, OCI_INDEX, tag="v1")
    finally:
        os.umask(before)
    for path in (blob(tmp_path), tmp_path / "index.json", tmp_path / "oci-layout"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("content", [b"", b"x"])
def test_sizes_and_algorithms(tmp_path, algorithm, content):
    digest = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    assert LayoutTarget(tmp_path).push_blob(digest, len(content), Content(content)).how == "sent"
    assert LayoutBackend(tmp_path).blob_size(digest) == len(content)
    assert LayoutTarget(tmp_path).has_blob(digest)


class TestTags:
    """What is in `index.json`."""

    def test_an_image_and_its_tag(self, tmp_path):
        digest = push_planted(LayoutTarget(tmp_path), "v1")
        index = json.loads((tmp_path / "index.json").read_bytes())
        assert index == {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [
                {
                    "mediaType": OCI_MANIFEST,
                    "digest": digest,
                    "size": len(planted_blob(digest)),
                    "annotations": {"org.opencontainers.image.ref.name": "v1"},
                }
            ],
        }

    def test_without_a_tag_only_the_blob_is_written(self, tmp_path):
        digest = LayoutTarget(tmp_path).push_manifest(DOCUMENT, OCI_INDEX)
        assert LayoutBackend(tmp_path).tags() == ()
        assert LayoutBackend(tmp_path).fetch_manifest(digest).content == DOCUMENT

    def test_a_tag_that_moves_leaves_nothing_behind(self, tmp_path):
        target = LayoutTarget(tmp_path)
        other = b'{"schemaVersion":2,"manifests":[],"annotations":{}}'
        for content, tag in ((DOCUMENT, "a"), (DOCUMENT, "b"), (other, "a"), (other, "a")):
            target.push_manifest(content, OCI_INDEX, tag=tag)
        backend = LayoutBackend(tmp_path)
        assert backend.tags() == ("b", "a")
        assert backend.fetch_manifest("a").content == other
        assert backend.fetch_manifest("b").content == DOCUMENT
        assert len(json.loads((tmp_path / "index.json").read_bytes())["manifests"]) == 2

    def test_what_others_wrote_stays(self, tmp_path):
        (tmp_path / "oci-layout").write_text('{"imageLayoutVersion": "1.1.0", "more": 1}')
        foreign = {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 1, "platform": {"os": "x"}, "odd": [1]}
        nulls = {"mediaType": OCI_MANIFEST, "digest": digest_of(b""), "size": 1, "annotations": None}
        index = {"schemaVersion": 2, "manifests": [foreign, nulls], "annotations": {"a": "b"}, "odd": {"x": None}}
        (tmp_path / "index.json").write_text(json.dumps(index))
        LayoutTarget(tmp_path).push_manifest(DOCUMENT, OCI_INDEX, tag="v1")
        written = json.loads((tmp_path / "index.json").read_bytes())
        assert written.pop("manifests")[:2] == [foreign, nulls]
        assert written == {name: value for name, value in index.items() if name != "manifests"}
        assert (tmp_path / "oci-layout").read_text() == '{"imageLayoutVersion": "1.1.0", "more": 1}'

    @pytest.mark.parametrize("manifests", [None, []])
    def test_an_empty_index_of_others(self, tmp_path, manifests):
        (tmp_path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
        LayoutTarget(tmp_path).push_manifest(DOCUMENT, OCI_INDEX, tag="v1")
        assert LayoutBackend(tmp_path).tags() == ("v1",)
        assert (tmp_path / "oci-layout").is_file()

    def test_threads_do_not_lose_tags(self, tmp_path):
        with ThreadPoolExecutor(8) as threads:
            list(
                threads.map(
                    lambda n: LayoutTarget(tmp_path / "x").push_manifest(DOCUMENT, OCI_INDEX, tag=f"t{n}"), range(32)
                )
            )
        assert set(LayoutBackend(tmp_path / "x").tags()) == {f"t{number}" for number in range(32)}

    def test_processes_do_not_lose_tags(self, tmp_path):
        program = (
            "import sys; from pathlib import Path; from rafsight.access.layout_target import LayoutTarget\n"
            f"target = LayoutTarget(Path({str(tmp_path)!r}))\n"
            "sys.stdin.readline()\n"
            f"for number in range(20): target.push_manifest({DOCUMENT!r}, {OCI_INDEX!r}, tag=sys.argv[1] + str(number))\n"
        )
        running = [
            subprocess.Popen([sys.executable, "-c", program, name], stdin=subprocess.PIPE) for name in ("a", "b", "c")
        ]
        for process in running:  # all of them begin before the first is waited for
            process.stdin.write(b"go\n")
            process.stdin.flush()
        for process in running:
            process.communicate(timeout=60)
            assert process.returncode == 0
        assert set(LayoutBackend(tmp_path).tags()) == {f"{name}{number}" for name in "abc" for number in range(20)}


class TestContent:
    """The bytes themselves fail, or are others than was said."""

    @pytest.mark.parametrize(
        "fault",
        [
            NotFound(place="source", what="blob"),
            PermissionError(13, "Permission denied"),
            ValueError(),
            KeyboardInterrupt(),
        ],
        ids=lambda fault: type(fault).__name__,
    )
    def test_its_fault_is_its_own(self, tmp_path, fault):
        with pytest.raises(type(fault)) as caught:
            LayoutTarget(tmp_path).push_blob(DIGEST, len(CONTENT), Content(CONTENT, fault=fault))
        assert caught.value is fault
        assert files(tmp_path) == ["index.json", "oci-layout"]

    @pytest.mark.parametrize(
        ("content", "size"),
        [(CONTENT, 5), (CONTENT, len(CONTENT) + 1), (CONTENT[:-1], len(CONTENT)), (CONTENT[:-1] + b"x", len(CONTENT))],
    )
    def test_other_bytes_are_not_kept(self, tmp_path, content, size):
        with pytest.raises(WrongContent, match=f"blob {DIGEST} was not pushed to oci:"):
            LayoutTarget(tmp_path).push_blob(DIGEST, size, Content(content))
        assert files(tmp_path) == ["index.json", "oci-layout"]

    def test_a_damaged_blob_is_replaced(self, tmp_path):
        LayoutTarget(tmp_path).push_manifest(DOCUMENT, OCI_INDEX)
        blob(tmp_path).write_bytes(CONTENT[:-1])
        assert LayoutTarget(tmp_path).push_blob(DIGEST, len(CONTENT), Content(CONTENT)).how == "sent"
        assert blob(tmp_path).read_bytes() == CONTENT


class TestNeighbours:
    """Blobs that another layout has."""

    LAYER, BLOB = largest_layer()

    def test_a_second_name_for_the_same_file(self, tmp_path):
        LayoutTarget(tmp_path / "one").push_blob(DIGEST, len(CONTENT), Content(CONTENT))
        content = Content(CONTENT)
        target = LayoutTarget(tmp_path / "two")
        pushed = target.push_blob(DIGEST, len(CONTENT), content, neighbour=f"oci:{tmp_path / 'one'}")
        assert pushed == Pushed(sent=0, how="mounted")
        assert (content.opened, target.meter.cost.bytes_sent) == (0, 0)
        assert blob(tmp_path / "one").samefile(blob(tmp_path / "two"))
        assert files(tmp_path / "two") == [str(blob(Path())), "index.json", "oci-layout"]

    def test_a_copy_on_another_file_system(self, tmp_path):
        other = Path("/dev/shm")
        if not os.access(other, os.W_OK) or other.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("there is no second file system to write to")
        neighbour = other / f"rafsight-test-{os.getpid()}"
        try:
            LayoutTarget(neighbour).push_blob(DIGEST, len(CONTENT), Content(CONTENT))
            content = Content(CONTENT)
            pushed = LayoutTarget(tmp_path).push_blob(DIGEST, len(CONTENT), content, neighbour=f"oci:{neighbour}")
            assert (pushed.how, content.opened) == ("mounted", 0)
            assert blob(tmp_path).read_bytes() == CONTENT
            assert files(tmp_path) == [str(blob(Path())), "index.json", "oci-layout"]
            blob(tmp_path).unlink()
            blob(neighbour).write_bytes(CONTENT[:-1] + b"x")  # copies are verified
            pushed = LayoutTarget(tmp_path).push_blob(DIGEST, len(CONTENT), content, neighbour=f"oci:{neighbour}")
            assert (pushed.how, content.opened) == ("sent", 1)
            assert blob(tmp_path).read_bytes() == CONTENT
        finally:
            shutil.rmtree(neighbour)

    @pytest.mark.parametrize("neighbour", ["", "oci:nowhere", "oci:", f"oci:{PLANTED}", "127.0.0.1:5000/app"])
    def test_one_that_does_not_have_it(self, tmp_path, neighbour):
        pushed = LayoutTarget(tmp_path).push_blob(DIGEST, len(CONTENT), Content(CONTENT), neighbour=neighbour)
        assert pushed == Pushed(sent=len(CONTENT), how="sent")

    def test_one_whose_blob_is_cut_or_no_file(self, tmp_path):
        one, target = tmp_path / "one", LayoutTarget(tmp_path / "two")
        LayoutTarget(one).push_blob(DIGEST, len(CONTENT), Content(CONTENT))
        os.truncate(blob(one), 10)
        assert target.push_blob(DIGEST, len(CONTENT), Content(CONTENT), neighbour=f"oci:{one}").how == "sent"
        (tmp_path / "secret").write_bytes(b"secret")
        secret = digest_of(b"secret")
        blob(one, secret).symlink_to(tmp_path / "secret")  # leads out of the layout
        assert target.push_blob(secret, 6, Content(b"secret"), neighbour=f"oci:{one}").how == "sent"

    def test_a_place_that_is_taken(self, tmp_path):
        LayoutTarget(tmp_path / "one").push_blob(DIGEST, len(CONTENT), Content(CONTENT))
        target = LayoutTarget(tmp_path / "two")
        target.push_manifest(DOCUMENT, OCI_INDEX)
        (blob(tmp_path / "two") / "in-the-way").mkdir(parents=True)
        before = files(tmp_path / "two")
        with pytest.raises(LayoutNotWritten, match="directory"):
            target.push_blob(DIGEST, len(CONTENT), Content(CONTENT), neighbour=f"oci:{tmp_path / 'one'}")
        assert files(tmp_path / "two") == before


class TestRefusals:
    """What is not written to."""

    def test_something_else(self, tmp_path):
        (tmp_path / "notes.txt").write_text("mine")
        for place, why in ((tmp_path, "something else"), (tmp_path / "notes.txt", "not a directory")):
            with pytest.raises(NotALayout, match=why) as caught:
                LayoutTarget(place)
            assert caught.value.exit_status is ExitStatus.OUTPUT
        assert files(tmp_path) == ["notes.txt"]

    def test_a_folder_that_was_filled_meanwhile(self, tmp_path):
        target = LayoutTarget(tmp_path)
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(NotALayout):
            target.push_blob(DIGEST, len(CONTENT), Content(CONTENT))
        assert files(tmp_path) == ["notes.txt"]

    def test_a_layout_that_cannot_be_read(self, tmp_path):
        (tmp_path / "index.json").write_text("{")
        with pytest.raises(MalformedDocument):
            LayoutTarget(tmp_path)
        (tmp_path / "index.json").write_text('{"schemaVersion":2,"manifests":[]}')
        (tmp_path / "oci-layout").write_text('{"imageLayoutVersion":"2.0.0"}')
        with pytest.raises(UnsupportedFormat):
            LayoutTarget(tmp_path)

    def test_an_index_that_was_damaged_meanwhile(self, tmp_path):
        target = LayoutTarget(tmp_path)
        target.push_manifest(DOCUMENT, OCI_INDEX, tag="v1")
        (tmp_path / "index.json").write_text('{"manifests": 5}')
        with pytest.raises(MalformedDocument):
            target.push_manifest(DOCUMENT, OCI_INDEX, tag="v2")
        assert (tmp_path / "index.json").read_text() == '{"manifests": 5}'

    def test_a_link_that_leads_out(self, tmp_path):
        (tmp_path / "layout").mkdir()
        (tmp_path / "outside").mkdir()
        (tmp_path / "layout" / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        (tmp_path / "layout" / "blobs").symlink_to(tmp_path / "outside")
        with pytest.raises(NotALayout, match="a link in it leads out"):
            LayoutTarget(tmp_path / "layout").push_blob(DIGEST, len(CONTENT), Content(CONTENT))
        assert files(tmp_path / "outside") == []

    def test_a_place_that_cannot_be(self, tmp_path):
        (tmp_path / "file").write_text("")
        target = LayoutTarget(tmp_path / "file" / "layout")
        with pytest.raises(LayoutNotWritten, match="Not a directory") as caught:
            target.push_blob(DIGEST, len(CONTENT), Content(CONTENT))
        assert isinstance(caught.value, HostLimit)
        assert caught.value.exit_status is ExitStatus.OUTPUT
        assert "space and the permissions" in caught.value.advice

    def test_no_room(self, tmp_path):
        target = LayoutTarget(tmp_path)
        target.push_manifest(DOCUMENT, OCI_INDEX, tag="v1")
        before = files(tmp_path)
        large = bytes(2 * MiB)
        with file_size_limit(MiB), pytest.raises(LayoutNotWritten, match="File too large"):
            target.push_blob(digest_of(large), len(large), Content(large))
        assert files(tmp_path) == before


@contextmanager
def file_size_limit(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(SKOPEO is None, reason="skopeo is not installed")
def test_skopeo_reads_what_we_write_and_we_add_to_what_it_writes(tmp_path):
    def copy(source, target):
        command = [SKOPEO, "--insecure-policy", "copy", "-q", "--preserve-digests", source, target]
        subprocess.run(command, check=True, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, timeout=60)

    digest = push_planted(LayoutTarget(tmp_path / "ours"), "v1")
    copy(f"oci:{tmp_path}/ours:v1", f"oci:{tmp_path}/theirs:copied")
    assert LayoutBackend(tmp_path / "theirs").fetch_manifest("copied").digest == digest
    LayoutTarget(tmp_path / "theirs").push_manifest(planted_blob(digest), OCI_MANIFEST, tag="added")
    copy(f"oci:{tmp_path}/theirs:added", f"oci:{tmp_path}/ours:back")
    LayoutTarget(tmp_path / "ours").push_manifest(DOCUMENT, OCI_INDEX, tag="last")
    assert LayoutBackend(tmp_path / "ours").tags() == ("v1", "back", "last")
