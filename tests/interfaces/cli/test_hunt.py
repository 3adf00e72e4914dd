"""`rafsight hunt` as people type it."""

import csv
import io
import json

import pytest

from rafsight.interfaces.cli import run
from rafsight.testing.registry import PLANTED, Mischief, serve_layout


@pytest.fixture
def call(tmp_path, capfd):
    def call(*arguments):
        status = run(["--cache-dir", str(tmp_path / "cache"), "hunt", *map(str, arguments)])
        out, err = capfd.readouterr()
        return status, out, err

    return call


def test_a_registry_in_a_table(call):
    with serve_layout({"team/app": PLANTED, "other": PLANTED}) as registry:
        status, out, err = call("--registry", registry.host, "--repos", "team/*", "--path", "/etc/os-release")
        assert status == 0
        assert out.splitlines()[0] == f"{registry.host}/team/app:v5"
        assert out.count("/etc/os-release") == 2
        assert "2 images of 2 names asked, 2 with a match" in err


def test_lists_lines_and_what_failed(call, tmp_path):
    with serve_layout(PLANTED) as registry:
        (tmp_path / "list").write_text(f"# all\n{registry.reference('v6')}\n{registry.reference('nope')}\n")
        status, out, _ = call("--images", tmp_path / "list", "--name", "os-release", "-f", "jsonl", "--quiet")
        lines = [json.loads(line) for line in out.splitlines()]
        assert status == 3
        assert [line["type"] for line in lines] == ["image", "failure", "summary"]
        assert lines[0]["files"][0]["path"].endswith("os-release")
        assert lines[1]["code"] == "not-found"
        status, out, _ = call("--images", tmp_path / "list", "--name", "os-release")
        assert status == 3
        assert "1 failure:" in out


def test_rows_into_a_file(call, tmp_path):
    status, out, _ = call(f"oci:{PLANTED}", "--package", "pkg:pypi/requests", "-f", "csv", "-o", tmp_path / "x.csv")
    assert (status, out) == (0, "")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "x.csv").read_text())))
    assert [row["version"] for row in rows] == ["2.19.1", "2.19.1"]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--name", "os-release"), 0),
        (("--name", "os-release", "--exit-code", "9"), 9),
        (("--name", "nothing-like-it", "--exit-code", "9"), 0),
        ((), 2),
        (("--mode", "u+s"), 2),
        (("--version", ">1"), 2),
        (("--package", "pkg:pypi/x", "--version", "~1"), 2),
        (("--name", "a", "--repos", "x"), 2),
        (("--advisory", "CVE-2018-18074"), 78),
        (("--yara", "no-such-file"), 66),
        (("--name", "a", "--images", "no-such-file"), 2),
        (("--name", "a", "--dask", "localhost:8786"), 2),
        (("--name", "a", "--dask", "tcp://localhost:8786", "--dask-tls-ca", __file__, "--dask-tls-cert", __file__), 2),
        (("--name", "a", "--dask-tls-key", __file__), 2),
        (("--name", "a", "--dask", "tcp://localhost:8786", "--index", "x"), 2),
        (("--name", "a", "--state", "x", "--index", "x"), 2),
        (("--name", "a", "--no-cache", "--cache", "postgresql://x/y"), 2),
        (("--name", "a", "--cache", "mysql://x/y"), 2),
    ],
)
def test_exit_status(call, arguments, status):
    assert call(f"oci:{PLANTED}:v6", *arguments)[0] == status


def test_what_is_kept_and_what_is_not(call, tmp_path):
    question = (f"oci:{PLANTED}:v6", "--package", "pkg:pypi/requests", "--quiet")
    assert call(*question, "--no-cache")[0] == 0
    assert not list((tmp_path / "cache").rglob("*.sqlite"))
    assert call(*question)[0] == 0
    assert list((tmp_path / "cache").rglob("*.sqlite"))


def test_without_images_there_is_nothing(call, tmp_path):
    assert call("--name", "x")[0] == 2
    (tmp_path / "index.json").write_text('{"schemaVersion": 2, "manifests": []}')
    with serve_layout({"empty": tmp_path}) as registry:
        assert call("--registry", registry.host, "--name", "x")[0] == 4


def test_images_without_a_match_are_shown_if_asked_for(call):
    assert call(f"oci:{PLANTED}:v6", "--name", "nothing-like-it")[1] == ""
    assert call(f"oci:{PLANTED}:v6", "--name", "nothing-like-it", "--all")[1].endswith(":v6\n  nothing\n")


def test_a_registry_without_a_list(call):
    with serve_layout(PLANTED, mischief=(Mischief(only="_catalog", status=404),)) as registry:
        status, _, err = call("--registry", registry.host, "--name", "x")
        assert status == 66
        assert "--images FILE" in err


def test_an_index_is_asked_without_a_registry(call, tmp_path):
    pytest.importorskip("duckdb", reason="needs the extra `fleet`")
    with serve_layout({"app": PLANTED}) as registry:
        build = ["index", "build", "--index", str(tmp_path / "index"), "--registry", registry.host, "--quiet"]
        assert run(["--cache-dir", str(tmp_path / "cache"), *build]) == 0
    status, out, _ = call("--index", tmp_path / "index", "--path", "/etc/os-release", "-f", "jsonl")
    lines = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [len(line["files"]) for line in lines[:-1]] == [1, 1]
    assert lines[-1]["requests"] == 0
    assert call("--index", tmp_path / "index", "--name", "x", "--jobs", "2")[0] == 2
    assert call("--index", tmp_path / "index", "--content", "x")[0] == 2
