"""`repair` as users run it: against a registry, by files and by packages, with what it says and its exit statuses."""

import json
import os

import pytest
from tests.verbs.repair.layouts import contents_of, faults_of, local_file, tag_of
from tests.verbs.repair.packages.support import installed, make_wheel

from rafsight.access.session import open_image
from rafsight.base.errors import ExitStatus
from rafsight.formats.tables import Compressor
from rafsight.interfaces.cli import run
from rafsight.testing.rafs_images import write_image
from rafsight.testing.registry import serve_writable
from rafsight.testing.trees import Link
from rafsight.verbs.scan.inventory import take_inventory

SITE = b"usr/lib/python3.11/site-packages"
FILES = {
    b"usr/lib/small": b"small",
    b"lib": Link(b"usr/lib"),
    b"etc/old": b"old",
    **installed("six", "1.15.0", {b"six.py": b"old six\n"}, site=SITE),
}


@pytest.fixture(params=[5, 6])
def place(tmp_path, request):
    """A registry with an image `app:old`; the reference of its repository."""
    folder = tmp_path / "registry"
    folder.mkdir()
    write_image(folder / "app", FILES, version=request.param, compressor=Compressor.ZSTD, tag="old")
    with serve_writable(folder) as registry:
        yield f"{registry.host}/app"


def repair(capfd, *arguments):
    """Run `repair` and return its status, what it wrote, and what it said."""
    capfd.readouterr()
    status = run(["--cache-dir", os.devnull + "/no", "repair", "--platform", "linux/amd64", *map(str, arguments)])
    written = capfd.readouterr()
    return status, written.out, written.err


def test_files(place, tmp_path, capfd):
    new = local_file(tmp_path, "new", b"n" * 2000)
    wishes = ("--replace", f"/lib/small={new}", "--add", f"/lib/add={new}:4755", "--remove", "etc/old")
    status, out, err = repair(capfd, f"{place}:old", "--target", f"{place}:new", *wishes)
    assert (status, err) == (0, "")
    table, _, facts = out.partition("\n\n")
    assert table.splitlines() == [
        "removed   /etc/old        3 B",
        "added     /usr/lib/add    2.0 kB",
        "replaced  /usr/lib/small  5 B -> 2.0 kB",
    ]
    labels = dict(line.split(maxsplit=1) for line in facts.splitlines())
    assert set(labels) == {"Image", "Digest", "Blob", "Bootstrap", "Cost"}
    assert labels["Image"] == f"{place}:new"
    assert labels["Digest"] == tag_of(tmp_path / "registry/app", "new")
    assert labels["Blob"].endswith(": 1 chunk of its own, 1 taken over")
    assert faults_of(f"{place}:new") == []
    after = contents_of(f"{place}:new")
    assert after[b"usr/lib/add"]["mode"] == 0o104755
    assert b"etc/old" not in after


def test_a_dry_run_needs_no_target_and_leaves_nothing(place, tmp_path, capfd):
    new = local_file(tmp_path, "new", b"n" * 2000)
    status, out, err = repair(capfd, f"{place}:old", "--dry-run", "--json", "--add", f"/x={new}")
    assert (status, err) == (0, "")
    done = json.loads(out)
    assert (done["is_dry_run"], done["target"], done["new_chunks"]) == (True, "", 1)
    assert done["files"] == [
        {"path": "/x", "change": "added", "kind": "file", "old_size": None, "new_size": 2000},
    ]
    assert 0 < done["bytes_sent"] < 8000
    assert tag_of(tmp_path / "registry/app", "new") is None
    status, out, _ = repair(capfd, f"{place}:old", "--dry-run", "--add", f"/x={new}")
    assert "(not pushed)" in out
    assert "would be sent" in out


def versions_of(reference):
    with open_image(reference) as image:
        return [one.version for one in take_inventory(image).components if one.name == "six"]


def test_a_wheel(place, tmp_path, capfd):
    wheel = make_wheel(tmp_path, "six", "1.17.0", {"six.py": b"new six\n", "more.py": b"more\n"})
    assert versions_of(f"{place}:old") == ["1.15.0"]
    status, out, err = repair(capfd, f"{place}:old", "--target", f"{place}:new", "--wheel", wheel)
    assert (status, err) == (0, "")
    assert out.startswith("wheel     six  1.15.0 -> 1.17.0\n")
    assert faults_of(f"{place}:new") == []
    assert versions_of(f"{place}:new") == ["1.17.0"]


