from dataclasses import replace

import pytest
from tests.matching.support import component, distribution

from rafsight.analysis.inventory import GapReason, Inventory
from rafsight.matching.questions import ask
from rafsight.matching.store import Coverage

KNOWN = {
    "Alpine": ["v3.19", "v3.20", "edge"],
    "AlmaLinux": ["8", "9"],
    "Azure Linux": ["3"],
    "Maven": [""],
    "Debian": ["11", "12", "13", "14"],
    "PyPI": [""],
    "Red Hat": ["enterprise_linux:9::appstream", "enterprise_linux:9::baseos", "enterprise_linux:8::baseos", "rhel_eus:9.2::baseos", "enterprise_linux:90"],
    "Rocky Linux": ["9"],
    "SUSE": [
        "Linux Enterprise Server 15 SP5", "Linux Enterprise Module for Basesystem 15 SP5", "Linux Enterprise Server 15 SP6",
        "Linux Enterprise Server 15", "Linux Enterprise Server 15-LTSS", "Linux Enterprise Server 12 SP5",
        "Linux Enterprise Server 12 SP5-LTSS Extended Security", "Linux Enterprise Micro 5.5", "Linux Micro 6.0",
        "Linux Enterprise Micro for Rancher 5.5", "Linux Enterprise Micro 5.3",
    ],
    "Ubuntu": ["22.04", "Pro:22.04", "Pro:FIPS:22.04", "23.10"],
    "Wolfi": [""],
    "npm": [""],
    "openEuler": ["24.03-LTS-SP1"],
    "openSUSE": ["Leap 15.5", "Tumbleweed"],
}  # fmt: skip
COVERAGE = [
    Coverage(base=base, release=release, record_count=1) for base, releases in KNOWN.items() for release in releases
]


def asked(*components, system=None):
    return ask(Inventory(distribution=system, components=components, gaps=()), COVERAGE)


def places(*components, system=None):
    return [
        (item.lookup.base, item.lookup.release, item.lookup.name)
        for item in asked(*components, system=system).questions
    ]


@pytest.mark.parametrize(
    ("system", "ecosystem", "expected"),
    [
        (distribution("debian", "12.7"), "deb", [("Debian", "12")]),
        (distribution("debian", "", codename="trixie"), "deb", [("Debian", "13")]),
        (distribution("debian", "trixie/sid"), "deb", [("Debian", "13")]),
        (distribution("debian", "", codename="sid"), "deb", [("Debian", "14")]),
        (distribution("ubuntu", "22.04"), "deb", [("Ubuntu", "22.04"), ("Ubuntu", "Pro:22.04")]),
        (distribution("ubuntu", "23.10"), "deb", [("Ubuntu", "23.10")]),
        (distribution("alpine", "3.20.3"), "apk", [("Alpine", "v3.20")]),
        (distribution("alpine", "3.21_alpha20240807"), "apk", [("Alpine", "edge")]),
        (distribution("alpine", ""), "apk", [("Alpine", "edge")]),
        (distribution("almalinux", "9.2"), "rpm", [("AlmaLinux", "9")]),
        (distribution("rocky", "9.4"), "rpm", [("Rocky Linux", "9")]),
        (distribution("azurelinux", "3.0"), "rpm", [("Azure Linux", "3")]),
        (distribution("openeuler", "24.03", title="openEuler 24.03 (LTS-SP1)"), "rpm", [("openEuler", "24.03-LTS-SP1")]),
        (distribution("opensuse-leap", "15.5"), "rpm", [("openSUSE", "Leap 15.5")]),
        (distribution("opensuse-tumbleweed", "20240101"), "rpm", [("openSUSE", "Tumbleweed")]),
    ],
    ids=lambda value: getattr(value, "id", None),
)  # fmt: skip
def test_each_distribution_is_looked_up_in_its_releases(system, ecosystem, expected):
    item = component(ecosystem, "demo", "1.0-r0" if ecosystem == "apk" else "1.0-1")
    assert places(item, system=system) == [(base, release, "demo") for base, release in expected]


