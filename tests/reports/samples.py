"""Reports to render: a Debian image with Python and Node.js packages, and one full of hostile text."""

import json
from dataclasses import replace

from rafsight.access.counting import Cost
from rafsight.analysis.inventory import Component, Distribution, Ecosystem, Gap, GapReason, Inventory
from rafsight.base.severity import Severity
from rafsight.matching.finding import CvssRating, DataSource, Finding, Status
from rafsight.reports.document import DatabaseFacts, ImageFacts, LayerFacts, ScanReport

GHSA = DataSource(id="ghsa", name="GitHub Security Advisory", url="https://github.com/advisories")
DEBIAN = DataSource(id="debian", name="Debian Security Tracker", url="https://security-tracker.debian.org")

CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "created": "2026-11-20T10:00:00Z",
    "config": {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["/bin/sh"]},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64, "sha256:" + "2" * 64]},
}


def digest(character):
    return "sha256:" + character * 64


def deb(name, version, source, **more):
    return Component(
        ecosystem=Ecosystem.DEB,
        name=name,
        version=version,
        purl=f"pkg:deb/debian/{name}@{version}?arch=amd64&distro=debian-12.7",
        arch="amd64",
        source_name=source,
        source_version=more.pop("source_version", version),
        licenses=("Apache-2.0",),
        maintainer="Debian OpenSSL Team <pkg-openssl-devel@alioth-lists.debian.net>",
        locations=(b"var/lib/dpkg/status",),
        found_by="os/dpkg",
        **more,
    )


def wheel(name, version, folder=b"usr/lib/python3/dist-packages"):
    return Component(
        ecosystem=Ecosystem.PYPI,
        name=name,
        version=version,
        purl=f"pkg:pypi/{name.lower()}@{version}",
        locations=(folder + f"/{name}-{version}.dist-info/METADATA".encode(),),
        found_by="lang/python",
    )


def node(name, version, folder=b"srv/app/node_modules"):
    return Component(
        ecosystem=Ecosystem.NPM,
        name=name,
        version=version,
        purl=f"pkg:npm/{name}@{version}",
        locations=(folder + f"/{name}/package.json".encode(),),
        found_by="lang/node",
    )


def finding(component, name, severity, fixed=(), title="", url=None, **more):
    return Finding(
        id=name,
        aliases=more.pop("aliases", ()),
        advisories=more.pop("advisories", (name,)),
        component=component,
        status=more.pop("status", Status.FIXED if fixed else Status.AFFECTED),
        fixed_versions=fixed,
        severity=severity,
        severity_source=more.pop("severity_source", "ghsa"),
        ratings=more.pop("ratings", ()),
        vendor_severities=more.pop("vendor_severities", ()),
        title=title,
        description=more.pop("description", ""),
        references=more.pop("references", ()),
        primary_url=f"https://nvd.nist.gov/vuln/detail/{name}" if url is None else url,
        cwe_ids=more.pop("cwe_ids", ()),
        published=more.pop("published", ""),
        modified=more.pop("modified", ""),
        data_source=more.pop("data_source", GHSA),
        known_exploited=more.pop("known_exploited", False),
        **more,
    )


OPENSSL = deb("openssl", "3.0.14-1~deb12u1", "openssl")
LIBSSL = deb("libssl3", "3.0.14-1~deb12u1", "openssl")
LIBC = deb("libc6", "2.36-9+deb12u8", "glibc")
LIBC_BIN = deb("libc-bin", "2.36-9+deb12u8", "glibc")
GIT = deb("git", "1:2.39.2-1.1", "git")
BASE_FILES = deb("base-files", "12.4+deb12u7", "base-files")
REQUESTS = wheel("requests", "2.19.1")
REQUESTS_AGAIN = wheel("requests", "2.19.1", b"opt/venv/lib/python3.11/site-packages")
FLASK = wheel("Flask", "0.12.2")
CERTIFI = wheel("certifi", "2022.9.14")
LODASH = node("lodash", "4.17.11")
NESTED = node("lodash", "4.17.11", b"srv/app/node_modules/grunt/node_modules")
EVIL = node("event-stream-helper", "9.9.9")

