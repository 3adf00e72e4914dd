"""Syft's reports become our own values."""

import json

import pytest
from tests.engines import expected
from tests.engines.fakes import output_of

from rafsight.analysis.inventory import Distribution, Ecosystem, GapReason
from rafsight.engines.catalogue import engine_named
from rafsight.engines.syft import source_of_rpm

SYFT = engine_named("syft")


@pytest.fixture(scope="module")
def report():
    return SYFT.read(output_of("syft"))


def read(*artifacts, **document):
    return SYFT.read(output_of("syft", raw=json.dumps({"artifacts": list(artifacts), **document}).encode()))


def test_components(report):
    assert expected.packages_in(report, "deb") == expected.DEBS
    assert expected.packages_in(report, "npm") == expected.NODES | {expected.APP}
    assert expected.packages_in(report, "pypi") == expected.WHEELS
    assert expected.packages_in(report, "generic") == {("busybox", "1.35.0")}
    assert len(report.inventory.components) == 12
    one = expected.component(report, "busybox-static")
    assert (one.source_name, one.source_version, one.arch) == ("busybox", "1:1.35.0-4+deb12u1", "amd64")
    assert one.locations == (b"var/lib/dpkg/status",)
    assert one.maintainer.startswith("Debian Install System Team")
    assert one.licenses == ("GPL-2.0-only",)
    assert one.found_by == "dpkg-db-cataloger"


def test_components_are_in_the_order_of_inventories(report):
    keys = [(one.ecosystem, one.name, one.version) for one in report.inventory.components]
    assert keys == sorted(keys)


def test_it_looks_for_no_vulnerabilities(report):
    assert report.database is None
    assert report.findings == ()
    assert report.gaps == ()
    assert report.notes == ("syft lists packages and looks for no vulnerabilities",)


def test_the_distribution(report):
    assert report.inventory.distribution == Distribution(
        id="debian", version="12", name="Debian GNU/Linux 12 (bookworm)", codename="bookworm"
    )


@pytest.mark.parametrize(("like", "ids"), [("rhel fedora", ("rhel", "fedora")), (["a"], ("a",)), (None, ())])
def test_distributions_like_others(like, ids):
    assert read(distro={"id": "x", "idLike": like}).inventory.distribution.id_like == ids


@pytest.mark.parametrize("distro", [None, {}, {"id": ""}])
def test_no_distribution(distro):
    report = read({"name": "bash", "purl": "pkg:deb/bash@5"}, distro=distro)
    assert report.inventory.distribution is None
    assert report.gaps == ()  # without vulnerabilities that costs nothing


@pytest.mark.parametrize("document", [{"artifacts": None}, {"artifacts": []}])
def test_nothing_found_does_not_look_clean(document):
    report = SYFT.read(output_of("syft", raw=json.dumps(document).encode()))
    assert expected.reasons(report) == [("no-packages", "image")]


@pytest.mark.parametrize(
    ("purl", "ecosystem"),
    [
        ("pkg:rpm/redhat/bash@5", Ecosystem.RPM),
        ("pkg:GOLANG/x@1", Ecosystem.GOLANG),
        ("pkg:otp/x@1", Ecosystem.HEX),
        ("pkg:dart/x@1", Ecosystem.PUB),
        ("pkg:oci/x@1", Ecosystem.GENERIC),
        ("pkg:unheard-of/x@1", Ecosystem.GENERIC),
        ("npm/x@1", Ecosystem.GENERIC),
        ("", Ecosystem.GENERIC),
    ],
)
def test_kinds_of_packages(purl, ecosystem):
    assert read({"name": "x", "purl": purl}).inventory.components[0].ecosystem is ecosystem


@pytest.mark.parametrize("kind", [Ecosystem.DEB, Ecosystem.APK, Ecosystem.RPM])
def test_packages_of_a_distribution_that_it_does_not_know_have_no_purl(kind):
    (one,) = read({"name": "x", "type": kind.value}).inventory.components
    assert one.ecosystem is kind


