"""`attach` as users run it: what it says, what it lists, and its exit statuses."""

import io
import json
import os
import shutil
import sys

import pytest
from tests.access.registry.helpers import planted_manifest
from tests.verbs.test_attach import BILL, SARIF, V5, make_index

from rafsight.base.digest import digest_of
from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli import run
from rafsight.testing.registry import PLANTED, serve_writable

V6, _ = planted_manifest("v6")


@pytest.fixture(autouse=True)
def no_epoch(monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.sarif").write_bytes(SARIF)
    (tmp_path / "bill.json").write_bytes(BILL)
    (tmp_path / "notes.txt").write_text("notes")
    folder = tmp_path / "registry" / "app"
    shutil.copytree(PLANTED, folder)
    make_index(folder)
    return folder


@pytest.fixture(params=[True, False], ids=["api", "tag"])
def place(files, request):
    with serve_writable(files.parent, referrers=request.param) as registry:
        yield f"{registry.host}/app"


def attach(capfd, *arguments):
    """Run `attach` and return its status, what it wrote, and what it said."""
    capfd.readouterr()
    status = run(["--cache-dir", os.devnull + "/no", "attach", *map(str, arguments)])
    written = capfd.readouterr()
    return status, written.out, written.err


def test_what_it_says(place, files, capfd):
    status, out, err = attach(capfd, f"{place}:v6", "report.sarif", "--annotation", "who=me=you")
    assert (status, err) == (0, "")
    labels = {line[:12].strip(): line[12:] for line in out.splitlines()}
    assert list(labels) == ["Artifact", "Type", "Report", "Attached to", "Listed", "Sent"]
    assert labels["Artifact"].startswith(f"{place}@sha256:")
    assert labels["Type"] == "application/sarif+json"
    assert labels["Report"] == f"{digest_of(SARIF)}, {len(SARIF)} B"
    assert labels["Attached to"] == f"{V6}, an image"
    assert labels["Listed"] in ("by the place itself", f"under the tag sha256-{V6[7:]}")
    manifest = json.loads((files / "blobs" / labels["Artifact"].partition("@")[2].replace(":", "/")).read_bytes())
    assert manifest["annotations"]["who"] == "me=you"
    assert manifest["layers"][0]["annotations"] == {"org.opencontainers.image.title": "report.sarif"}
    _, again, _ = attach(capfd, f"{place}:v6", "report.sarif", "--annotation", "who=me=you")
    assert again.splitlines()[:5] == out.splitlines()[:5]
    assert again.splitlines()[5] == "Sent        nothing new: it was attached already"


def test_what_it_lists(place, capfd):
    status, out, err = attach(capfd, f"{place}:v6", "--list")
    assert (status, out, err) == (0, f"{place}@{V6}, an image: 0 attached\n", "")
    for name in ("report.sarif", "bill.json"):
        assert attach(capfd, f"{place}:v6", name)[0] == 0
    status, out, _ = attach(capfd, f"{place}:v6", "--list")
    lines = out.splitlines()
    assert (status, lines[0]) == (0, f"{place}@{V6}, an image: 2 attached")
    assert lines[1].split() == ["DIGEST", "CREATED", "TYPE"]
    assert sorted(line.split()[1:] for line in lines[2:]) == [
        ["-", "application/vnd.cyclonedx+json"],
        ["2024-05-06T07:08:09Z", "application/sarif+json"],
    ]
    _, out, _ = attach(capfd, f"{place}:v6", "--list", "--json", "--artifact-type", "application/sarif+json")
    document = json.loads(out)
    assert document["subject"]["digest"] == V6
    (one,) = document["artifacts"]
    assert one["annotations"] == {"org.opencontainers.image.created": "2024-05-06T07:08:09Z"}
    assert one["created"] == "2024-05-06T07:08:09Z"


def test_json(place, capfd):
    status, out, _ = attach(capfd, f"{place}:v6", "notes.txt", "--artifact-type", "text/plain", "--json")
    done = json.loads(out)
    assert status == 0
    assert (done["artifact_type"], done["media_type"], done["report_size"]) == ("text/plain", "text/plain", 5)
    assert (done["is_new"], done["created"], done["subject"]["is_index"]) == (True, "", False)
    assert done["annotations"] == {}


def test_the_date_that_is_asked_for(place, capfd, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    _, out, _ = attach(capfd, f"{place}:v6", "report.sarif", "--json")
    assert json.loads(out)["created"] == "2001-09-09T01:46:40Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    status, _, err = attach(capfd, f"{place}:v6", "report.sarif")
    assert status == ExitStatus.USAGE
    assert "SOURCE_DATE_EPOCH is 'soon'" in err


def test_an_index_and_an_image_of_it(place, capfd):
    _, out, _ = attach(capfd, f"{place}:both", "report.sarif")
    assert "an index of images" in out
    _, out, _ = attach(capfd, f"{place}:both", "report.sarif", "--platform", "linux/arm64", "--json")
    assert json.loads(out)["subject"]["digest"] == V5
    _, out, _ = attach(capfd, f"{place}:both", "--list", "--platform", "linux/arm64")
    assert out.startswith(f"{place}@{V5}, an image: 1 attached\n")


def test_standard_input(files, capfd, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BILL)))
    status, out, _ = attach(capfd, f"oci:{files}:v6", "-", "--json")
    assert (status, json.loads(out)["report_digest"]) == (0, digest_of(BILL))


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["REF"], ExitStatus.USAGE, "Missing argument 'REPORT'"),
        (["REF", "report.sarif", "--list"], ExitStatus.USAGE, "--list goes with neither"),
        (["REF", "--list", "--annotation", "a=b"], ExitStatus.USAGE, "--list goes with neither"),
        (["REF", "report.sarif", "--annotation", "a"], ExitStatus.USAGE, "is not written as K=V"),
        (["REF", "report.sarif", "--annotation", "=b"], ExitStatus.USAGE, "is not written as K=V"),
        (["REF", "report.sarif", "--annotation", "a=1", "--annotation", "a=2"], ExitStatus.USAGE, "a is given twice"),
        (["REF", "none.sarif"], ExitStatus.NOT_FOUND, "cannot read the report none.sarif: No such file"),
        (["REF", "registry"], ExitStatus.NOT_FOUND, "cannot read the report registry: Is a directory"),
        (["REF", "notes.txt"], ExitStatus.USAGE, "notes.txt is neither SARIF, CycloneDX nor SPDX"),
        (["REF", "notes.txt", "--artifact-type", "x"], ExitStatus.USAGE, "that is no media type"),
        (["boot:x", "report.sarif"], ExitStatus.REFERENCE, "nothing can be attached to boot:x"),
        (["REF", "--offline", "report.sarif"], 0, ""),
        (["registry.invalid/x:1", "--offline", "report.sarif"], ExitStatus.REFERENCE, "--offline forbids"),
        (["oci:none:v1", "report.sarif"], ExitStatus.NOT_FOUND, "oci:none has no index.json"),
    ],
    ids=range(14),
)
def test_faults(files, capfd, arguments, status, says):
    got, _, err = attach(capfd, *(f"oci:{files}:v6" if one == "REF" else one for one in arguments))
    assert (got, says in err) == (status, True)


def test_help_explains_what_an_index_is(capfd):
    assert run(["attach", "--help"]) == 0
    text = " ".join(capfd.readouterr().out.split())
    assert "If REF names an index, the report is attached to the index" in text
