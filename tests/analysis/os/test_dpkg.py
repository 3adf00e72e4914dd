import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import Skipped
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass, Inventory
from rafsight.analysis.os.dpkg import DPKG

STATUS = Path("/var/lib/dpkg/status")
SAMPLE = b"""Package: libssl3
Status: install ok installed
Priority: optional
Maintainer: Debian OpenSSL Team <pkg-openssl-devel@alioth-lists.debian.net>
Architecture: amd64
Multi-Arch: same
Source: openssl
Version: 3.0.11-1~deb12u2
Description: Secure Sockets Layer toolkit - shared libraries
 Package: not-a-field
 .
Conffiles:
 /etc/x 0123

Package: busybox-static
status: install ok half-configured
Architecture: amd64
Source: busybox (1:1.35.0-4+deb12u1)
Version: 1:1.35.0-4+deb12u1+b1

Package: gone
Status: deinstall ok config-files
Version: 1

Package: never
Status: unknown ok not-installed

Package: nameless-version
Status: install ok installed

no colon here
Package: last
Status: hold ok installed
Version: 2
Architecture: all"""


def test_stanzas():
    found = extract(DPKG, SAMPLE)
    assert components(found) == [
        Component(
            ecosystem=Ecosystem.DEB,
            evidence=EvidenceClass.INSTALLED,
            name="libssl3",
            version="3.0.11-1~deb12u2",
            arch="amd64",
            source_name="openssl",
            source_version="3.0.11-1~deb12u2",
            maintainer="Debian OpenSSL Team <pkg-openssl-devel@alioth-lists.debian.net>",
        ),
        Component(
            ecosystem=Ecosystem.DEB,
            evidence=EvidenceClass.INSTALLED,
            name="busybox-static",
            version="1:1.35.0-4+deb12u1+b1",
            arch="amd64",
            source_name="busybox",
            source_version="1:1.35.0-4+deb12u1",
        ),
        Component(
            ecosystem=Ecosystem.DEB,
            evidence=EvidenceClass.INSTALLED,
            name="last",
            version="2",
            arch="all",
            source_name="last",
            source_version="2",
        ),
    ]
    assert [item.what for item in found if isinstance(item, Skipped)] == [
        "the stanza that begins in line 28 has no version",
        "line 31 is no field",
    ]


def test_a_stanza_without_status_is_installed():
    (found,) = extract(DPKG, b"Package: tzdata\r\nVersion: 2024a-0+deb12u1\r\n", b"var/lib/dpkg/status.d/tzdata")
    assert isinstance(found, Component)
    assert (found.name, found.version) == ("tzdata", "2024a-0+deb12u1")


def test_check_sums_are_no_stanzas():
    paths = [b"var/lib/dpkg/status.d/base", b"var/lib/dpkg/status.d/base.md5sums"]
    assert list(DPKG.choose(paths, Inventory(distribution=None, components=(), gaps=()))) == paths[:1]


def test_text_that_is_not_utf8_is_replaced():
    (found,) = components(extract(DPKG, b"Package: a\nVersion: 1\nMaintainer: Andr\xe9\n"))
    assert found.maintainer == "Andr\ufffd"


@pytest.mark.skipif(not STATUS.is_file() or not shutil.which("dpkg-query"), reason="needs a dpkg database")
def test_as_dpkg_query_says():
    form = "${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n"
    said = subprocess.run(["dpkg-query", "-W", "-f", form], capture_output=True, text=True, check=True).stdout
    expected = sorted(
        tuple(line.split("\t")[1:])
        for line in said.splitlines()
        if line.split("\t")[0] not in ("config-files", "not-installed")
    )
    found = extract(DPKG, STATUS.read_bytes())
    assert len(expected) == len(found) > 0
    assert expected == sorted(
        (item.name, item.version, item.arch, item.source_name, item.source_version) for item in components(found)
    )


@given(
    content=st.lists(
        st.sampled_from([*SAMPLE.splitlines(keepends=True), b"\n", b"Package\0: x\n", b"\xff", b":", b"Version:\n"]),
        max_size=40,
    ).map(b"".join)
    | st.binary(max_size=300)
)
def test_any_content_gives_components_or_skips(content):
    for item in extract(DPKG, content):
        assert isinstance(item, Component | Skipped)
        if isinstance(item, Component):
            assert item.name
            assert item.version
            assert item.source_name
