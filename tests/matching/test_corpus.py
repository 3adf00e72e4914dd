"""Known answers from some 57,000 real records; `make bench` says what they cost."""

import json
import subprocess
import sys

import pytest
from tests.matching.support import component, distribution, match_in
from tests.shared import SHARED, needs_shared

from rafsight.base.severity import Severity
from rafsight.matching.finding import Status
from rafsight.matching.store import Lookup, open_database
from rafsight.matching.versions import SCHEMES

pytestmark = [needs_shared, pytest.mark.shared]

IMPORT = """
import re, sys
from pathlib import Path
from rafsight.verbs.advisories import Advisories
result = Advisories(Path(sys.argv[1])).take([Path(path) for path in sys.argv[2:]])
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])  # not that of the parent before exec
print(peak / 1024, result.status.record_count)
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Import everything in a process of its own, so that its memory can be measured."""
    database = tmp_path_factory.mktemp("corpus") / "advisories.db"
    paths = [str(SHARED / "data" / name) for name in ("advisories", "kev")]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, str(database), *paths], capture_output=True, text=True, check=True
    )
    memory, count = map(float, done.stdout.split())
    return database, memory, count


def test_the_whole_corpus_is_imported_in_bounded_memory(corpus):
    _, memory, count = corpus
    assert count > 55_000
    assert memory < 300


def test_every_ecosystem_is_there_and_little_was_left_out(corpus):
    with open_database(corpus[0]) as database:
        status = database.status()
    dumps = {source.name: source for source in status.sources if source.kind == "dump"}
    counts = json.loads((SHARED / "data" / "advisories" / "counts.json").read_text())["by_ecosystem"]
    assert set(dumps) == set(counts)
    for name, count in counts.items():
        source = dumps[name]
        assert source.malformed_count == 0
        assert source.record_count + source.withdrawn_count + source.unread_count >= count * 0.99
    assert status.exploited_count == 1500
    assert sum(source.unread_count for source in status.sources) < 60


def test_log4shell_is_found_and_known_to_be_exploited(corpus):
    item = component("maven", "org.apache.logging.log4j:log4j-core", "2.14.1")
    found = {finding.id: finding for finding in match_in(corpus[0], item).findings}
    log4shell = found["CVE-2021-44228"]
    assert log4shell.known_exploited
    assert (log4shell.severity, log4shell.severity_source) == (Severity.CRITICAL, "ghsa")
    assert log4shell.fixed_versions == ("2.15.0",)
    assert "GHSA-jfh8-c2jp-5v3q" in log4shell.aliases


def test_an_old_openssl_of_debian_12(corpus):
    system = distribution("debian", "12.1")
    item = component("deb", "libssl3", "3.0.9-1", source_name="openssl", source_version="3.0.9-1")
    result = match_in(corpus[0], item, system=system)
    found = {finding.id: finding for finding in result.findings}
    assert result.gaps == ()
    assert found["CVE-2023-5363"].advisories == ("DEBIAN-CVE-2023-5363", "DSA-5532-1")
    assert found["CVE-2023-5363"].fixed_versions == ("3.0.11-1~deb12u2",)
    assert all(finding.status is Status.FIXED for finding in result.findings)
    newest = component("deb", "libssl3", "3.5.9-1", source_name="openssl", source_version="3.5.9-1")
    assert match_in(corpus[0], newest, system=system).findings == ()


def test_an_old_openssl_of_alpine(corpus):
    item = component("apk", "libssl1.1", "1.1.1d-r0", source_name="openssl")
    found = {
        finding.id: finding for finding in match_in(corpus[0], item, system=distribution("alpine", "3.11.2")).findings
    }
    assert found["CVE-2019-1551"].fixed_versions == ("1.1.1d-r3",)
    assert found["CVE-2019-1547"].fixed_versions == ("1.1.1d-r1",)


def test_an_old_openssl_of_almalinux(corpus):
    item = component("rpm", "openssl-libs", "1:3.0.7-6.el9_2")
    found = {
        finding.id: finding for finding in match_in(corpus[0], item, system=distribution("almalinux", "9.2")).findings
    }
    assert found["CVE-2024-12797"].advisories == ("ALSA-2025:1330",)
    assert found["CVE-2024-12797"].severity is Severity.HIGH
    assert not any(finding.id.startswith(("ALBA", "ALEA")) for finding in found.values())


def test_a_notice_of_ubuntu_is_believed_about_what_is_in_which_release(corpus):
    item = component("deb", "libssl1.1", "1.1.1f-1ubuntu2", source_name="openssl")
    found = {
        finding.id: finding for finding in match_in(corpus[0], item, system=distribution("ubuntu", "20.04")).findings
    }
    assert found["CVE-2023-2650"].advisories == ("UBUNTU-CVE-2023-2650", "USN-6119-1")
    assert found["CVE-2023-2650"].severity is Severity.MEDIUM
    assert "CVE-2023-1255" not in found
    assert found["CVE-2025-9230"].fix_channel == "Ubuntu Pro"


def test_the_planted_packages_are_found(corpus):
    planted = json.loads((SHARED / "fixtures" / "images" / "planted.expected.json").read_text())["packages"]
    kinds = {"PyPI": "pypi", "npm": "npm"}
    for item in planted:
        if item["at_least"]:
            result = match_in(corpus[0], component(kinds[item["ecosystem"]], item["name"], item["version"]))
            assert item["at_least"] in {finding.id for finding in result.findings}


def test_malware_is_found_and_withdrawn_records_are_not(corpus):
    (malware,) = match_in(corpus[0], component("npm", "styled-system-old", "1.0.0")).findings
    assert malware.malware
    assert match_in(corpus[0], component("npm", "marked", "0.3.2")).findings
    with open_database(corpus[0]) as database:
        assert database.advisory("npm", "GHSA-32vw-r77c-gm67") is None


def test_many_packages_are_looked_up_at_once(corpus):
    with open_database(corpus[0]) as database:
        names = [
            row[0]
            for row in database._query(
                "SELECT DISTINCT name FROM affected JOIN ecosystem ON ecosystem.number = affected.ecosystem "
                "WHERE base = 'Debian' AND release = '12' ORDER BY 1"
            )
        ]
    wanted = (names * 2)[:500] if len(names) < 500 else names[:500]
    lookups = [Lookup(base="Debian", release="12", name=name, key=SCHEMES["Debian"].key("1:1.0-1")) for name in wanted]
    with open_database(corpus[0]) as database:
        hits = database.find(lookups)
    assert len(hits) > 10