_TLS = "openssl: SSL_select_next_proto buffer overread"
_ICONV = "glibc: Out of bounds write in iconv may lead to remote code execution"


def _planted_findings():
    proxy = "Unintended leak of the Proxy-Authorization header in requests when it is redirected to an HTTPS endpoint"
    found = [
        finding(
            component,
            "CVE-2024-2961",
            Severity.HIGH,
            ("2.36-9+deb12u9",),
            _ICONV,
            "https://security-tracker.debian.org/tracker/CVE-2024-2961",
            known_exploited=True,
            data_source=DEBIAN,
            advisories=("DSA-5673-1",),
        )
        for component in (LIBC_BIN, LIBC)
    ]
    for component in (LIBSSL, OPENSSL):
        found += [
            finding(
                component,
                "CVE-2024-5535",
                Severity.CRITICAL,
                ("3.0.15-1~deb12u1",),
                _TLS,
                "https://security-tracker.debian.org/tracker/CVE-2024-5535",
                data_source=DEBIAN,
                severity_source="debian",
                advisories=("DEBIAN-CVE-2024-5535", "DSA-5764-1"),
                aliases=("DEBIAN-CVE-2024-5535",),
                ratings=(
                    CvssRating(
                        source="nvd", version="3.1", vector="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:H", score=9.1
                    ),
                    CvssRating(source="nvd", version="2", vector="AV:N/AC:L/Au:N/C:P/I:N/A:P", score=6.4),
                ),
                vendor_severities=(("debian", Severity.CRITICAL), ("nvd", Severity.CRITICAL)),
                cwe_ids=("CWE-126",),
                published="2024-06-27T11:15:24Z",
                modified="2025-01-02T00:00:00Z",
                references=("https://www.openssl.org/news/secadv/20240627.txt",),
                description="Calling SSL_select_next_proto with an empty protocols buffer may crash or send memory.",
            ),
            finding(
                component, "CVE-2024-9143", Severity.LOW, (), "", "", status=Status.WILL_NOT_FIX, data_source=DEBIAN
            ),
        ]
    found.append(
        finding(GIT, "CVE-2024-32002", Severity.CRITICAL, ("1:2.39.5-0+deb12u1",), "git: Recursive clones RCE", "")
    )
    found += [
        finding(CERTIFI, "CVE-2022-23491", Severity.MEDIUM, ("2022.12.7",), "Removal of TrustCor root certificate"),
        finding(FLASK, "CVE-2018-1000656", Severity.HIGH, ("0.12.3",), "Denial of service via crafted JSON"),
    ]
    for component in (REQUESTS_AGAIN, REQUESTS):
        found += [
            finding(component, "CVE-2018-18074", Severity.HIGH, ("2.20.0",), "Insufficiently protected credentials"),
            finding(component, "CVE-2023-32681", Severity.MEDIUM, ("2.31.0",), proxy),
            finding(
                component,
                "GHSA-9wx4-h78v-vm56",
                Severity.UNKNOWN,
                ("2.32.0",),
                "",
                "https://github.com/advisories/GHSA-9wx4-h78v-vm56",
            ),
        ]
    found += [
        finding(
            EVIL,
            "MAL-2026-1234",
            Severity.CRITICAL,
            (),
            "Malicious code in event-stream-helper (npm)",
            "https://osv.dev/vulnerability/MAL-2026-1234",
            malware=True,
        ),
    ]
    for component in (NESTED, LODASH):
        found.append(
            finding(
                component,
                "CVE-2019-10744",
                Severity.CRITICAL,
                ("4.17.12",),
                "Prototype pollution in lodash",
                "https://github.com/advisories/GHSA-jf85-cpcp-j695",
            )
        )
    return tuple(found)


GAPS = (
    Gap(
        reason=GapReason.MALFORMED,
        subject="/srv/app/node_modules/broken/package.json",
        detail="The file is no JSON: line 3, column 7.",
        extractor="lang/node",
    ),
    Gap(
        reason=GapReason.TOO_LARGE,
        subject="/opt/models/METADATA",
        detail="Larger than 64.0 MB.",
        extractor="lang/python",
    ),
    Gap(
        reason=GapReason.TOO_LARGE,
        subject="/opt/other/METADATA",
        detail="Larger than 64.0 MB.",
        extractor="lang/python",
    ),
    Gap(
        reason=GapReason.NO_ADVISORIES,
        subject="npm",
        detail="The database has no advisories of this ecosystem; 31 packages were not matched.",
    ),
)