def test_red_hat_is_looked_up_in_all_repositories_of_its_major_release():
    found = places(component("rpm", "bash", "5.1-1"), system=distribution("rhel", "9.2"))
    assert [release for _, release, _ in found] == ["enterprise_linux:9::appstream", "enterprise_linux:9::baseos"]


def test_what_is_left_to_advisories_that_there_are_none_of_is_said():
    brought = component("pypi", "urllib3", "1.25", owned_by="python3-urllib3")
    own = component("pypi", "requests", "2.0")
    for system, said in (
        (distribution("amzn", "2023"), "no advisories are known to be about rpm packages of amzn 2023."),
        (distribution("rocky", "7"), "the database has nothing about Rocky Linux:7."),
    ):
        (gap,) = asked(component("rpm", "bash", "5.1-1"), brought, own, system=system).gaps
        assert gap.detail.endswith(f"{said} Nor was 1 package of languages that they brought.")
    (gap,) = asked(component("rpm", "bash", "5.1-1"), brought, brought, system=distribution("amzn", "2023")).gaps
    assert gap.detail.endswith("Nor were 2 packages of languages that they brought.")
    (gap,) = asked(component("rpm", "bash", "5.1-1"), own, system=distribution("amzn", "2023")).gaps
    assert "Nor" not in gap.detail
    assert asked(component("rpm", "bash", "5.1-1"), brought, system=distribution("rocky", "9")).gaps == ()


def test_suse_is_looked_up_in_the_server_and_its_modules_by_source():
    item = component("rpm", "libz1", "1.2-1", source_name="zlib", source_version="1.2-1")
    found = places(item, system=distribution("sles", "15.5"))
    assert [(release, name) for _, release, name in found] == [
        ("Linux Enterprise Server 15 SP5", "zlib"),
        ("Linux Enterprise Module for Basesystem 15 SP5", "zlib"),
    ]


@pytest.mark.parametrize(
    ("system", "releases"),
    [
        (distribution("sles", "15"), ["Linux Enterprise Server 15", "Linux Enterprise Server 15-LTSS"]),
        (
            distribution("sles_sap", "12.5"),
            ["Linux Enterprise Server 12 SP5", "Linux Enterprise Server 12 SP5-LTSS Extended Security"],
        ),
        (distribution("sled", "15.6"), ["Linux Enterprise Server 15 SP6"]),
        (
            distribution("sle-micro", "5.5"),
            ["Linux Enterprise Micro 5.5", "Linux Enterprise Micro for Rancher 5.5"],
        ),
        (distribution("sl-micro", "6.0"), ["Linux Micro 6.0"]),
    ],
    ids=lambda value: getattr(value, "id", None),
)
def test_suse_goes_on_mending_for_some_and_has_small_systems(system, releases):
    found = places(component("rpm", "zlib", "1.2-1"), system=system)
    assert [release for _, release, _ in found] == releases


def test_debian_and_alpine_name_sources_red_hat_and_its_kin_binaries_wolfi_both():
    deb = component("deb", "libssl3", "3.0-1+b1", source_name="openssl", source_version="3.0-1")
    assert places(deb, system=distribution("debian", "12")) == [("Debian", "12", "openssl")]
    apk = component("apk", "libssl3", "3.0-r1", source_name="openssl")
    assert places(apk, system=distribution("alpine", "3.20")) == [("Alpine", "v3.20", "openssl")]
    assert places(apk, system=distribution("wolfi", "")) == [("Wolfi", "", "openssl"), ("Wolfi", "", "libssl3")]
    rpm = component("rpm", "openssl-libs", "1:3.0-1.el9", source_name="openssl", source_version="3.0-1.el9")
    assert places(rpm, system=distribution("almalinux", "9")) == [("AlmaLinux", "9", "openssl-libs")]


def test_the_source_version_is_what_is_compared():
    item = component("deb", "x", "2:1.0-1+b1", source_name="y", source_version="1.0-1")
    plain = component("deb", "y", "1.0-1")
    keys = [question.lookup.key for question in asked(item, plain, system=distribution("debian", "12")).questions]
    assert keys[0] == keys[1]


