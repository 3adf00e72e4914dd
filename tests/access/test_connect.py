"""From a reference to the place that holds the image."""

import contextlib
import shutil
from pathlib import Path

import pytest

from rafsight.access.connect import FolderIsNoImage, connect, find_registry
from rafsight.access.counting import Meter
from rafsight.access.options import Offline, Options
from rafsight.base.errors import ExitStatus
from rafsight.formats.oci.reference import MalformedReference, parse_reference

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


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("app.tar", "file", "docker-archive:app.tar or ./app.tar"),
        ("layout", "folder", "./layout"),
        ("Layout", "folder", "./Layout"),
        ("app.tar", "", ""),
    ],
)
def test_an_error_says_how_a_file_or_folder_of_that_name_is_named(tmp_path, name, kind, told):
    if kind == "file":
        (tmp_path / name).write_bytes(b"an archive")
    elif kind == "folder":
        (tmp_path / name).mkdir()
    with (
        contextlib.chdir(tmp_path),
        pytest.raises((Offline, MalformedReference)) as caught,
        connect(name, Options(offline=True), Meter()),
    ):
        pass
    notes = [f"what is called so in this folder is named {told}"] if told else []
    assert getattr(caught.value, "__notes__", []) == notes


def test_a_folder_of_files_is_no_image_yet(tmp_path):
    with (
        pytest.raises(FolderIsNoImage, match="is a folder of files") as caught,
        connect(f"dir:{tmp_path}", Options(), Meter()),
    ):
        pass
    assert f"rafsight convert dir:{tmp_path} oci:DIR" in caught.value.advice
    assert caught.value.exit_status is ExitStatus.REFERENCE


@pytest.mark.parametrize(
    ("options", "speaks_http"),
    [
        (Options(), False),
        (Options(plain_hosts=("registry.test:5000",)), True),
        (Options(plain_hosts=("registry.test",)), False),
        (Options(plain_hosts=("registry.test:5000",), plain_http=False), False),
        (Options(plain_http=True), True),
    ],
)
def test_who_is_spoken_to_in_plain_http(options, speaks_http):
    reference = parse_reference("registry.test:5000/app:v1")
    assert find_registry(reference, options)[0].speaks_http is speaks_http
