import time

import pytest

from rafsight.analysis.lang.java_metadata import MANIFEST_SIZE, POM_SIZE, parse_manifest, parse_pom

POM = b"META-INF/maven/org.example/thing/pom.properties"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"#x\nversion=1.0\r\ngroupId=a.b\r\nartifactId=c\r\n", ("a.b", "c", "1.0")),
        (b"version: 1.0\ngroupId a.b\nartifactId = c", ("a.b", "c", "1.0")),
        (b"version=1.0", ("org.example", "thing", "1.0")),
        (b"version=1.0\nversion=2.0", ("org.example", "thing", "1.0")),
        (b"groupId=not a group\nversion=1.0", ("", "thing", "1.0")),
        (b"version=${project.version}", None),
        (b"version=1 0", None),
        (b"version=", None),
        (b"artifactId=a b\nversion=1", None),
        (b"version=" + b"1" * 5000, None),
        (b"\xff\xfe\x00", None),
    ],
)
def test_poms(content, expected):
    assert parse_pom(content, POM) == expected


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_manifests(end):
    lines = [
        b"Manifest-Version: 1.0",
        b"Bundle-License: fol",
        b" ded",
        b"  twice",
        b"bundle-license: second",
        b"odd",
        b"",
        b"Group-Id: late",
    ]
    expected = {"bundle-license": "folded twice"}
    assert parse_manifest(end.join(lines)) == expected
    assert parse_manifest(end.join(lines[:6])) == expected


def test_a_manifest_that_was_cut_has_no_half_value():
    content = b"Group-Id: a\nShort-Name: " + b"2" * MANIFEST_SIZE
    assert parse_manifest(content[:MANIFEST_SIZE]) == {"group-id": "a"}


def test_texts_made_to_be_slow_are_not():
    started = time.process_time()
    for _ in range(20):
        parse_pom(b"\n" * POM_SIZE, POM)
        parse_manifest(b"a\n" * (MANIFEST_SIZE // 2))
        parse_manifest(b"\r" * MANIFEST_SIZE)
    assert time.process_time() - started < 5
