"""`rafsight index` as people type it."""

import csv
import io
import json

import pytest

from rafsight.interfaces.cli import run
from rafsight.testing.registry import PLANTED, Mischief, serve_layout

pytest.importorskip("duckdb", reason="needs the extra `fleet`")


@pytest.fixture
def call(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("RAFSIGHT_INDEX", str(tmp_path / "index"))

    def call(command, *arguments):
        status = run(["--cache-dir", str(tmp_path / "cache"), "index", command, *map(str, arguments)])
        out, err = capfd.readouterr()
        return status, out, err

    return call


def test_build_ask_update_compact(call, tmp_path):
    with serve_layout({"team/app": PLANTED, "other": PLANTED}) as registry:
        (tmp_path / "list").write_text(f"{registry.host}/other:v6\n")
        status, out, err = call(
            "build", "--registry", registry.host, "--repos", "team/*", "--images", tmp_path / "list"
        )
        assert (status, out) == (0, "")
        assert "3 images named, 2 trees taken" in err
        status, _, err = call("update")
        assert status == 0
        assert "3 images named, 0 trees taken" in err
    status, out, _ = call("query", "SELECT DISTINCT path, size, target FROM files WHERE path = '/etc/os-release'")
    assert status == 0
    head, row = out.splitlines()
    assert head.split() == ["path", "size", "target"]
    assert row.startswith("/etc/os-release")
    status, out, err = call("status")
    assert status == 0
    assert out.startswith("3 images; 2 trees, ")
    status, out, _ = call("status", "--json")
    assert json.loads(out)["images"] == 3
    status, _, err = call("compact", "--keep-gone", "1h")
    assert status == 0
    assert err.startswith("rafsight: 1 part")


def test_forms_and_files(call, tmp_path):
    call("build", f"oci:{PLANTED}")
    query = "SELECT path, size FROM files WHERE tag = 'v6' AND kind = 'file' ORDER BY path LIMIT 2"
    status, out, _ = call("query", query, "-f", "jsonl")
    assert status == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 2
    assert rows[0].keys() == {"path", "size"}
    status, out, _ = call("query", query, "-f", "csv", "-o", tmp_path / "out.csv")
    assert (status, out) == (0, "")
    written = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert [row["path"] for row in written] == [row["path"] for row in rows]


def test_what_could_not_be_looked_at_has_a_status_of_its_own(call):
    with serve_layout({"app": PLANTED}, mischief=(Mischief(only="/app/manifests/v5", status=403),)) as registry:
        status, _, err = call("build", "--registry", registry.host)
        assert status == 3
        assert f"{registry.host}/app:v5" in err
    status, out, err = call("query", "SELECT reference, error_code FROM images WHERE NOT is_answered")
    assert status == 3
    assert "denied" in out
    assert "1 image could not be looked at" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("build",), 2),
        (("build", "--repos", "x/*", "oci:x"), 2),
        (("build", "--images", "/nonexistent", "oci:x"), 2),
        (("compact", "--keep-gone", "soon"), 2),
        (("status",), 66),
        (("update",), 66),
        (("query", "SELECT 1"), 66),
        (("query", "SELECT 1", "--index", "nosuch://x"), 64),
    ],
    ids=str,
)
def test_mistakes_have_their_status(call, arguments, expected):
    status, out, err = call(*arguments)
    assert (status, out) == (expected, "")
    assert err


def test_a_query_that_reaches_out_is_refused(call):
    call("build", f"oci:{PLANTED}:v6")
    status, out, err = call("query", "SELECT * FROM read_text('/etc/hosts')")
    assert (status, out) == (2, "")
    assert "the query cannot be answered" in err