IMAGE = ImageFacts(
    name="127.0.0.1:5000/planted:v6",
    format="RAFS v6",
    manifest_digest=digest("a"),
    index_digest="",
    bootstrap_digest=digest("b"),
    config_digest=digest("c"),
    config=json.dumps(CONFIG).encode(),
    layers=(
        LayerFacts(
            digest=digest("d"),
            size=60_000_000,
            media_type="application/vnd.oci.image.layer.nydus.blob.v1",
            diff_id=digest("1"),
            created_by="ADD rootfs.tar /",
        ),
        LayerFacts(
            digest=digest("e"),
            size=1_200_000,
            media_type="application/vnd.oci.image.layer.v1.tar+gzip",
            diff_id=digest("2"),
        ),
    ),
    platform="linux/amd64",
    repo_tags=("127.0.0.1:5000/planted:v6",),
    repo_digests=("127.0.0.1:5000/planted@" + digest("a"),),
    image_size=61_200_000,
    entry_count=8712,
)

DATABASE = DatabaseFacts(
    path="/var/lib/rafsight/advisories.sqlite",
    built="2026-11-23T08:00:00Z",
    newest_record="2026-08-21T12:34:56Z",
    record_count=52133,
    digest=digest("f"),
)

DEBIAN_12 = Distribution(id="debian", version="12.7", name="Debian GNU/Linux 12 (bookworm)", codename="bookworm")

PLANTED = ScanReport(
    image=IMAGE,
    inventory=Inventory(
        distribution=DEBIAN_12,
        components=(
            BASE_FILES,
            GIT,
            LIBC_BIN,
            LIBC,
            LIBSSL,
            OPENSSL,
            FLASK,
            CERTIFI,
            REQUESTS_AGAIN,
            REQUESTS,
            EVIL,
            NESTED,
            LODASH,
        ),
        gaps=GAPS[:3],
    ),
    findings=_planted_findings(),
    gaps=GAPS,
    cost=Cost(requests=14, bytes_fetched=812_345, bytes_needed=790_000),
    database=DATABASE,
    started="2026-11-23T22:50:00Z",
    seconds=0.83,
)

CLEAN = replace(PLANTED, findings=(), gaps=(), inventory=replace(PLANTED.inventory, gaps=()))
CLEAN_WITH_GAPS = replace(PLANTED, findings=())
WITHOUT_DATABASE = replace(CLEAN, database=None)

ESCAPES = "\x1b[31mred\x1b]0;title\x07\r\n\tBEL\x9b2J\u202egnp.exe\u2028line\u200b"
WIDE = "漢字の題名は二倍の幅を取るのでとても長くなることがあります。そして折り返されます。"


def hostile():
    component = replace(
        node("evil", "1.0"),
        name=f"@{ESCAPES}/" + "x" * 300,
        version=ESCAPES + "9" * 200,
        locations=(b"srv/\xff\xfe\x1b[2J/" + b"deep/" * 60 + b"package.json",),
    )
    twin = replace(component, name="漢字", version="1.0", locations=(b"a\nb",))
    return replace(
        PLANTED,
        image=replace(IMAGE, name=f"host/{ESCAPES}:tag", notes=(f"note {ESCAPES}",)),
        inventory=Inventory(
            distribution=replace(DEBIAN_12, id="deb\x1bian", version=ESCAPES, name=ESCAPES),
            components=(component, twin),
            gaps=(),
        ),
        findings=(
            finding(
                component,
                f"CVE-{ESCAPES}" + "7" * 80,
                Severity.HIGH,
                (ESCAPES, "2" * 100),
                f"first\nsecond {ESCAPES}",
                "https://x/" + "y" * 500 + ESCAPES,
            ),
            finding(twin, "CVE-2020-0001", Severity.LOW, (), WIDE * 4, malware=True, known_exploited=True),
        ),
        gaps=(Gap(reason=GapReason.UNREADABLE, subject=ESCAPES, detail=ESCAPES * 10),),
    )
