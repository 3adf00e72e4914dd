"""What an engine is shown of an image, and what it is told to have missed."""

import resource
import shutil
import tarfile

import pytest
from tests.views.slim.images import contents_of, open_archive, write_image

import rafsight
from rafsight.analysis.inventory import GapReason
from rafsight.base.errors import ExitStatus
from rafsight.base.events import silent
from rafsight.engines.engine import Via
from rafsight.engines.scratch import ScratchFailed
from rafsight.engines.showing import show_archive
from rafsight.testing.registry import PLANTED, serve_layout
from rafsight.views.slim.archive import write_slim
from rafsight.views.slim.rules import rules_for


@pytest.mark.parametrize("name", ["trivy", "grype", "syft", "osv-scanner"])
def test_it_is_the_slim_archive_of_that_engine(tmp_path, name):
    pieces = []
    with rafsight.open_image(f"oci:{PLANTED}:v6") as image:
        shown = show_archive(image, name, tmp_path, silent)
        write_slim(image, rules_for(name), pieces.append)
    assert (shown.target.via, shown.target.scratch, shown.what) == (Via.ARCHIVE, tmp_path, "slim archive")
    assert shown.target.place.parent == tmp_path
    assert shown.target.place.read_bytes() == b"".join(pieces)
    assert shown.gaps == ()


def test_an_image_of_a_registry_keeps_its_name(tmp_path):
    with serve_layout(PLANTED) as registry, rafsight.open_image(reference := registry.reference("v6")) as image:
        shown = show_archive(image, "trivy", tmp_path, silent)
    assert open_archive(shown.target.place.read_bytes())[0]["RepoTags"] == [reference]


def test_what_cannot_be_read_is_a_gap_and_not_in_the_archive(tmp_path):
    layout = tmp_path / "image"
    shutil.copytree(PLANTED, layout)
    for blob in (layout / "blobs/sha256").iterdir():
        if blob.stat().st_size > 200_000:
            content = bytearray(blob.read_bytes())
            content[1000:-20_000] = bytes(len(content) - 21_000)
            blob.write_bytes(content)
    with rafsight.open_image(f"oci:{layout}:v5") as image:
        shown = show_archive(image, "trivy", tmp_path, silent)
    assert shown.gaps
    assert {gap.reason for gap in shown.gaps} == {GapReason.UNREADABLE}
    found = contents_of(shown.target.place.read_bytes())
    assert not {gap.subject.lstrip("/") for gap in shown.gaps} & set(found)


def test_hostile_names_are_escaped(tmp_path):
    name = "opt/\x1b[2J\u202e/package.json"
    reference = write_image(tmp_path / "image", {name: b"{}" * 100})
    blobs = sorted(
        (tmp_path / "image" / "blobs/sha256").iterdir(), key=lambda path: path.read_bytes()[:2] != b"\x1f\x8b"
    )
    with rafsight.open_image(reference) as image:
        content = bytearray(blobs[0].read_bytes())
        content[-6] ^= 1
        blobs[0].write_bytes(content)
        shown = show_archive(image, "trivy", tmp_path, silent)
    assert [gap.subject for gap in shown.gaps] == ["opt/\\x1b[2J\\u202e/package.json"]


def test_no_room(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with rafsight.open_image(f"oci:{PLANTED}:v6") as image:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(ScratchFailed, match="File too large") as caught:
                show_archive(image, "syft", tmp_path, silent)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.exit_status == ExitStatus.HOST


def test_it_is_told_how_far_it_is(tmp_path):
    events = []
    with rafsight.open_image(f"oci:{PLANTED}:v6") as image:
        shown = show_archive(image, "osv-scanner", tmp_path, events.append)
    kinds = [type(event).__name__ for event in events if "slim archive" in event.operation]
    assert kinds[0] == "Started"
    assert kinds[-1] == "Finished"
    assert "Advanced" in kinds
    with tarfile.open(shown.target.place) as tar:
        assert tar.getnames()[-1] == "manifest.json"
