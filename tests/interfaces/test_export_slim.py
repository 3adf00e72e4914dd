"""`rafsight export --slim` as users run it."""

import gzip
import shutil
import subprocess
import sys

import pytest
from tests.views.export import golden
from tests.views.slim.images import contents_of, open_archive

from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli import run
from rafsight.testing.registry import PLANTED, serve_layout

IMAGE = f"oci:{PLANTED}:v6"
PROGRAM = [sys.executable, "-m", "rafsight"]


@pytest.mark.parametrize("option", ["-o", "--to"])
@pytest.mark.parametrize("scanner", ["trivy", "grype", "syft", "osv-scanner"])
def test_an_archive_for_each_scanner(tmp_path, capsys, scanner, option):
    target = tmp_path / "image.tar"
    assert run(["export", IMAGE, "--slim", "--for", scanner, option, str(target)]) == 0
    assert capsys.readouterr() == ("", "")
    found = contents_of(target.read_bytes())
    assert found["usr/lib/os-release"].startswith(b"PRETTY_NAME")
    assert found["var/lib/dpkg/status"]
    assert found["etc/passwd"] == b""
    assert open_archive(target.read_bytes())[0]["RepoTags"] is None


def test_standard_output_gets_the_same_bytes(tmp_path):
    target = tmp_path / "image.tar"
    assert run(["export", IMAGE, "--slim", "--for", "syft", "-o", str(target)]) == 0
    done = subprocess.run(
        [*PROGRAM, "export", IMAGE, "--slim", "--for", "syft", "-o", "-"], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == target.read_bytes()


def test_a_name_may_ask_for_compression(tmp_path):
    target = tmp_path / "image.tar.gz"
    assert run(["export", IMAGE, "--slim", "--for", "trivy", "-o", str(target)]) == 0
    assert open_archive(gzip.decompress(target.read_bytes()))


def test_an_image_of_a_registry_keeps_its_name(tmp_path):
    target = tmp_path / "image.tar"
    with serve_layout(PLANTED) as registry:
        reference = registry.reference("v6")
        assert run(["-q", "export", reference, "--slim", "--for", "trivy", "-o", str(target)]) == 0
    assert open_archive(target.read_bytes())[0]["RepoTags"] == [reference]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--slim"],
        ["--for", "syft"],
        ["--slim", "--for", "snyk"],
        ["/etc", "--slim", "--for", "syft"],
        ["--force", "--slim", "--for", "syft"],
        ["--keep-going", "--slim", "--for", "syft"],
    ],
)
def test_what_does_not_go_together(tmp_path, capsys, arguments):
    target = tmp_path / "image.tar"
    assert run(["export", IMAGE, *arguments, "-o", str(target)]) == ExitStatus.USAGE
    assert capsys.readouterr().err.startswith("rafsight: error: ")
    assert not target.exists()


def test_a_folder_is_no_archive(tmp_path, capsys):
    assert run(["export", IMAGE, "--slim", "--for", "syft", "-o", str(tmp_path)]) == ExitStatus.OUTPUT
    assert "cannot write" in capsys.readouterr().err


def test_a_package_database_that_cannot_be_read_is_told(tmp_path, capsys):
    """An archive without it is written, and nobody takes the image for one without packages."""
    layout = tmp_path / "image"
    shutil.copytree(PLANTED, layout)
    for blob in (layout / "blobs/sha256").iterdir():
        if blob.stat().st_size > 200_000:
            content = bytearray(blob.read_bytes())
            content[1000:-20_000] = bytes(len(content) - 21_000)
            blob.write_bytes(content)
    target = tmp_path / "image.tar"
    assert run(["export", f"oci:{layout}:v5", "--slim", "--for", "trivy", "-o", str(target)]) == ExitStatus.INCOMPLETE
    told = capsys.readouterr().err
    found = contents_of(target.read_bytes())
    lost = {line.partition(" was left out: ")[0].rpartition("/")[2] for line in told.splitlines() if "left out" in line}
    assert lost
    assert not lost & {name.rpartition("/")[2] for name in found if name.startswith("var/lib/dpkg/info")}


def test_an_image_without_a_manifest(tmp_path):
    name = "v6-none"
    target = tmp_path / "image.tar"
    arguments = [golden.reference_of(name), "--blob-dir", str(golden.GOLDEN / name)]
    assert run(["-q", "export", *arguments, "--slim", "--for", "syft", "-o", str(target)]) == 0
    _, config, layers = open_archive(target.read_bytes())
    assert config["os"] == "linux"
    assert len(layers) == len(config["rootfs"]["diff_ids"])
