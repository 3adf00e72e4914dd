"""When a scan fails, and with which status: the decision, and whole command lines in this process."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.reports import samples

import rafsight
from rafsight.analysis.inventory import Gap, GapReason
from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli import run
from rafsight.interfaces.cli.scan_policy import (
    PolicyChoice,
    StaleDatabase,
    UnansweredPolicy,
    UndatedDatabase,
    check_after,
    check_before,
    exit_status_of,
)
from rafsight.reports.document import EngineFacts
from rafsight.reports.policy import ask_policies
from rafsight.reports.policy_language import parse_policy
from rafsight.testing.registry import PLANTED

WHOLE = replace(samples.PLANTED, gaps=())
NO_PACKAGES = Gap(reason=GapReason.NO_PACKAGES, subject="image", detail="none")
UNREADABLE = Gap(reason=GapReason.UNREADABLE, subject="/x", detail="The digest differs.")
EMPTY = replace(samples.CLEAN, gaps=(NO_PACKAGES,), inventory=replace(samples.CLEAN.inventory, components=()))


@pytest.mark.parametrize(
    ("report", "policies", "on_findings", "allow_incomplete", "status"),
    [
        (WHOLE, ["critical"], None, False, 1),
        (WHOLE, ["critical"], 9, False, 9),
        (WHOLE, ["critical"], 0, False, 0),
        (WHOLE, ["eol"], None, False, 0),
        (WHOLE, ["eol"], 9, False, 0),  # found, but the policy does not mind
        (WHOLE, ["eol", "malware"], None, False, 1),
        (WHOLE, ["secret"], None, False, 3),
        (WHOLE, ["secret"], None, True, 0),
        (WHOLE, ["secret", "critical"], None, False, 1),
        (samples.PLANTED, ["critical"], None, False, 1),
        (samples.PLANTED, ["critical"], 0, False, 3),
        (samples.PLANTED, ["eol"], None, False, 3),
        (samples.PLANTED, ["eol"], None, True, 0),
        (replace(WHOLE, gaps=(UNREADABLE,)), ["eol"], None, True, 3),
        (replace(WHOLE, gaps=(UNREADABLE,)), ["gap.unreadable"], None, True, 1),
        (EMPTY, [], None, False, 4),
        (EMPTY, [], 1, False, 4),
        (EMPTY, [], None, True, 0),
        (EMPTY, ["critical"], None, False, 4),
        (EMPTY, ["gap"], None, False, 1),
        (replace(EMPTY, gaps=(NO_PACKAGES, UNREADABLE)), [], None, False, 3),
        (replace(EMPTY, gaps=(NO_PACKAGES, *samples.GAPS)), [], None, False, 3),
        (replace(EMPTY, scanners=("vuln", "secret")), [], None, False, 3),
    ],
)
def test_exit_status(report, policies, on_findings, allow_incomplete, status):
    asked = ask_policies(report, list(map(parse_policy, policies)))
    assert exit_status_of(asked, on_findings=on_findings, allow_incomplete=allow_incomplete) == status


def wanted(*policies, max_age=None):
    return PolicyChoice(policies=tuple(map(parse_policy, policies)), max_age=max_age)


def test_a_policy_that_no_such_scan_can_answer_is_refused():
    check_before(wanted("critical or kev", "gap"), scanners=("vuln",), database=None)
    with pytest.raises(UnansweredPolicy, match=r"asks about 'secret.high'"):
        check_before(wanted("critical or secret.high"), scanners=("vuln",), database=None)
    check_before(wanted("critical or secret.high"), scanners=("vuln", "secret"), database=None)


def test_the_age_of_an_engines_advisories_is_known_afterwards():
    report = replace(WHOLE, engine=EngineFacts(name="trivy", version="1", view="mount"))
    check_after(wanted(max_age=100 * 86_400), report)
    check_after(wanted(max_age=1), WHOLE)  # looked at before
    with pytest.raises(
        StaleDatabase, match=r"the database of trivy are 94 days old, and --max-database-age allows 7 days"
    ):
        check_after(wanted(max_age=7 * 86_400), report)
    with pytest.raises(UndatedDatabase):
        check_after(wanted(max_age=1), replace(report, database=replace(samples.DATABASE, built="", newest_record="")))


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """The shipped advisories as if one of them had changed yesterday, and one advisory of long ago."""
    folder = tmp_path_factory.mktemp("databases")
    source = PLANTED.parent / "advisories"
    young = folder / "young.json"
    record = json.loads((source / "GHSA-248v-346w-9cwc.json").read_bytes())
    yesterday = datetime.now(UTC) - timedelta(days=1, hours=1)
    young.write_text(json.dumps(record | {"modified": yesterday.strftime("%Y-%m-%dT%H:%M:%SZ")}))
    old = folder / "old.json"
    old.write_text(json.dumps(record | {"modified": "2020-02-02T00:00:00Z"}))
    rafsight.Advisories(folder / "old.sqlite").take([old])
    rafsight.Advisories(folder / "young.sqlite").take([source, young])
    return folder


@pytest.fixture
def scan(databases, tmp_path, monkeypatch, capsysbinary):
    monkeypatch.chdir(tmp_path)

    def call(*arguments, database="young.sqlite", image=f"oci:{PLANTED}:v6"):
        status = run(
            ["--cache-dir", str(tmp_path / "cache"), "scan", image, "--db", str(databases / database), *arguments]
        )
        said = capsysbinary.readouterr()
        return status, said.out.decode(), said.err.decode()

    return call


def test_a_policy_that_holds_is_said_in_the_report_and_beside_it(scan):
    status, output, errors = scan("--fail-on", "eol", "--fail-on", "critical>1 and not package('nothing')")
    assert status == ExitStatus.POLICY
    assert errors.startswith(
        "rafsight: warning: the policy 'critical>1 and not package('nothing')' holds: critical is 2 ("
    )
    assert errors.endswith("); package('nothing') is 0, so the exit status is 1\n")
    assert "Fails the policy 'critical>1 and not package('nothing')': critical is 2 (" in " ".join(output.split())


def test_quiet_leaves_the_status(scan):
    status, output, errors = scan("-q", "--fail-on", "critical", "--exit-code", "5")
    assert (status, errors) == (5, "")
    assert "Fails the policy 'critical'" in output


def test_a_policy_lets_pass(scan):
    status, output, errors = scan("--fail-on", "malware or high > 500")
    assert (status, errors) == (0, "")
    assert "policy" not in output
    status, output, errors = scan("--fail-on", "critical", "--exit-code", "0")
    assert status == 0
    assert "which --exit-code 0 lets pass" in errors


def test_filters_come_first(scan):
    assert scan("--fail-on", "critical", "--severity", "LOW,MEDIUM,HIGH")[0] == 0


def test_no_answer_is_not_a_no(scan):
    status, output, errors = scan("--fail-on", "kev")
    assert status == ExitStatus.INCOMPLETE
    assert "the policy 'kev' has no answer: kev is not known" in errors
    assert "The policy 'kev' has no answer" in output
    assert scan("--fail-on", "kev", "--allow-incomplete")[0] == 0


def test_mistakes_are_shown_at_their_place_before_anything_is_done(scan):
    status, output, errors = scan("--fail-on", "critical or hihg > 3", image="oci:/nowhere:x")
    assert (status, output) == (ExitStatus.USAGE, "")
    first, policy, caret, hint = errors.splitlines()
    assert first.endswith("at column 13: 'hihg' is no word of policies; did you mean 'high'?")
    assert policy[caret.index("^") :] == "hihg > 3"
    assert hint.startswith("  hint: ")


@pytest.mark.parametrize(
    "more", [["--fail-on", "secret"], ["--max-database-age", "7 years"], ["--max-database-age", "-1d"]]
)
def test_what_cannot_be(scan, more):
    assert scan(*more, image="oci:/nowhere:x")[0] == ExitStatus.USAGE


def test_old_advisories_are_refused_before_the_image_is_asked_for(scan):
    status, output, errors = scan("--max-database-age", "7d", database="old.sqlite", image="127.0.0.1:1/app:v6")
    assert (status, output) == (ExitStatus.DATABASE, "")
    assert " days old, and --max-database-age allows 7 days" in errors
    assert "hint: Run `rafsight db update`" in errors
    assert scan("--max-database-age", "2d")[0] == 0
    assert scan("--max-database-age", "24h")[0] == ExitStatus.DATABASE
    assert scan("--max-database-age", "2d", database="none.sqlite")[0] == ExitStatus.DATABASE


def test_old_advisories_can_be_a_part_of_a_policy(scan):
    status, output, errors = scan("--fail-on", "database-age > 24h")
    assert status == ExitStatus.POLICY
    assert "database-age is 1 day and 1 hour" in errors
    assert "34 vulnerabilities" in output
    assert scan("--fail-on", "database-age > 2d")[0] == 0


def test_an_image_without_packages_is_not_clean(scan, tmp_path, monkeypatch):
    folder = tmp_path / "rootfs"
    folder.mkdir()
    (folder / "hello").write_text("hello")
    layout = f"oci:{tmp_path / 'layout'}:v6"
    assert run(["-q", "convert", f"dir:{folder}", layout]) == 0
    status, _, errors = scan(image=layout)
    assert status == ExitStatus.NOTHING
    assert "no package was found to look at, so the exit status is 4" in errors
    assert scan("--allow-incomplete", image=layout)[0] == 0
    assert scan("--fail-on", "critical", image=layout)[0] == ExitStatus.NOTHING
    assert scan("--fail-on", "gap", image=layout)[0] == ExitStatus.POLICY


@pytest.fixture
def small_debian(tmp_path):
    """Make a system with two packages, of which one says its licence, in a file that no database names."""
    files = {
        "etc/os-release": "ID=debian\nVERSION_ID=12\n",
        "var/lib/dpkg/status": "".join(
            f"Package: {name}\nStatus: install ok installed\nVersion: 1\n\n" for name in ("ghost", "plain")
        ),
        "usr/share/doc/ghost/copyright": "under the terms of the GNU Affero General Public License\n",
        "usr/share/doc/plain/copyright": "Format: copyright-format/1.0\nLicense: GPL-2+ or Artistic\n",
    }
    for name, text in files.items():
        path = tmp_path / "rootfs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert run(["-q", "convert", f"dir:{tmp_path / 'rootfs'}", f"oci:{tmp_path / 'layout'}:v6"]) == 0
    return tmp_path


def test_licences_are_read_where_a_policy_asks_for_them(scan, small_debian):
    layout = f"oci:{small_debian / 'layout'}:v6"

    def licences_of(*arguments):
        _, output, _ = scan("-f", "json", "--list-all-pkgs", *arguments, image=layout)
        (result,) = json.loads(output[output.index("{") :])["Results"]
        return {one["Name"]: one.get("Licenses", []) for one in result["Packages"]}

    assert licences_of() == {"ghost": [], "plain": []}
    assert licences_of("--fail-on", "license('MIT')") == {"ghost": ["AGPL-3"], "plain": ["GPL-2+ or Artistic"]}
    assert licences_of() == {"ghost": [], "plain": []}  # as before, whatever the cache knows by now
    status, _, errors = scan("--fail-on", "license('AGPL-*')", image=layout)
    assert status == ExitStatus.POLICY
    assert "license('AGPL-*') is 1 (ghost 1)" in errors
    assert scan("--fail-on", "license('artistic')", image=layout)[0] == ExitStatus.POLICY
    _, output, _ = scan("--fail-on", "license('MIT')", image=layout)
    assert "has no answer" not in output


def test_a_licence_that_nobody_knows_is_not_a_no(scan, small_debian):
    (small_debian / "rootfs/usr/share/doc/plain/copyright").write_text("All rights reserved.\n")
    layout = f"oci:{small_debian / 'other'}:v6"
    assert run(["-q", "convert", f"dir:{small_debian / 'rootfs'}", layout]) == 0
    status, output, _ = scan("--fail-on", "license('MIT')", image=layout)
    assert status == ExitStatus.INCOMPLETE
    assert "has no answer: license('MIT') is 0 among packages that name a licence" in output
    assert "1 package names none (plain 1)" in " ".join(output.split())


def test_policies_do_not_go_with_raw_reports(scan):
    status, _, errors = scan("--engine", "trivy", "--raw", "--fail-on", "critical")
    assert status == ExitStatus.USAGE
    assert "does not go with" in errors
