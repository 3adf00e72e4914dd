import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.support import components, extract, view

from rafsight.analysis.extractor import Found, MalformedFile, Skipped
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass, Ownership
from rafsight.analysis.os.apk import APK

SAMPLE = b"""C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=
P:alpine-baselayout
V:3.4.3-r1
A:x86_64
S:8882
I:331776
T:Alpine base dir structure and init scripts
U:https://git.alpinelinux.org/cgit/aports/tree/main/alpine-baselayout
L:GPL-2.0-only
o:alpine-baselayout
m:Natanael Copa <ncopa@alpinelinux.org>
t:1683642107
c:65502ca9379dd29d1ac4b0bf0dcf03a3dd1b324a
D:alpine-baselayout-data=3.4.3-r1 /bin/sh
F:dev
F:etc
R:motd
Z:Q1SLkS9hBidUbPwwrw+XR0Whv3ww8=
F:
R:marker

P:py3-setuptools
V:68.2.2-r0
A:x86_64
L:MIT
o:py3-setuptools
F:usr/lib/python3.11/site-packages/setuptools-68.2.2.dist-info
R:METADATA

P:libcrypto3
V:3.1.4-r1
A:x86_64
o:openssl

P:.build-deps
V:20240101.123456
A:noarch

P:libcrypto3
V:0
A:x86_64

P:nothing

odd"""


def test_stanzas():
    found = extract(APK, SAMPLE)
    assert components(found) == [
        Component(
            ecosystem=Ecosystem.APK,
            evidence=EvidenceClass.INSTALLED,
            name="alpine-baselayout",
            version="3.4.3-r1",
            arch="x86_64",
            source_name="alpine-baselayout",
            source_version="3.4.3-r1",
            licenses=("GPL-2.0-only",),
            maintainer="Natanael Copa <ncopa@alpinelinux.org>",
        ),
        Component(
            ecosystem=Ecosystem.APK,
            evidence=EvidenceClass.INSTALLED,
            name="py3-setuptools",
            version="68.2.2-r0",
            arch="x86_64",
            source_name="py3-setuptools",
            source_version="68.2.2-r0",
            licenses=("MIT",),
        ),
        Component(
            ecosystem=Ecosystem.APK,
            evidence=EvidenceClass.INSTALLED,
            name="libcrypto3",
            version="3.1.4-r1",
            arch="x86_64",
            source_name="openssl",
            source_version="3.1.4-r1",
        ),
    ]
    assert [item for item in found if isinstance(item, Ownership)] == [
        Ownership(package="alpine-baselayout", official=True, paths=(b"etc/motd", b"marker")),
        Ownership(
            package="py3-setuptools",
            official=True,
            paths=(b"usr/lib/python3.11/site-packages/setuptools-68.2.2.dist-info/METADATA",),
        ),
    ]
    assert [item.what for item in found if isinstance(item, Skipped)] == [
        "the stanza that begins in line 43 has no version",
        "line 45 is no field",
    ]


def test_a_folder_does_not_outlive_its_stanza():
    found = extract(APK, b"P:a\nV:1\nF:usr\n\nP:b\nV:1\nR:x\n")
    assert [item.paths for item in found if isinstance(item, Ownership)] == [(b"x",)]


def test_a_package_with_too_many_files_is_malformed():
    content = b"P:a\nV:1\n\nP:b\nV:1\nF:" + b"x" * 4000 + b"\n" + b"R:a\n" * 1_000_001
    kept: list[Found] = []
    with pytest.raises(MalformedFile, match="too many files"):
        kept.extend(APK.extract(view(content)))
    assert [item.name for item in components(kept)] == ["a"]


@given(
    content=st.lists(
        st.sampled_from([*SAMPLE.splitlines(keepends=True), b"\n", b"F:\xff\n", b"R:", b":\n"]), max_size=40
    ).map(b"".join)
    | st.binary(max_size=300)
)
def test_any_content_is_read_or_malformed(content):
    try:
        found = extract(APK, content)
    except MalformedFile:
        return
    assert all(isinstance(item, Component | Ownership | Skipped) for item in found)
