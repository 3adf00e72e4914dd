"""Manifests of Chisel: packages without dpkg's database."""

import json

import pytest
import zstandard
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract, run

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.inventory import GapReason
from rafsight.analysis.os.chisel import CHISEL

LINES = [
    {"jsonwall": "1.0", "schema": "1.0", "count": 5},
    {"kind": "content", "slice": "base-files_base", "path": "/bin"},
    {"kind": "package", "name": "base-files", "version": "13ubuntu10", "sha256": "ab", "arch": "amd64"},
    {"kind": "package", "name": "libssl3t64", "version": "3.0.13-0ubuntu3.4", "sha256": "cd", "arch": "amd64"},
    {"kind": "path", "path": '/usr/"package"', "mode": "0644"},
    {"kind": "slice", "name": "base-files_base"},
]


def packed(*lines):
    return zstandard.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


MANIFEST = packed(*LINES)


def test_packages_are_listed_and_the_missing_sources_are_said():
    inventory = run({
        b"var/lib/chisel/manifest.wall": MANIFEST,
        b"etc/os-release": b'ID=ubuntu\nVERSION_ID="24.04"\n',
    })  # fmt: skip
    assert inventory.distribution.id == "ubuntu"
    assert [(one.ecosystem, one.name, one.version, one.arch) for one in inventory.components] == [
        ("deb", "base-files", "13ubuntu10", "amd64"),
        ("deb", "libssl3t64", "3.0.13-0ubuntu3.4", "amd64"),
    ]
    (gap,) = inventory.gaps
    assert gap.reason is GapReason.UNSUPPORTED
    assert "sources" in gap.detail


def test_dpkgs_database_knows_better():
    stanza = b"Package: libssl3t64\nSource: openssl\nVersion: 3.0.13-0ubuntu3.4\nArchitecture: amd64\n"
    inventory = run({b"var/lib/chisel/manifest.wall": MANIFEST, b"var/lib/dpkg/status": stanza})
    assert [(one.name, one.source_name) for one in inventory.components] == [("libssl3t64", "openssl")]
    assert inventory.gaps == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        MANIFEST[:-5],
        zstandard.compress(b"{}\n"),
        zstandard.compress(b"no JSON\n"),
        packed(LINES[0]) + b"rest",
        zstandard.compress(b"\0" * (65 << 20)),
    ],
)
def test_what_is_no_manifest_is_refused(content):
    with pytest.raises(MalformedFile):
        extract(CHISEL, content)


def test_lines_that_name_no_package_are_passed_over_or_said():
    found = extract(CHISEL, packed(LINES[0], {"kind": "package", "name": "a"}, {"kind": "package", "version": [1]}))
    assert components(found) == []
    assert [one.what for one in found[:2]] == ["line 2 has no version", "line 3 has no name"]


def test_any_content_is_read_or_refused():
    check_damage(CHISEL, MANIFEST, b"var/lib/chisel/manifest.wall")
