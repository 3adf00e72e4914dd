import re
from dataclasses import replace
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta
from tests.reports import samples
from tests.reports.every_report import REPORTS, TERMS

from rafsight.reports.formats import render

Text = Annotated[str, Meta(min_length=1)]
Address = Annotated[str, Meta(pattern=r"^https?://.+")]
Moment = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$")]


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """The rules of GitLab's schema 15 for container scanning, in our own words; no field beside those we know."""


class Vendor(Strict):
    name: Text


class Tool(Strict):
    id: Text
    name: Text
    version: Text
    vendor: Vendor
    url: Address


class Message(Strict):
    level: Literal["info", "warn", "fatal"]
    value: Text


class Scan(Strict):
    analyzer: Tool
    scanner: Tool
    type: Literal["container_scanning"]
    start_time: Moment
    end_time: Moment
    status: Literal["success", "failure"]
    messages: list[Message]


class Package(Strict):
    name: str


class Dependency(Strict):
    package: Package
    version: str


class Location(Strict):
    dependency: Dependency
    operating_system: Text
    image: Text


class Identifier(Strict):
    type: Text
    name: Text
    value: Text
    url: Address | msgspec.UnsetType = msgspec.UNSET


class Link(Strict):
    url: Address


class Vulnerability(Strict):
    id: Text
    name: Annotated[str, Meta(max_length=255)]
    description: Annotated[str, Meta(max_length=1048576)]
    severity: Literal["Info", "Unknown", "Low", "Medium", "High", "Critical"]
    solution: Annotated[str, Meta(max_length=7000)]
    location: Location
    identifiers: Annotated[list[Identifier], Meta(min_length=1)]
    links: list[Link]


class Report(Strict):
    version: Annotated[str, Meta(pattern=r"^15\.\d+\.\d+$")]
    scan: Scan
    vulnerabilities: list[Vulnerability]
    remediations: list[None]


def read(report):
    return msgspec.json.decode(render(report, "gitlab", TERMS), type=Report)


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_follows_the_rules_of_the_schema(report):
    told = read(report)
    assert len(told.vulnerabilities) == len(report.findings)
    assert len({one.id for one in told.vulnerabilities}) == len(report.findings)
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", one.id) for one in told.vulnerabilities)


def test_times():
    scan = read(replace(samples.FULL, seconds=75.9)).scan
    assert (scan.start_time, scan.end_time) == ("2026-11-23T22:50:00", "2026-11-23T22:51:15")


def test_a_vulnerability():
    flaw = next(one for one in read(samples.FULL).vulnerabilities if one.name == "CVE-2024-5535 in openssl")
    assert flaw.severity == "Critical"
    assert flaw.solution == "Update openssl to 3.0.15-1~deb12u1."
    assert flaw.location.operating_system == "debian 12.7"
    assert flaw.location.image == "127.0.0.1:5000/planted:v6"
    assert flaw.identifiers[0] == Identifier(
        type="cve", name="CVE-2024-5535", value="CVE-2024-5535", url="https://nvd.nist.gov/vuln/detail/CVE-2024-5535"
    )
    assert flaw.identifiers[-1].value == "126"
    assert flaw.links[-1].url == "https://www.openssl.org/news/secadv/20240627.txt"


def test_what_has_no_place_is_told():
    told = [message.value for message in read(samples.FULL).scan.messages]
    assert told[4:] == [
        "2 secrets were found: this format has no place for them.",
        "2 misconfigurations were found: this format has no place for them.",
        "4 findings are suppressed.",
    ]
    assert read(samples.CLEAN).scan.messages == []


def test_an_id_is_the_same_under_the_same_tag():
    later = replace(samples.FULL, image=replace(samples.IMAGE, manifest_digest=samples.digest("9")))
    assert [one.id for one in read(later).vulnerabilities] == [one.id for one in read(samples.FULL).vulnerabilities]
