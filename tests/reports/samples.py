"""Reports to render: a Debian image with Python and Node.js packages, and one full of hostile text."""

import json
from dataclasses import replace

from rafsight.access.counting import Cost
from rafsight.analysis.inventory import Component, Distribution, Ecosystem, Gap, GapReason, Inventory
from rafsight.analysis.misconfig.finding import Evidence, Misconfiguration
from rafsight.analysis.secrets.finding import CodeLine, Confidence, Secret, SecretPlace
from rafsight.base.severity import Severity
from rafsight.matching.finding import CvssRating, DataSource, Finding, Status
from rafsight.reports.document import DatabaseFacts, FolderFacts, ImageFacts, LayerFacts, ScanReport, Suppressed

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
MARKUP = "</script><img src=x onerror=alert(1)><b>&amp;\"'|`code`* _x_ [l](http://evil.example/) # @all ]]> --> \\"
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


AWS_KEY = Secret(
    rule_id="aws-access-key-id",
    category="AWS",
    title="AWS access key",
    severity=Severity.CRITICAL,
    confidence=Confidence.HIGH,
    places=(
        SecretPlace(path=b"srv/app/.env", start_line=3, end_line=3, offset=41),
        SecretPlace(path=b"srv/app/backup/.env", start_line=3, end_line=3, offset=41, layer=digest("d")),
        SecretPlace(place="config.Env[2]"),
    ),
    match="AWS_ACCESS_KEY_ID=********************",
    lines=(
        CodeLine(number=2, content="# keys of the staging account", is_cause=False),
        CodeLine(number=3, content="AWS_ACCESS_KEY_ID=********************", is_cause=True),
        CodeLine(number=4, content="", is_cause=False),
    ),
    fingerprint="5d41402abc4b2a76b9719d911017c592",
    remedy="Revoke the key, and hand the next one over at run time.",
)
PRIVATE_KEY = Secret(
    rule_id="private-key-file",
    category="private key",
    title="Private key",
    severity=Severity.HIGH,
    confidence=Confidence.MEDIUM,
    places=(SecretPlace(path=b"etc/ssl/private/site.key"),),
    match="",
    remedy="Mount it when the container starts.",
)
ROOT_USER = Misconfiguration(
    id="RS-CFG-001",
    aliases=("AVD-DS-0002", "CIS-DI-0001", "DS-0002"),
    category="image config",
    title="The image runs as root",
    severity=Severity.HIGH,
    description="Whoever breaks out of the program is root in the container.",
    message="No user is set, so that it is root.",
    resolution="Set USER to an account of its own.",
    references=("https://docs.docker.com/build/building/best-practices/#user",),
    evidence=(Evidence(place="config.User", detail="empty"),),
    count=1,
)
SETUID = Misconfiguration(
    id="RS-FS-001",
    aliases=(),
    category="permissions",
    title="Programs that run as their owner",
    severity=Severity.MEDIUM,
    description="They are not of the distribution's own list.",
    message="Programs have the setuid or setgid bit.",
    resolution="Take the bit away: chmod u-s.",
    references=(),
    evidence=tuple(
        Evidence(path=f"usr/local/bin/tool-{number}".encode(), detail="mode 4755, owner 0:0") for number in range(6)
    ),
    count=14,
)
SUPPRESSED = (
    Suppressed(
        finding=finding(LIBC, "CVE-2010-4756", Severity.LOW, (), "glob of glibc uses much memory"),
        status="ignored",
        statement="nobody hands us patterns",
        source=".trivyignore",
    ),
    Suppressed(
        finding=finding(LODASH, "CVE-2020-8203", Severity.HIGH, ("4.17.19",), "Prototype pollution in zipObjectDeep"),
        status="not_affected",
        statement="vulnerable_code_not_in_execute_path",
        source="app.openvex.json",
    ),
    Suppressed(finding=replace(PRIVATE_KEY, rule_id="test-key"), status="ignored", statement="", source=".trivyignore"),
    Suppressed(finding=replace(ROOT_USER, id="RS-CFG-007"), status="ignored", statement="", source=".rafsightignore"),
)
FOLDERS = (
    FolderFacts(path=b"", size=12_000, file_count=3),
    FolderFacts(path=b"etc", size=900_000, file_count=320),
    FolderFacts(path=b"opt/venv", size=3_300_000, file_count=410),
    FolderFacts(path=b"srv/app", size=44_000_000, file_count=2_900),
    FolderFacts(path=b"usr/bin", size=31_000_000, file_count=410),
    FolderFacts(path=b"usr/lib", size=92_000_000, file_count=2_600),
    FolderFacts(path=b"usr/local", size=8_400_000, file_count=51),
    FolderFacts(path=b"usr/share", size=21_000_000, file_count=1_800),
    FolderFacts(path=b"var/lib", size=5_600_000, file_count=628),
)


