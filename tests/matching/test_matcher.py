import pytest
from tests.matching.support import component, distribution, make_database, match_in, record

from rafsight.analysis.inventory import GapReason
from rafsight.base.severity import Severity
from rafsight.matching.finding import Status

DEBIAN = distribution("debian", "12.7")
ALMA = distribution("almalinux", "8.9")


def find(tmp_path, records, *components, system=None):
    return match_in(make_database(tmp_path, records), *components, system=system)


def test_a_finding_says_all_that_its_records_say(tmp_path):
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"
    records = [
        record(
            "GHSA-x84v-xcm2-53pg",
            package="requests",
            aliases=["CVE-2018-18074"],
            summary="short",
            details="long",
            published="2018-10-09T00:00:00Z",
            severity=[{"type": "CVSS_V3", "score": vector}],
            references=[{"type": "WEB", "url": "https://a"}],
            database_specific={"severity": "HIGH", "cwe_ids": ["CWE-522"]},
            events=[{"introduced": "0"}, {"fixed": "2.20.0"}],
        ),
        record(
            "PYSEC-2018-28",
            package="requests",
            aliases=["CVE-2018-18074"],
            events=[{"introduced": "0"}, {"fixed": "2.20"}],
        ),
    ]
    item = component("pypi", "Requests", "2.19.1")
    (finding,) = find(tmp_path, records, item).findings
    assert finding.id == "CVE-2018-18074"
    assert finding.aliases == ("GHSA-x84v-xcm2-53pg", "PYSEC-2018-28")
    assert finding.advisories == ("GHSA-x84v-xcm2-53pg", "PYSEC-2018-28")
    assert finding.component == item
    assert (finding.status, finding.fixed_versions) == (Status.FIXED, ("2.20.0",))
    assert (finding.severity, finding.severity_source) == (Severity.HIGH, "ghsa")
    assert [(rating.source, rating.vector, rating.score) for rating in finding.ratings] == [("ghsa", vector, 7.5)]
    assert (finding.title, finding.description, finding.cwe_ids) == ("short", "long", ("CWE-522",))
    assert (finding.references, finding.published) == (("https://a",), "2018-10-09T00:00:00Z")
    assert finding.primary_url == "https://nvd.nist.gov/vuln/detail/CVE-2018-18074"
    assert finding.data_source.id == "ghsa"
    assert (finding.known_exploited, finding.malware, finding.kernel_headers) == (False, False, False)


def test_the_fix_is_the_end_of_the_interval_that_holds_the_version(tmp_path):
    events = [{"introduced": "0"}, {"fixed": "0.2.1"}, {"introduced": "1.0.0"}, {"fixed": "1.2.3"}]
    (finding,) = find(tmp_path, [record("GHSA-1", "npm", events=events)], component("npm", "demo", "1.2.0")).findings
    assert finding.fixed_versions == ("1.2.3",)


def test_severity_and_fix_may_come_from_any_member_of_the_group(tmp_path):
    records = [
        record("GHSA-1", aliases=["CVE-2020-0001"], events=[{"introduced": "0"}]),
        record("PYSEC-1", aliases=["CVE-2020-0001"], events=[{"introduced": "0"}, {"fixed": "2.0"}]),
        record(
            "OTHER-1",
            aliases=["CVE-2020-0001"],
            events=[{"introduced": "0"}, {"fixed": "1.5"}],
            database_specific={"severity": "LOW"},
        ),
    ]
    (finding,) = find(tmp_path, records, component("pypi", "demo", "1.0")).findings
    assert finding.fixed_versions == ("1.5", "2.0")
    assert (finding.severity, finding.severity_source, finding.status) == (Severity.LOW, "osv", Status.FIXED)


def test_findings_are_ordered_by_component_then_severity_then_id(tmp_path):
    records = [
        record("GHSA-b", package="one", database_specific={"severity": "LOW"}),
        record("GHSA-a", package="one", database_specific={"severity": "LOW"}),
        record("GHSA-c", package="one", database_specific={"severity": "CRITICAL"}),
        record("GHSA-d", package="two"),
    ]
    result = find(tmp_path, records, component("pypi", "two", "1.0"), component("pypi", "one", "1.0"))
    assert [(item.component.name, item.id) for item in result.findings] == [
        ("two", "GHSA-d"),
        ("one", "GHSA-c"),
        ("one", "GHSA-a"),
        ("one", "GHSA-b"),
    ]


def test_the_same_package_in_two_places_is_found_twice(tmp_path):
    places = [component("pypi", "demo", "1.0", locations=(place,)) for place in (b"a", b"b")]
    result = find(tmp_path, [record("GHSA-1")], *places)
    assert [item.component.locations for item in result.findings] == [(b"a",), (b"b",)]


