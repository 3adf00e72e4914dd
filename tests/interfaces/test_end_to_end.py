"""The command line as users run it: real images, a real registry on loopback, damaged ones, and no network."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.shared import SHARED, needs_shared

from rafsight.testing.registry import PLANTED, Mischief, serve_layout

PROGRAM = Path(sys.executable).parent / "rafsight"
ADVISORIES = PLANTED.parent / "advisories"
MUST_FIND = {
    "CVE-2018-1000656", "CVE-2019-10906", "CVE-2022-23491", "CVE-2018-18074", "CVE-2019-11324",
    "CVE-2021-3807", "CVE-2019-10744", "CVE-2020-7598",
}  # fmt: skip


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("db") / "advisories.sqlite"
    done = subprocess.run(
        [PROGRAM, "db", "import", ADVISORIES, "--db", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def rafsight(tmp_path, database):
    """Run a command line with a cache of its own."""

    def run(*arguments, environment=None):
        command = [PROGRAM, "--cache-dir", tmp_path / "cache", *arguments]
        if "scan" in arguments and "--db" not in arguments:
            command += ["--db", database]
        clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        clean["HOME"] = str(tmp_path)
        return subprocess.run(command, capture_output=True, check=False, env=clean | (environment or {}), timeout=60)

    return run


def report_of(done):
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def ids_of(report):
    return {v["VulnerabilityID"] for result in report["Results"] for v in result.get("Vulnerabilities", [])}


def assert_said(done, status, *words):
    """One line that says what, one that says what to do, and no traceback."""
    text = done.stderr.decode()
    assert done.returncode == status, text
    lines = text.strip().splitlines()
    assert lines[0].startswith("rafsight: error: "), text
    assert lines[1].startswith("  hint: "), text
    assert len(lines) == 2, text
    for word in words:
        assert word in text


def copy_layout(tmp_path):
    copy = tmp_path / "layout"
    shutil.copytree(PLANTED, copy)
    return copy


def add_manifest(layout, tag, document):
    """Write a manifest into a layout under a tag."""
    content = json.dumps(document).encode()
    digest = hashlib.sha256(content).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(content)
    index = json.loads((layout / "index.json").read_text())
    index["manifests"].append(
        {
            "mediaType": document["mediaType"],
            "digest": f"sha256:{digest}",
            "size": len(content),
            "annotations": {"org.opencontainers.image.ref.name": tag},
        }
    )
    (layout / "index.json").write_text(json.dumps(index))


def manifest_of(layout, tag):
    index = json.loads((layout / "index.json").read_text())
    digest = next(
        one["digest"] for one in index["manifests"] if one["annotations"]["org.opencontainers.image.ref.name"] == tag
    )
    return json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())


@pytest.mark.parametrize("tag", ["v6", "v5"])
def test_scan_by_reference(rafsight, tag):
    with serve_layout(PLANTED) as registry:
        report = report_of(rafsight("scan", registry.reference(tag), "--format", "json", "--list-all-pkgs"))
        again = report_of(rafsight("scan", registry.reference(tag), "--format", "json", "--list-all-pkgs"))
    assert ids_of(report) >= MUST_FIND
    assert report["SchemaVersion"] == 2
    assert report["ArtifactName"].endswith(f"/app:{tag}")
    cost = report["Rafsight"]["Cost"]
    assert cost["BytesFetched"] <= 1.2 * cost["BytesNeeded"]
    assert cost["BytesFetched"] < 0.1 * cost["ImageBytes"]
    assert again["Rafsight"]["Cost"]["BytesFetched"] < cost["BytesFetched"] / 2  # the bootstrap is in the cache
    assert again["Results"] == report["Results"]


def test_the_table_says_what_it_cost(rafsight):
    with serve_layout(PLANTED) as registry:
        done = rafsight("scan", registry.reference("v6"))
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "CVE-2019-10744" in text
    assert "fetched in" in text
    assert done.stderr == b""


@needs_shared
@pytest.mark.parametrize("tag", ["oci", "v6-ref", "merged"])
def test_every_form_finds_the_same(rafsight, tag):
    planted = SHARED / "fixtures/images/planted"
    if not planted.is_dir():
        pytest.skip("needs the planted image of the shared fixtures")
    report = report_of(rafsight("scan", f"oci:{planted}:{tag}", "--format", "json"))
    assert ids_of(report) >= MUST_FIND


def test_filters_and_exit_codes(rafsight, tmp_path):
    reference = f"oci:{PLANTED}:v6"
    critical = rafsight("scan", reference, "--severity", "CRITICAL", "--format", "json", "--exit-code", "5")
    assert critical.returncode == 5
    severities = {v["Severity"] for r in json.loads(critical.stdout)["Results"] for v in r.get("Vulnerabilities", [])}
    assert severities == {"CRITICAL"}
    output = tmp_path / "report.json"
    done = rafsight("scan", reference, "--format", "json", "--output", output, "--ignore-unfixed")
    assert done.returncode == 0
    assert done.stdout == b""
    statuses = {v["Status"] for r in json.loads(output.read_text())["Results"] for v in r.get("Vulnerabilities", [])}
    assert statuses == {"fixed"}


def test_look_without_a_mount(rafsight):
    reference = f"oci:{PLANTED}:v6"
    listed = rafsight("ls", reference, "/usr/lib/python3/dist-packages").stdout.decode().split()
    assert "Flask-0.12.2.dist-info" in listed
    long = rafsight("ls", "-l", reference, "/etc/os-release").stdout.decode()
    assert "os-release" in long
    content = rafsight("cat", reference, "/etc/os-release")
    assert b"ID=debian" in content.stdout
    found = rafsight("find", reference, "*.dist-info", "--type", "d").stdout.decode().split()
    assert len(found) == 5
    table = json.loads(rafsight("ls", "-R", "--json", reference, "/srv/app/node_modules/lodash/package.json").stdout)
    assert table[0]["size"] > 0


ERRORS = {
    "not a reference": (["scan", "UPPER CASE/x:y:z"], 64, []),
    "missing tag": (["ls", f"oci:{PLANTED}:nothing"], 66, ["nothing"]),
    "missing path": (["cat", f"oci:{PLANTED}:v6", "/etc/nothing"], 66, ["/etc/nothing"]),
    "a directory": (["cat", f"oci:{PLANTED}:v6", "/etc"], 66, ["directory"]),
    "missing file": (["ls", "boot:nowhere/image.boot"], 66, ["image.boot"]),
    "missing layout": (["ls", "oci:nowhere:v6"], 66, []),
    "no database": (["scan", f"oci:{PLANTED}:v6", "--db", "nowhere.sqlite"], 78, ["rafsight db"]),
    "nobody there": (["scan", "127.0.0.1:1/app:v6"], 69, ["127.0.0.1:1"]),
    "offline": (["scan", "registry.example.com/app:v6", "--offline"], 64, ["--offline"]),
}


@pytest.mark.parametrize(("arguments", "status", "words"), ERRORS.values(), ids=ERRORS)
def test_errors_are_one_line_with_a_remedy(rafsight, arguments, status, words):
    assert_said(rafsight(*arguments), status, *words)


def test_artifacts_that_are_no_image(rafsight, tmp_path):
    layout = copy_layout(tmp_path)
    chart = manifest_of(layout, "v6")
    chart["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
    chart["layers"] = [chart["layers"][0] | {"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip"}]
    chart.setdefault("mediaType", "application/vnd.oci.image.manifest.v1+json")
    chart["layers"][0].pop("annotations", None)
    add_manifest(layout, "chart", chart)
    assert_said(rafsight("scan", f"oci:{layout}:chart"), 67, "Helm")


def test_rafs_7_is_refused(rafsight, tmp_path):
    layout = copy_layout(tmp_path)
    manifest = manifest_of(layout, "v6")
    manifest.setdefault("mediaType", "application/vnd.oci.image.manifest.v1+json")
    manifest["layers"][-1]["annotations"]["containerd.io/snapshot/nydus-fs-version"] = "7"
    add_manifest(layout, "v7", manifest)
    assert_said(rafsight("scan", f"oci:{layout}:v7"), 68, "7")


def test_no_credentials(rafsight):
    from rafsight.testing.registry_pages import Answer

    def refuse(call):
        return Answer(status=401, headers=(("WWW-Authenticate", 'Basic realm="test"'),))

    with serve_layout(PLANTED, gate=refuse) as registry:
        assert_said(rafsight("scan", registry.reference("v6")), 77, "docker login")


def test_damaged_chunks_are_gaps_of_a_scan_and_errors_of_cat(rafsight, tmp_path):
    layout = copy_layout(tmp_path)
    for layer in manifest_of(layout, "v6")["layers"][:-1]:
        path = layout / "blobs" / layer["digest"].replace(":", "/")
        content = bytearray(path.read_bytes())
        for at in range(0, len(content), 64):
            content[at] ^= 0xFF
        path.write_bytes(content)
    done = rafsight("scan", f"oci:{layout}:v6", "--format", "json")
    assert done.returncode == 3, done.stderr
    gaps = json.loads(done.stdout)["Rafsight"]["Coverage"]["Gaps"]
    assert any("dpkg/status" in gap["Subject"] for gap in gaps)
    assert_said(rafsight("cat", f"oci:{layout}:v6", "/var/lib/dpkg/status"), 65, "while reading /var/lib/dpkg/status")


def test_a_damaged_bootstrap_layer(rafsight, tmp_path):
    layout = copy_layout(tmp_path)
    path = layout / "blobs" / manifest_of(layout, "v6")["layers"][-1]["digest"].replace(":", "/")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert_said(rafsight("ls", f"oci:{layout}:v6"), 65)


def test_a_damaged_cache_is_fetched_again(rafsight, tmp_path):
    reference = f"oci:{PLANTED}:v6"
    first = rafsight("ls", "-R", reference).stdout
    kept = list((tmp_path / "cache" / "bootstraps").glob("*/image.boot"))
    assert len(kept) == 1
    kept[0].write_bytes(b"x" * kept[0].stat().st_size)
    assert rafsight("ls", "-R", reference).stdout == first
    assert kept[0].read_bytes()[:1] != b"x"


@pytest.mark.parametrize("kind", ["manifests", "blobs"])
def test_ctrl_c_ends_quietly_and_at_once(tmp_path, database, kind):
    """Whether the manifest or a blob is under way, nobody waits for the registry."""
    with serve_layout(PLANTED, mischief=(Mischief(only=f"/{kind}/", hang=120.0),)) as registry:
        command = [PROGRAM, "--cache-dir", tmp_path, "scan", registry.reference("v6"), "--db", database]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert registry.wait_for_hang()
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert output == b""
    assert b"Traceback" not in errors


def test_a_registry_that_breaks_connections_is_survived(rafsight):
    mischief = (Mischief(status=503, times=2),)
    with serve_layout(PLANTED, mischief=mischief) as registry:
        report = report_of(rafsight("scan", registry.reference("v6"), "--format", "json"))
    assert ids_of(report) >= MUST_FIND


def test_demo(tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run([PROGRAM, "demo"], capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    before, _, after = done.stdout.partition("$ rafsight repair ")
    assert "urllib3  CVE-2019-11324  HIGH" in before
    assert "wheel     urllib3  1.24.1 -> " in after
    assert "gone  CVE-2019-11324" in after
    assert "7 vulnerabilities before, 0 after" in after
