"""From a reference to the place that holds the image."""

import contextlib
import shutil
from pathlib import Path

import pytest

from rafsight.access.connect import FolderIsNoImage, connect
from rafsight.access.counting import Meter
from rafsight.access.options import Offline, Options
from rafsight.base.errors import ExitStatus

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "rafs"


@pytest.mark.parametrize("name", ["image.boot", "folder/image.boot", "ubuntu"])
def test_a_bootstrap_of_this_machine_is_meant_by_its_plain_name(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    shutil.copy(GOLDEN / "v5-nodata" / "image.boot", path)
    with contextlib.chdir(tmp_path), connect(name, Options(offline=True), Meter()) as source:
        assert source.bootstrap == path.read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"no bootstrap"])
def test_any_other_file_does_not_hide_a_registry(tmp_path, content):
    if content is not None:
        (tmp_path / "ubuntu").write_bytes(content)
    with (
        contextlib.chdir(tmp_path),
        pytest.raises(Offline),
        connect("ubuntu", Options(offline=True), Meter()),
    ):
        pass


def test_a_folder_of_files_is_no_image_yet(tmp_path):
    with (
        pytest.raises(FolderIsNoImage, match="is a folder of files") as caught,
        connect(f"dir:{tmp_path}", Options(), Meter()),
    ):
        pass
    assert f"rafsight convert dir:{tmp_path} oci:DIR" in caught.value.advice
    assert caught.value.exit_status is ExitStatus.REFERENCE