def test_files_that_it_could_not_read():
    """As 1.57 says it; what it says of programs is said of everything that is none."""
    author = "failed to parse package.json file: unable to parse package.json author: json: cannot unmarshal array"
    files = [
        {
            "location": {"path": "/srv/toposort-class/package.json"},
            "unknowns": [f"javascript-package-cataloger: {author}"],
        },
        {"location": {"path": "/lib/apk/db/installed"}, "unknowns": ["apk-db-cataloger: \x1b" + "x" * 1000]},
        {
            "location": {"path": "/usr/lib/libkeys.so"},
            "unknowns": [
                "cargo-auditable-binary-cataloger: rust cataloger: unable to read dependency information",
                "file-executable-cataloger: unable to determine ELF features",
                "unknowns-labeler: no package identified in executable file",
            ],
        },
        {"location": {"path": "/etc/os-release"}},
    ]
    one, other = read({"name": "x", "purl": "pkg:npm/x"}, files=files).gaps
    assert (one.reason, one.subject) == (GapReason.MALFORMED, "srv/toposort-class/package.json")
    assert one.detail == f"syft (javascript-package-cataloger) could not read it: {author}"
    assert other.detail.startswith("syft (apk-db-cataloger) could not read it: \\x1bxxx")
    assert len(other.detail) == 300


def test_an_rpm():
    metadata = {"sourceRpm": "bash-5.1.8-6.el9.src.rpm", "vendor": "Red Hat", "modularityLabel": "m:1"}
    (one,) = read({"name": "bash", "purl": "pkg:rpm/bash@5", "metadata": metadata}).inventory.components
    assert (one.source_name, one.source_version) == ("bash", "5.1.8-6.el9")
    assert (one.maintainer, one.modularity) == ("Red Hat", "m:1")


def test_an_apk():
    metadata = {"originPackage": "openssl", "maintainer": "N", "architecture": "x86_64"}
    (one,) = read({"name": "libssl3", "purl": "pkg:apk/libssl3@3", "metadata": metadata}).inventory.components
    assert (one.source_name, one.arch, one.maintainer) == ("openssl", "x86_64", "N")


@pytest.mark.parametrize("metadata", [None, [], "text", 7, {"architecture": 7}, {"source": {"a": []}}])
def test_metadata_of_kinds_that_mean_something_else(metadata):
    (one,) = read({"name": "x", "metadata": metadata}).inventory.components
    assert (one.name, one.arch, one.source_name) == ("x", "", "")


def test_licences_of_older_and_newer_versions():
    licenses = ["MIT", {"value": "LGPL", "spdxExpression": "LGPL-2.1-only"}, {"value": "mine"}, {"value": ""}, ""]
    assert read({"name": "x", "licenses": licenses}).inventory.components[0].licenses == (
        "MIT",
        "LGPL-2.1-only",
        "mine",
    )


def test_files_that_say_what_a_package_is():
    places = [
        {"path": "/b", "annotations": {"evidence": "supporting"}},
        {"path": "/d/\u00e4", "annotations": {"evidence": "primary"}},
        {"path": "//a", "annotations": {"evidence": "primary"}},
        {"path": "/c"},
    ]
    assert read({"name": "x", "locations": places}).inventory.components[0].locations == (b"a", "d/\u00e4".encode())
    assert read({"name": "x", "locations": places[3:]}).inventory.components[0].locations == (b"c",)
    assert read({"name": "x", "locations": None}).inventory.components[0].locations == ()


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("bash-5.1.8-6.el9.src.rpm", ("bash", "5.1.8-6.el9")),
        ("a-b-1-2.nosrc.rpm", ("a-b", "1-2")),
        ("bash", ("", "")),
        ("", ("", "")),
    ],
)
def test_names_of_source_rpms(file, parts):
    assert source_of_rpm(file) == parts