def test_malware_is_critical(tmp_path):
    records = [record("MAL-2026-1", "npm", events=[{"introduced": "0"}])]
    (finding,) = find(tmp_path, records, component("npm", "demo", "1.0.0")).findings
    assert (finding.malware, finding.severity, finding.severity_source) == (
        True,
        Severity.CRITICAL,
        "ossf-malicious-packages",
    )
    assert finding.status is Status.AFFECTED


def test_debian_errata_are_spread_over_their_flaws(tmp_path):
    records = [
        record(
            "DSA-1-1",
            "Debian:12",
            "src",
            upstream=["CVE-2020-0001", "CVE-2020-0002"],
            events=[{"introduced": "0"}, {"fixed": "1-2"}],
        ),
        record(
            "DEBIAN-CVE-2020-0001",
            "Debian:12",
            "src",
            upstream=["CVE-2020-0001"],
            entry={"ecosystem_specific": {"urgency": "medium"}},
            events=[{"introduced": "0"}, {"fixed": "1-2"}],
        ),
        record("DEBIAN-CVE-2020-0003", "Debian:12", "src", upstream=["CVE-2020-0003"], events=[{"introduced": "0"}]),
        record(
            "DEBIAN-CVE-2020-0004",
            "Debian:12",
            "src",
            upstream=["CVE-2020-0004"],
            events=[{"introduced": "0"}, {"fixed": "0"}],
        ),
    ]
    item = component("deb", "libsrc1", "1-1+b2", source_name="src", source_version="1-1")
    result = find(tmp_path, records, item, system=DEBIAN)
    assert [(found.id, found.advisories, found.status) for found in result.findings] == [
        ("CVE-2020-0001", ("DEBIAN-CVE-2020-0001", "DSA-1-1"), Status.FIXED),
        ("CVE-2020-0002", ("DSA-1-1",), Status.FIXED),
        ("CVE-2020-0003", ("DEBIAN-CVE-2020-0003",), Status.AFFECTED),
    ]
    assert result.findings[0].severity is Severity.MEDIUM
    assert result.findings[0].primary_url == "https://security-tracker.debian.org/tracker/CVE-2020-0001"


def test_what_debian_calls_unimportant_is_hidden_unless_an_erratum_mends_it(tmp_path):
    unimportant = {"ecosystem_specific": {"urgency": "unimportant"}}
    records = [
        record("DEBIAN-CVE-2020-0001", "Debian:12", upstream=["CVE-2020-0001"], entry=unimportant),
        record("DEBIAN-CVE-2020-0002", "Debian:12", upstream=["CVE-2020-0002"], entry=unimportant),
        record("DSA-2-1", "Debian:12", upstream=["CVE-2020-0002"]),
    ]
    result = find(tmp_path, records, component("deb", "demo", "1"), system=DEBIAN)
    assert [found.id for found in result.hidden] == ["CVE-2020-0001"]
    assert [found.id for found in result.findings] == ["CVE-2020-0002"]


def test_what_is_out_of_support_says_so(tmp_path):
    entry = {"ecosystem_specific": {"urgency": "end-of-life"}}
    records = [record("DEBIAN-CVE-2020-0001", "Debian:12", entry=entry, events=[{"introduced": "0"}])]
    (finding,) = find(tmp_path, records, component("deb", "demo", "1"), system=DEBIAN).findings
    assert finding.status is Status.END_OF_LIFE


def test_upstream_ranges_are_never_applied_to_packages_of_a_distribution(tmp_path):
    records = [record("GHSA-1", package="requests"), record("DSA-1-1", "Debian:12")]
    result = find(tmp_path, records, component("deb", "requests", "1.0"), system=DEBIAN)
    assert (result.findings, result.gaps) == ((), ())


def test_a_fix_for_subscribers_only_names_its_channel(tmp_path):
    records = [
        record(
            "UBUNTU-CVE-2020-0001",
            "Ubuntu:Pro:22.04:LTS",
            upstream=["CVE-2020-0001"],
            events=[{"introduced": "0"}, {"fixed": "1-1+esm1"}],
        ),
        record(
            "UBUNTU-CVE-2020-0002",
            "Ubuntu:22.04:LTS",
            upstream=["CVE-2020-0002"],
            events=[{"introduced": "0"}, {"fixed": "1-2"}],
            severity=[{"type": "Ubuntu", "score": "low"}],
        ),
    ]
    result = find(tmp_path, records, component("deb", "demo", "1-1"), system=distribution("ubuntu", "22.04"))
    assert [(found.id, found.fixed_versions, found.fix_channel) for found in result.findings] == [
        ("CVE-2020-0002", ("1-2",), ""),
        ("CVE-2020-0001", ("1-1+esm1",), "Ubuntu Pro"),
    ]