def _rated(found):
    known = {"CVE-2024-2961": (0.94213, 0.99912), "CVE-2024-5535": (0.04123, 0.88231), "CVE-2024-9143": (0.00031, 0.02)}
    epss, percentile = known.get(found.id, (None, None))
    return replace(found, epss=epss, epss_percentile=percentile)


FULL = replace(
    PLANTED,
    image=replace(IMAGE, folders=FOLDERS),
    findings=tuple(map(_rated, PLANTED.findings)),
    scanners=("vuln", "secret", "misconfig"),
    secrets=(AWS_KEY, PRIVATE_KEY),
    misconfigurations=(ROOT_USER, SETUID),
    check_count=38,
    suppressed=SUPPRESSED,
)
"""Everything that a report can have."""


def hostile_everywhere():
    """The hostile report with hostile secrets, checks and reasons."""
    dirty = b"srv/\xff\xfe\x1b[2J/" + "\u202egnp".encode() + b"/<script>alert(1)</script>&\"'|`*_[x](y)@all"
    place = SecretPlace(path=dirty, start_line=1, end_line=2)
    secret = replace(
        AWS_KEY,
        rule_id=ESCAPES,
        category=ESCAPES,
        title=f"{MARKUP} {ESCAPES}",
        places=(place, replace(place, path=b"", place=ESCAPES)),
        match=MARKUP + ESCAPES,
        lines=(CodeLine(number=1, content=MARKUP + ESCAPES, is_cause=True),),
        remedy=MARKUP,
    )
    check = replace(
        SETUID,
        id=f"X-{ESCAPES}",
        aliases=(MARKUP,),
        title=MARKUP,
        description=ESCAPES,
        message=MARKUP,
        resolution=ESCAPES,
        references=("javascript:alert(1)", MARKUP),
        evidence=(Evidence(path=dirty, line=3, detail=ESCAPES), Evidence(place=MARKUP)),
        count=9,
    )
    report = hostile()
    marked = replace(
        report.findings[0],
        id=f"CVE-2021-1 {MARKUP}",
        title=MARKUP,
        description=f"{MARKUP}\n{ESCAPES}",
        primary_url="javascript:alert(1)//https://x",
        references=("javascript:alert(2)", 'https://x/"><img src=x onerror=alert(3)>', MARKUP),
        fixed_versions=(MARKUP,),
        cwe_ids=("CWE-79", "CWE-x"),
        published="yesterday",
        modified="2024-01-01T00:00:00Z",
    )
    return replace(
        report,
        image=replace(report.image, folders=(FolderFacts(path=dirty[:40], size=7, file_count=1),), config=b"{"),
        findings=(*report.findings, marked),
        scanners=("vuln", "secret", "misconfig"),
        secrets=(secret,),
        misconfigurations=(check,),
        check_count=3,
        suppressed=(
            Suppressed(finding=marked, status=MARKUP, statement=ESCAPES, source=MARKUP),
            Suppressed(finding=secret, status="ignored", statement=MARKUP, source=ESCAPES),
            Suppressed(finding=check, status="not_affected", statement=MARKUP, source=ESCAPES),
        ),
    )
