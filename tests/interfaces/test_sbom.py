"""Bills of materials as users make and scan them, and several reports of one scan."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rafsight.testing.registry import PLANTED

PROGRAM = Path(sys.executable).parent / "rafsight"
ADVISORIES = PLANTED.parent / "advisories"
IMAGE = f"oci:{PLANTED}:v6"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("sbom")
    run(place, "db", "import", ADVISORIES, "--db", place / "advisories.sqlite")
    return place


def run(place, *arguments, status=0, **environment):
    command = [PROGRAM, "--cache-dir", place / "cache", *arguments]
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()} | environment
    done = subprocess.run(command, capture_output=True, check=False, cwd=place, env=clean, timeout=60)
    assert done.returncode == status, done.stderr.decode()
    return done


def scan(place, reference, *arguments, **more):
    return run(place, "scan", reference, "--db", place / "advisories.sqlite", *arguments, **more)


def ids_of(content):
    return {
        (flaw["VulnerabilityID"], flaw["PkgName"].lower(), flaw["InstalledVersion"])
        for result in json.loads(content)["Results"]
        for flaw in result.get("Vulnerabilities", [])
    }


def test_a_bill_is_made_without_a_database_and_scanned_like_its_image(folder):
    run(folder, "sbom", IMAGE, "-o", "app.cdx.json", "-o", "spdx=app.spdx.json")
    expected = ids_of(scan(folder, IMAGE, "-f", "json").stdout)
    assert expected
    for name, kind in (("app.cdx.json", "cyclonedx"), ("app.spdx.json", "spdx")):
        done = scan(folder, f"sbom:{name}", "-f", "json")
        assert ids_of(done.stdout) == expected
        assert json.loads(done.stdout)["ArtifactType"] == kind


def test_a_bill_goes_to_standard_output_and_is_the_same_for_the_same_time(folder):
    first, second = (run(folder, "sbom", IMAGE, SOURCE_DATE_EPOCH="1700000000").stdout for _ in range(2))
    assert first == second
    bill = json.loads(first)
    assert bill["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    assert "vulnerabilities" not in bill


def test_bills_that_go_to_files_are_all_that_is_written(folder):
    assert run(folder, "sbom", IMAGE, "-o", "spdx=only.spdx.json", "-o", "cyclonedx=only.cdx.json").stdout == b""
    assert json.loads((folder / "only.cdx.json").read_bytes())["bomFormat"] == "CycloneDX"
    assert b"sarif is none of cyclonedx, spdx" in run(folder, "sbom", IMAGE, "-o", "sarif=x", status=2).stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--scanners", "secret"), b"packages only: secret cannot be looked for"),
        (("--scanners", "vuln,secret,misconfig"), b"misconfig and secret cannot be looked for"),
        (("--declared",), b"--declared does not go with sbom:FILE"),
        (("--secret-budget", "1MiB"), b"--secret-budget does not go with sbom:FILE"),
    ],
)
def test_what_a_bill_cannot_tell_is_refused(folder, options, said):
    assert said in scan(folder, "sbom:any.json", *options, status=2).stderr


def test_what_is_no_bill_is_said(folder):
    (folder / "no.json").write_text("{}")
    assert b"no.json: neither CycloneDX" in scan(folder, "sbom:no.json", status=65).stderr
    assert b"cannot read the bill" in scan(folder, "sbom:gone.json", status=66).stderr


def test_several_reports_of_one_scan(folder):
    names = ("sarif", "cyclonedx", "spdx", "gitlab", "junit", "markdown", "html", "json")
    done = scan(folder, IMAGE, *(part for name in names for part in ("--output", f"{name}=out.{name}")))
    assert done.stdout.startswith(b"Image    oci:")
    assert all((folder / f"out.{name}").stat().st_size > 500 for name in names)
    picture = (folder / "out.html").read_text()
    assert "/srv/app: 1.9 MB in 1,095 files" in picture


def test_ignore_files_and_vex(folder):
    everything = ids_of(scan(folder, IMAGE, "-f", "json").stdout)
    name = min(everything)[0]
    (folder / "ignore").write_text(f"{name} reason: tried and found harmless\n")
    vex = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "timestamp": "2024-01-01T00:00:00Z",
        "statements": [
            {
                "vulnerability": {"name": "CVE-2019-10744"},
                "products": [{"@id": "pkg:npm/lodash"}],
                "status": "not_affected",
                "justification": "component_not_present",
            }
        ],
    }
    (folder / "vex.json").write_text(json.dumps(vex))
    done = scan(
        folder, IMAGE, "--ignorefile", "ignore", "--vex", "vex.json", "-o", "json=left.json", "--show-suppressed"
    )
    left = ids_of((folder / "left.json").read_text())
    assert {one[0] for one in everything - left} == {name, "CVE-2019-10744"}
    shown = done.stdout.decode()
    assert "suppressed by ignore and vex.json" in shown
    assert "tried and found harmless" in shown
    assert b"nobody here understands" in scan(folder, IMAGE, "--vex", "ignore", status=2).stderr
    assert b"cannot read gone" in scan(folder, IMAGE, "--ignorefile", "gone", status=66).stderr