@pytest.mark.parametrize(
    "name", ["linux-libc-dev", "linux-libc-dev-amd64-cross", "linux-headers-6.1.0-9-amd64", "linux-headers"]
)
def test_kernel_headers_are_marked_and_capped(tmp_path, name):
    high = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
    records = [record("DEBIAN-CVE-2020-0001", "Debian:12", "linux", severity=high)]
    item = component("deb", name, "1.0-1", source_name="linux")
    (finding,) = find(tmp_path, records, item, system=DEBIAN).findings
    assert (finding.kernel_headers, finding.severity) == (True, Severity.LOW)
    assert finding.vendor_severities == (("debian", Severity.CRITICAL),)


def test_the_kernel_itself_is_not_headers(tmp_path):
    records = [record("DEBIAN-CVE-2020-0001", "Debian:12", "linux")]
    item = component("deb", "linux-image-6.1.0-9-amd64", "1.0-1", source_name="linux")
    (finding,) = find(tmp_path, records, item, system=DEBIAN).findings
    assert not finding.kernel_headers


def modular(fixed, summary="Moderate: nodejs:18 security update"):
    return [
        record(
            "ALSA-2020:1",
            "AlmaLinux:8",
            "nodejs",
            related=["CVE-2020-0001"],
            summary=summary,
            events=[{"introduced": "0"}, {"fixed": fixed}],
        )
    ]


MODULAR_FIX = "1:18.20-1.module_el8.9.0+1+a"


@pytest.mark.parametrize(
    ("version", "label", "found"),
    [
        ("1:18.10-1.module_el8.9.0+1+a", "nodejs:18:80900:abc", True),
        ("1:18.10-1.module_el8.9.0+1+a", "", True),
        ("1:16.10-1.module_el8.9.0+1+a", "nodejs:16:80900:abc", False),
        ("1:10.0-1.el8", "", False),
        ("1:18.20-1.module_el8.9.0+1+a", "nodejs:18:80900:abc", False),
    ],
)
def test_a_modular_advisory_is_about_builds_of_its_stream(tmp_path, version, label, found):
    result = find(tmp_path, modular(MODULAR_FIX), component("rpm", "nodejs", version, modularity=label), system=ALMA)
    assert bool(result.findings) is found


def test_an_ordinary_advisory_is_not_about_modular_builds(tmp_path):
    item = component("rpm", "nodejs", "1:10.0-1.module_el8.9.0+1+a", modularity="nodejs:10:1:a")
    assert find(tmp_path, modular("1:10.1-1.el8", "nodejs update"), item, system=ALMA).findings == ()


def test_builds_of_another_flavour_are_another_line_of_versions(tmp_path):
    records = [
        record(
            "ALSA-2020:1",
            "AlmaLinux:8",
            "openssl",
            related=["CVE-2020-0001"],
            events=[{"introduced": "0"}, {"fixed": "1:1.1.1k-6.el8_fips"}],
        )
    ]
    assert find(tmp_path, records, component("rpm", "openssl", "1:1.1.1k-5.el8"), system=ALMA).findings == ()


def test_errata_say_which_binaries_hold_the_flaw(tmp_path):
    entry = {"ecosystem_specific": {"binaries": [{"libz1": "1-2"}]}}
    records = [
        record(
            "SUSE-SU-2020:1-1",
            "openSUSE:Leap 15.5",
            "zlib",
            entry=entry,
            upstream=["CVE-2020-0001"],
            events=[{"introduced": "0"}, {"fixed": "1-2"}],
        )
    ]
    items = [component("rpm", name, "1-1", source_name="zlib") for name in ("libz1", "zlib-doc")]
    result = find(tmp_path, records, *items, system=distribution("opensuse-leap", "15.5"))
    assert [found.component.name for found in result.findings] == ["libz1"]


def test_a_local_python_version_is_affected_as_its_public_one(tmp_path):
    listed = record("GHSA-1", package="torch", events=[], entry={"versions": ["2.0.0"]})
    ended = record("GHSA-2", package="torch", events=[{"introduced": "0"}, {"last_affected": "2.0.0"}])
    result = find(tmp_path, [listed, ended], component("pypi", "torch", "2.0.0+cu118"))
    assert [found.id for found in result.findings] == ["GHSA-1", "GHSA-2"]


def test_gaps_are_reported_beside_findings(tmp_path):
    result = find(
        tmp_path,
        [record("GHSA-1")],
        component("pypi", "demo", "1.0"),
        component("npm", "x", "1.0.0"),
        component("deb", "y", "1"),
    )
    assert len(result.findings) == 1
    assert [(gap.reason, gap.subject) for gap in result.gaps] == [
        (GapReason.UNKNOWN_DISTRIBUTION, "deb"),
        (GapReason.NO_ADVISORIES, "npm"),
    ]


def test_nothing_installed_is_nothing_found(tmp_path):
    result = find(tmp_path, [record("GHSA-1")])
    assert (result.findings, result.gaps, result.hidden) == ((), (), ())
