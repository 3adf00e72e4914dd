"""`rafsight scan --scanners`: what is looked for, together and alone, as a user would type it."""

import json

import pytest
from tests.shared import SHARED, needs_shared
from tests.views.slim.images import write_image

from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli import run
from rafsight.testing.registry import PLANTED

ALL = ["--scanners", "vuln,secret,misconfig"]
LOCK = {"lockfileVersion": 1, "dependencies": {"left-pad": {"version": "1.3.0"}}}
KEY = (
    b"-----BEGIN RSA PRIVATE KEY-----\n"
    + b"MIIEpAIBAAKCAQEA7bq0Tn3kJwH2vYx5\n" * 12
    + b"-----END RSA PRIVATE KEY-----\n"
)


@pytest.fixture
def database(tmp_path):
    """An empty folder's advisories: the scan asks, and nothing is known."""
    from tests.matching.support import make_database, record

    return make_database(tmp_path, [record("PYSEC-1", package="requests")])


@pytest.fixture
def image(tmp_path):
    write_image(
        tmp_path / "image",
        {
            "etc/os-release": b"ID=debian\nVERSION_ID=12\n",
            "srv/app/package-lock.json": json.dumps(LOCK).encode(),
            "srv/app/keys/server.pem": KEY,
            "srv/app/notes.txt": b"ticket: OPS-4711\n",
            "etc/ssh/sshd_config": b"PermitRootLogin yes\n",
        },
    )
    return f"oci:{tmp_path / 'image'}"


@pytest.fixture
def scan(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def scan(reference, *arguments):
        cache = ["--cache-dir", str(tmp_path / "cache")]
        status = run(["scan", reference, "-f", "json", "-o", "report.json", *cache, *arguments])
        content = tmp_path / "report.json"
        return status, json.loads(content.read_bytes()) if content.exists() else None, capsys.readouterr().err

    return scan


def version_of(package):
    """Put together what Trivy takes apart."""
    epoch = f"{package['Epoch']}:" if package.get("Epoch") else ""
    release = f"-{package['Release']}" if package.get("Release") else ""
    return f"{epoch}{package['Version']}{release}"


def by_class(report):
    return {one["Class"]: one for one in report["Results"]}


def test_everything_at_once(scan, database):
    status, report, _ = scan(f"oci:{PLANTED}:v6", "--db", str(database), *ALL)
    assert status in {ExitStatus.OK, ExitStatus.INCOMPLETE}
    found = by_class(report)
    assert found["config"]["Misconfigurations"]
    assert {"lang-pkgs", "config"} <= set(found)


def test_alone_they_need_no_database(scan, image, tmp_path):
    status, report, said = scan(image, "--scanners", "secret,misconfig", "--db", str(tmp_path / "missing.sqlite"))
    assert (status, said) == (ExitStatus.OK, "")
    found = by_class(report)
    assert set(found) == {"secret", "config"}
    assert found["secret"]["Target"] == "/srv/app/keys/server.pem"
    assert KEY.split(b"\n")[1].decode() not in json.dumps(report)
    assert any("sshd_config" in json.dumps(one) for one in found["config"]["Misconfigurations"])


@pytest.mark.parametrize("scanners", ["vuln,secrets", "", ","])
def test_a_scanner_that_there_is_not(scan, image, scanners):
    status, report, said = scan(image, "--scanners", scanners)
    assert (status, report) == (ExitStatus.USAGE, None)
    assert "there is no scanner" in said
    assert "misconfig" in said


def test_what_the_budget_leaves_out_is_said_and_is_not_clean(scan, image):
    status, report, _ = scan(image, "--scanners", "secret", "--secret-budget", "10")
    assert status == ExitStatus.INCOMPLETE
    assert "srv/app/keys/server.pem" not in json.dumps(report.get("Results"))


def test_a_budget_is_not_negative(scan, image):
    status, report, said = scan(image, "--scanners", "secret", "--secret-budget", "-5")
    assert (status, report) == (ExitStatus.USAGE, None)
    assert "'-5' is no number of bytes" in said


def test_rules_and_checks_of_ones_own(scan, image, tmp_path):
    (tmp_path / "rafsight.yaml").write_text(
        "secrets:\n  rules:\n    - {id: our-ticket, title: A ticket, severity: low, pattern: 'OPS-[0-9]{4}', "
        "keywords: [ops-], remedy: Take it out.}\n"
        "checks:\n  - {id: OUR-1, title: Notes in an image, severity: medium, paths: '**/notes.txt'}\n"
    )
    _, report, said = scan(image, "--scanners", "secret,misconfig")
    assert "our-ticket" in json.dumps(report), said
    assert "OUR-1" in json.dumps(report)


def test_lock_files_are_read_when_asked_for(scan, image, database):
    _, report, _ = scan(image, "--db", str(database), "--list-all-pkgs")
    assert "left-pad" not in json.dumps(report)
    _, report, _ = scan(image, "--db", str(database), "--list-all-pkgs", "--declared")
    assert "left-pad" in json.dumps(report)


@pytest.mark.parametrize(
    "arguments", [["--declared"], ["--secret-budget", "1MiB"], ["--scanners", "secret"], ["--config", "rules.yaml"]]
)
def test_a_foreign_engine_takes_none_of_it(scan, image, tmp_path, arguments):
    (tmp_path / "rules.yaml").write_text("{}")
    status, _, said = scan(image, "--engine", "syft", *arguments)
    assert status == ExitStatus.USAGE
    assert arguments[0] in said


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("tag", ["oci", "v6", "v5", "v6-ref", "merged"])
def test_the_planted_truth_through_the_command(scan, database, tag):
    layout = SHARED / "fixtures/images/planted"
    truth = json.loads(layout.with_name("planted.expected.json").read_bytes())
    arguments = ["--db", str(database), "--list-all-pkgs", "--declared", *ALL]
    _, report, _ = scan(f"oci:{layout}:{tag}", *arguments)
    packages = {
        (package["Name"].lower(), version_of(package))
        for result in report["Results"]
        for package in result.get("Packages", ())
    }
    wanted = {(one["name"].lower(), one["version"]) for one in truth["packages"] if one["visible"]}
    declared = set(truth["lockfiles"][0]["packages"].items())
    assert wanted | declared <= packages
    secrets = [one for result in report["Results"] for one in result.get("Secrets", ())]
    assert len(secrets) == sum(1 for one in truth["secrets"] if one["visible"] or tag == "oci")