def test_a_source_rpm_takes_the_epoch_of_its_binary():
    item = component("rpm", "x", "1:1.0-1", source_name="y", source_version="1.0-1")
    plain = component("rpm", "y", "1:1.0-1")
    keys = [
        question.lookup.key for question in asked(item, plain, system=distribution("opensuse-leap", "15.5")).questions
    ]
    assert keys[0] == keys[1]


def test_language_packages_take_the_normal_form_of_their_names():
    assert places(component("pypi", "Foo_Bar", "1.0"), component("npm", "@a/B", "1.0.0")) == [
        ("PyPI", "", "foo-bar"),
        ("npm", "", "@a/B"),
    ]


def test_what_the_distribution_installed_is_its_own_affair():
    found = asked(component("pypi", "requests", "2.0", owned_by="python3-requests"))
    assert (found.questions, found.gaps) == ((), ())


def test_virtual_packages_are_not_asked():
    found = asked(component("apk", ".build-deps", "20240101.000000"), system=distribution("alpine", "3.20"))
    assert (found.questions, found.gaps) == ((), ())


def test_os_packages_without_a_distribution_are_a_gap():
    found = asked(component("deb", "a", "1"), component("deb", "b", "1"), component("npm", "c", "1.0.0"))
    assert [question.lookup.base for question in found.questions] == ["npm"]
    (gap,) = found.gaps
    assert (gap.reason, gap.subject) == (GapReason.UNKNOWN_DISTRIBUTION, "deb")
    assert gap.detail.startswith("2 deb packages")


@pytest.mark.parametrize(
    ("system", "ecosystem"),
    [
        (distribution("gentoo", ""), "rpm"),
        (distribution("centos", "9", title="CentOS Stream 9"), "rpm"),
        (distribution("alpine", "3.20"), "deb"),
    ],
    ids=["no advisories known", "no feed", "packages of another family"],
)
def test_a_distribution_without_advisories_is_a_gap(system, ecosystem):
    found = asked(component(ecosystem, "a", "1"), system=system)
    assert found.questions == ()
    assert [gap.reason for gap in found.gaps] == [GapReason.UNKNOWN_DISTRIBUTION]


@pytest.mark.parametrize(
    ("system", "item", "subject"),
    [
        (distribution("debian", "7"), component("deb", "a", "1"), "Debian:7"),
        (distribution("alpine", "3.2.1"), component("apk", "a", "1"), "Alpine:v3.2"),
        (distribution("rhel", "7.9"), component("rpm", "a", "1"), "Red Hat"),
        (None, component("cargo", "a", "1.0.0"), "crates.io"),
    ],
)
def test_an_ecosystem_or_release_without_records_is_a_gap(system, item, subject):
    found = asked(item, system=system)
    assert found.questions == ()
    assert [(gap.reason, gap.subject) for gap in found.gaps] == [(GapReason.NO_ADVISORIES, subject)]


def test_a_kind_that_nobody_publishes_about_is_said():
    found = asked(component("conda", "a", "1.0.0"), component("generic", "python", "3.12.1"))
    assert found.questions == ()
    assert [(gap.reason, gap.subject) for gap in found.gaps] == [
        (GapReason.NO_FEED, "conda"),
        (GapReason.NO_FEED, "generic"),
    ]


def test_a_java_archive_without_a_group_is_said():
    owned = replace(component("maven", "lib", "1"), owned_by="liblib-java")
    found = asked(
        component("maven", "batch", ""), component("maven", "foo", "1.0"), component("maven", "a:b", "1"), owned
    )
    assert [question.lookup.name for question in found.questions] == ["a:b"]
    (gap,) = found.gaps
    assert (gap.reason, gap.subject) == (GapReason.NO_FEED, "maven")
    assert gap.detail.startswith("2 Java archives were not looked up")
    assert asked(owned).gaps == ()


def test_a_version_that_cannot_be_compared_is_a_gap_of_its_component():
    found = asked(component("npm", "a", "latest"), component("npm", "b", "1.0.0"), component("npm", "c", ""))
    assert [question.lookup.name for question in found.questions] == ["b"]
    assert [(gap.reason, gap.subject) for gap in found.gaps] == [
        (GapReason.UNCOMPARABLE_VERSION, "a@latest"),
        (GapReason.UNCOMPARABLE_VERSION, "c@"),
    ]
