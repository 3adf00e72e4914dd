"""`rafsight present` as users run it: a process that scanners and engines pull from."""

import json
import socket
import subprocess
import sys

import pytest
from tests.interfaces.presenting_process import SKOPEO, copy, get, numbers_of, presenting, skopeo, syft

import rafsight
from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli import run
from rafsight.testing.registry import PLANTED, serve_layout

needs_skopeo = pytest.mark.skipif(SKOPEO is None, reason="needs skopeo")


@pytest.fixture(scope="module")
def registry():
    with serve_layout(PLANTED) as running:
        yield running


def tar_of(reference):
    pieces = []
    with rafsight.open_image(reference) as image:
        rafsight.export_files(image, to=pieces.append)
    return b"".join(pieces)


def test_syft_finds_what_is_in_an_image_and_a_second_pull_is_the_same(registry, tmp_path):
    with presenting(registry.host, tmp_path, "--for", "syft") as (address, said):
        found = syft(f"{address}/app:v6", tmp_path)
        before = numbers_of(address)
        layers = json.loads(get(address, "/v2/app/manifests/v6")[2])["layers"]
        assert all(len(get(address, f"/v2/app/blobs/{one['digest']}")[2]) == one["size"] for one in layers)
        after = numbers_of(address)
    assert {one["type"] for one in found["artifacts"]} == {"deb", "python", "npm", "binary"}
    assert {"minimist", "requests", "busybox-static"} <= {one["name"] for one in found["artifacts"]}
    assert [one["digest"] for one in found["source"]["metadata"]["layers"]] == [one["digest"] for one in layers]
    assert before["images_made"] == after["images_made"] == 1
    assert after["bytes_fetched"] - before["bytes_fetched"] < 10_000  # manifests
    status, told = said
    assert status == 0
    assert f"showing the images of {registry.host} at {address}; Ctrl-C ends it" in told
    assert "1 image made of 2.7 MB" in told


@needs_skopeo
def test_an_engine_pulls_the_whole_image(registry, tmp_path):
    with presenting(registry.host, tmp_path, "--full") as (address, _):
        for tag in ("v6", "v5"):
            assert copy(f"{address}/app:{tag}", f"oci:{tmp_path}/pulled:{tag}", tmp_path) == ""
        status, said, _ = skopeo("list-tags", "--tls-verify=false", f"docker://{address}/app", home=tmp_path)
        assert (status, json.loads(said)["Tags"]) == (0, ["v5", "v6"])
        refused = skopeo(
            *(
                "copy",
                "--insecure-policy",
                "--dest-tls-verify=false",
                f"oci:{PLANTED}:v6",
                f"docker://{address}/app:v7",
            ),
            home=tmp_path,
        )
        assert refused[0] != 0
        assert "this registry only shows" in refused[2] or "405" in refused[2]
    for tag in ("v6", "v5"):
        assert tar_of(f"oci:{tmp_path}/pulled:{tag}") == tar_of(f"oci:{PLANTED}:{tag}")


@pytest.mark.parametrize(
    "options",
    [
        ["--full", "--for", "syft"],
        ["--for", "snyk"],
        ["--listen", "5080"],
        ["--listen", "registry.example.com:80"],
        ["--listen", "127.0.0.1:99999"],
        ["--own-login", "--listen", "0.0.0.0:0"],
        ["--offline"],
        ["--blob-dir", "."],
    ],
)
def test_what_does_not_go_together(capsys, options):
    assert run(["present", "--upstream", "127.0.0.1:1", *options]) == ExitStatus.USAGE
    assert capsys.readouterr().err.startswith("rafsight: error: ")


def test_what_is_no_registry(capsys):
    assert run(["present", "--upstream", "https://registry.example.com"]) == ExitStatus.REFERENCE
    assert "cannot be the registry" in capsys.readouterr().err


def test_an_address_that_is_taken(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert run(["present", "--upstream", "127.0.0.1:1", "--listen", address]) == ExitStatus.HOST
    assert f"cannot listen on {address}" in capsys.readouterr().err


def test_without_the_packages_of_a_server():
    code = (
        "import sys; sys.modules['uvicorn'] = None; from rafsight.interfaces.cli import run; "
        "sys.exit(run(['present', '--upstream', '127.0.0.1:1', '--listen', '127.0.0.1:0']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == ExitStatus.HOST
    assert "pip install 'rafsight[service]'" in done.stderr
    assert done.stdout == ""
