import json
import re
import shutil

import pytest
from tests.access.file_server import running
from tests.contrib.runners import CONTRIB, ROOT, GitHubRunner, load, python_without_index, serve_advisories


@pytest.fixture
def runner(tmp_path):
    return GitHubRunner(tmp_path)


@pytest.fixture
def filled(runner, advisories):
    """A runner that has the advisories of the last run."""
    (runner.folder / "temp").mkdir()
    shutil.copytree(advisories, runner.folder / "temp" / "rafsight-cache")
    return runner


SCAN_ONLY = {"install": "false", "update-database": "false", "cache": "false"}


def test_from_nothing_to_reports(runner, registry, mirror):
    """All steps: an environment is made, the advisories come, the image is scanned and fails the policy."""
    python, calls = python_without_index(runner.folder)
    outcome = runner.run(
        {
            "image": registry.reference("v6"),
            "fail-on": 'high.fixable > 3 or package("no such")',
            "outputs": "html=page.html\ncyclonedx=sbom.cdx.json\n",
            "python": str(python),
            "ecosystems": "Debian,PyPI,npm",
            "database-url": mirror,
            "exploited-url": "none",
            "epss-url": "none",
        }
    )
    assert outcome.status == 1, outcome.log
    assert outcome.ran == ["install", "restore", "update", "save", "scan"]
    assert outcome.outputs == {"exit-status": "1", "sarif": "rafsight.sarif"}
    workspace = runner.folder / "workspace"
    assert json.loads((workspace / "rafsight.sarif").read_text())["runs"][0]["results"]
    assert json.loads((workspace / "sbom.cdx.json").read_text())["bomFormat"] == "CycloneDX"
    assert (workspace / "page.html").read_text().startswith("<!doctype html>")
    assert outcome.summary.startswith("# Scan of ")
    assert "CVE-2019-10744" in outcome.log
    assert "the policy 'high.fixable > 3 or package(\"no such\")' holds: high.fixable is " in outcome.log
    assert "::error title=rafsight::The image fails the policy" in outcome.log
    place = runner.folder / "temp" / "rafsight"
    assert f"-m venv {place}" in calls.read_text()
    assert (
        f"pip install --quiet --disable-pip-version-check --require-hashes -r {ROOT}/requirements/run.txt"
        in calls.read_text()
    )
    kept = str(runner.folder / "temp" / "rafsight-cache" / "db")
    assert [(uses.partition("@")[0], given["path"]) for uses, given in outcome.used] == [
        ("actions/cache/restore", kept),
        ("actions/cache/save", kept),
    ]
    assert (runner.folder / "temp" / "rafsight-cache" / "db" / "advisories.sqlite").is_file()


def test_a_second_run_passes_and_writes_nothing_that_is_not_wanted(filled, registry):
    outcome = filled.run(
        {"image": registry.reference("v5"), "sarif": "", "fail-on": "malware", "format": "json"} | SCAN_ONLY
    )
    assert outcome.status == 0, outcome.log
    assert json.loads(outcome.log)["SchemaVersion"] == 2
    assert [path.name for path in (filled.folder / "workspace").iterdir()] == []


@pytest.mark.parametrize(
    ("inputs", "status", "said"),
    [
        ({"fail-on": "malware"}, 0, "34 vulnerabilities found."),
        ({"fail-on": "critical", "severity": "HIGH", "ignore-unfixed": "true"}, 0, "left out by filters"),
        ({"fail-on": "critical or hihg"}, 2, "did you mean 'high'?"),
        ({"fail-on": "epss > 0.1"}, 3, "::error title=rafsight::Not everything could be looked at"),
        ({"fail-on": "epss > 0.1", "allow-incomplete": "true"}, 0, ""),
        ({"arguments": "--exit-code\n7\n"}, 7, "::error title=rafsight::The scan ended with status 7"),
        ({"max-database-age": "1s"}, 78, "::error title=rafsight::There are no advisories, or they are too old"),
        ({"ignore-file": "known.txt"}, 0, "suppressed by known.txt"),
    ],
)
def test_what_is_asked_for(filled, registry, inputs, status, said):
    workspace = filled.folder / "workspace"
    workspace.mkdir()
    (workspace / "known.txt").write_text("CVE-2019-10744\n")
    outcome = filled.run({"image": registry.reference("v6"), "sarif": "out.sarif"} | inputs | SCAN_ONLY)
    assert outcome.status == status, outcome.log
    assert said in outcome.log
    assert outcome.ran == ["scan"]
    has_report = status < 64 and status != 2
    assert outcome.outputs == {"exit-status": str(status), "sarif": "out.sarif" if has_report else ""}
    assert (workspace / "out.sarif").exists() == has_report
    assert bool(outcome.summary) == has_report


def test_nothing_that_users_say_is_taken_for_something_else(filled, registry):
    """Quotes, dollars and newlines of inputs end up as one argument each, and what looks like an option is none."""
    marker = filled.folder / "ran"
    evil = f"'; touch {marker}; $(touch {marker})`touch {marker}`\" #"
    for inputs in (
        {"image": f"--version {evil}"},
        {"image": registry.reference("v6"), "fail-on": evil},
        {"image": "x", "severity": evil},
    ):
        outcome = filled.run(inputs | SCAN_ONLY)
        assert outcome.status in (2, 64), outcome.log
    assert not marker.exists()


def test_a_mirror_that_lacks_something_is_a_warning_and_one_that_lacks_all_an_error(runner):
    wanted = {
        "image": "x",
        "install": "false",
        "cache": "false",
        "exploited-url": "none",
        "epss-url": "none",
        "ecosystems": "PyPI,Nowhere",
    }
    with running() as server:
        serve_advisories(server)
        outcome = runner.run(wanted | {"database-url": server.url})
        assert outcome.ran == ["update", "scan"]
        assert "::warning title=rafsight::Some advisories could not be had" in outcome.log
        server.files.clear()
        shutil.rmtree(runner.folder / "temp")
        outcome = runner.run(wanted | {"database-url": server.url})
    assert outcome.ran == ["update"]
    assert outcome.status == 66, outcome.log
    assert outcome.outputs == {"exit-status": "", "sarif": ""}


def test_an_old_python_is_said(runner, tmp_path):
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    outcome = runner.run({"image": "x", "python": str(old)})
    assert (outcome.status, outcome.ran) == (71, ["install"])
    assert "::error title=rafsight::Python 3.11 or newer is needed" in outcome.log


def test_scripts_are_the_same_whatever_users_say():
    for step in load("github-action/action.yml")["runs"]["steps"]:
        assert "${{" not in step.get("run", ""), step["id"]
        if "uses" in step:
            assert re.fullmatch(r"[a-z/-]+@[0-9a-f]{40}", step["uses"]), "actions of others are named by their commit"


def test_the_page_lists_all_inputs_and_outputs():
    action = load("github-action/action.yml")
    page = (CONTRIB / "github-action" / "README.md").read_text()
    assert re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE) == [*action["inputs"], *action["outputs"]]
    used = load("github-action/example-workflow.yml")["jobs"]["scan"]["steps"][2]
    assert used["uses"].startswith("OWNER/rafsight/contrib/github-action@")
    assert set(used["with"]) <= set(action["inputs"])