def test_what_a_scan_found(place, tmp_path, capfd):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    make_wheel(shelf, "six", "1.17.0", {"six.py": b"new six\n"})
    path = f"{SITE.decode()}/six-1.15.0.dist-info/METADATA"
    found = [
        {"VulnerabilityID": "CVE-1", "PkgName": "six", "InstalledVersion": "1.15.0", "FixedVersion": "1.16.1",
         "PkgPath": path, "PkgIdentifier": {"PURL": "pkg:pypi/six@1.15.0"}},
        {"VulnerabilityID": "CVE-2", "PkgName": "left-pad", "InstalledVersion": "1.0.0", "FixedVersion": "1.0.1",
         "PkgPath": "", "PkgIdentifier": {"PURL": "pkg:npm/left-pad@1.0.0"}},
    ]  # fmt: skip
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"SchemaVersion": 2, "Results": [{"Type": "x", "Vulnerabilities": found}]}))
    given = ("--from-report", report, "--packages-dir", shelf)
    status, out, err = repair(capfd, f"{place}:old", "--target", f"{place}:new", *given)
    assert (status, err) == (0, "")
    assert "          fixes CVE-1\n" in out
    assert "1 finding of the report stays:\n  CVE-2  left-pad 1.0.0: the folder has no file of it\n" in out
    assert versions_of(f"{place}:new") == ["1.17.0"]
    status, out, _ = repair(capfd, f"{place}:old", "--target", f"{place}:other", "--json", *given)
    done = json.loads(out)
    assert [one["findings"] for one in done["packages"]] == [["CVE-1"]]
    assert [one["finding"] for one in done["remaining"]] == ["CVE-2"]
    report.write_text(json.dumps({"SchemaVersion": 2, "Results": [{"Type": "x", "Vulnerabilities": found[1:]}]}))
    status, out, err = repair(capfd, f"{place}:old", "--target", f"{place}:none", *given)
    assert (status, out) == (ExitStatus.NOT_FOUND, "")
    assert "CVE-2 of left-pad 1.0.0: the folder has no file of it" in err


def test_a_plan(place, tmp_path, capfd):
    pytest.importorskip("yaml", reason="needs PyYAML")
    local_file(tmp_path, "new", b"n")
    plan = tmp_path / "plan.yaml"
    plan.write_text("- {replace: /lib/small, with: new}\n- remove: /etc\n")
    status, out, err = repair(capfd, f"{place}:old", "--target", f"{place}:new", "--from", plan)
    assert (status, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()[:2]] == [["removed", "/etc"], ["replaced", "/usr/lib/small"]]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--remove", "/etc"], ExitStatus.USAGE, "--target"),
        (["--target", "PLACE:new"], ExitStatus.USAGE, "nothing is to be changed"),
        (["--target", "PLACE:old", "--remove", "/etc"], ExitStatus.USAGE, "keeps its tag"),
        (["--target", "boot:x", "--remove", "/etc"], ExitStatus.REFERENCE, "no image can be written to boot:x"),
        (["--target", "PLACE:new", "--remove", "/no"], ExitStatus.NOT_FOUND, "/no"),
        (["--target", "PLACE:new", "--replace", "/etc/old"], ExitStatus.USAGE, "--replace wants PATH=LOCAL"),
        (["--target", "PLACE:new", "--add", "=x"], ExitStatus.USAGE, "--add wants PATH=LOCAL"),
        (["--target", "PLACE:new", "--add", "/x=/no/such"], ExitStatus.NOT_FOUND, "/no/such"),
        (["--target", "PLACE:new", "--add", "/etc/old=/etc/passwd"], ExitStatus.USAGE, "already"),
        (["--target", "PLACE:new", "--packages-dir", "/"], ExitStatus.USAGE, "need each other"),
        (["--target", "PLACE:new", "--wheel", "/no.whl"], ExitStatus.NOT_FOUND, "/no.whl"),
    ],
)
def test_wrong_use(place, capfd, arguments, status, says, tmp_path):
    given = [text.replace("PLACE", place) for text in arguments]
    found, out, err = repair(capfd, f"{place}:old", *given)
    assert (found, out) == (status, "")
    assert says in err
    assert tag_of(tmp_path / "registry/app", "new") is None
