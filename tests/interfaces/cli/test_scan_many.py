"""`rafsight scan` of many images, as people type it."""

import json

import pytest

from rafsight.interfaces.cli import run
from rafsight.interfaces.cli.scan_many import status_of_all
from rafsight.testing.registry import PLANTED, serve_layout


@pytest.fixture
def call(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        status = run(["--cache-dir", str(tmp_path / "cache"), *map(str, arguments)])
        out, err = capfd.readouterr()
        return status, out, err

    assert call("db", "import", PLANTED.parent / "advisories")[0] == 0
    return call


def test_a_line_for_each_image_and_what_failed(call):
    with serve_layout({"team/app": PLANTED}) as registry:
        status, out, err = call("scan", "--registry", registry.host, f"{registry.host}/team/app:nope")
    heading, *lines = out.splitlines()
    assert heading.split() == ["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN", "PACKAGES", "IMAGE"]
    assert {line.split()[6] for line in lines[:2]} == {f"{registry.host}/team/app:{tag}" for tag in ("v5", "v6")}
    assert lines[2:4] == ["", "1 failure:"]
    assert status == 3
    assert "2 images of 3 names scanned" in err


def test_a_report_for_each_image_in_a_folder(call, tmp_path):
    words = ("scan", f"oci:{PLANTED}:v5", f"oci:{PLANTED}:v6", "--reports", tmp_path / "reports", "--allow-incomplete")
    for form, ending in (("json", "json"), ("cyclonedx", "cyclonedx.json"), ("table", "txt")):
        assert call(*words, "-f", form)[0] == 0
        assert len(list((tmp_path / "reports").glob(f"*.{ending}"))) >= 2
    names = sorted(path.name for path in (tmp_path / "reports").iterdir())
    assert call(*words, "-f", "json")[0] == 0
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == names
    report = json.loads(next((tmp_path / "reports").glob("*v6-*[0-9a-f].json")).read_text())
    assert report["ArtifactName"] == f"oci:{PLANTED}:v6"
    assert report["Results"]


def test_the_folder_says_what_was_done(call, tmp_path):
    nowhere = f"oci:{tmp_path / 'none'}"
    words = (
        "scan",
        f"oci:{PLANTED}:v5",
        nowhere,
        "--reports",
        tmp_path / "reports",
        "-f",
        "json",
        "--fail-on",
        "vuln > 0",
    )
    status, out, _ = call(*words)
    image, failure, summary = map(json.loads, (tmp_path / "reports" / "images.jsonl").read_text().splitlines())
    assert (image["type"], image["names"], image["status"]) == ("image", [f"oci:{PLANTED}:v5"], status)
    assert image["fails"] == ["vuln > 0"]
    numbers = out.splitlines()[1].split()[:6]
    assert [str(image[key]) for key in ("critical", "high", "medium", "low", "unknown", "packages")] == numbers
    assert (tmp_path / "reports" / image["report"]).is_file()
    assert (failure["type"], failure["names"]) == ("failure", [nowhere])
    assert (summary["images"], summary["matches"]) == (1, 1)


def test_filters_and_policies_count_for_each(call):
    words = ("scan", f"oci:{PLANTED}:v5", f"oci:{PLANTED}:v6", "--allow-incomplete")
    assert call(*words)[0] == 0
    assert call(*words, "--exit-code", "9")[0] == 9
    status, out, _ = call(*words, "--fail-on", "vuln > 0")
    assert status == 1
    assert out.count("[fails 'vuln > 0'") == 2
    status, out, _ = call(*words, "-s", "CRITICAL", "--exit-code", "9")
    assert all(line.split()[1:5] == ["0"] * 4 for line in out.splitlines()[1:])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("a", "b", "-o", "x"), "--output goes with one image only"),
        (("a", "b", "--engine", "trivy"), "--engine goes with one image only"),
        (("a", "--jobs", "2"), "--jobs goes with many images only"),
        (("a", "--rate", "2"), "--rate goes with many images only"),
        (("a", "--reports", "x"), "--reports goes with many images only"),
        (("a", "b", "-f", "json"), "needs --reports DIR"),
        (("a", "sbom:b"), "sbom:FILE is scanned alone"),
        (("a", "--repos", "x"), "need --registry"),
        (("a", "--dask", "localhost:8786"), "no address of a scheduler"),
        (("a", "b", "--reports", "no/such"), "there is no folder no"),
    ],
)
def test_what_is_refused(call, arguments, why):
    status, _, err = call("scan", *arguments)
    assert status in (2, 73)
    assert why in err


@pytest.mark.parametrize(
    ("statuses", "has_failures", "status"),
    [
        ({0}, False, 0),
        ({0, 4}, False, 0),
        ({4}, False, 4),
        (set(), False, 4),
        ({0, 3}, False, 3),
        ({0}, True, 3),
        ({0, 3, 9}, True, 9),
    ],
)
def test_the_exit_status_of_many(statuses, has_failures, status):
    assert status_of_all(statuses, has_failures=has_failures) == status
