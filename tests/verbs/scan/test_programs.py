"""Programs in images: their modules are found, matched, and cost little."""

import pytest
from tests.analysis.binary.programs import elf, inline_build_info
from tests.matching.support import make_database, record
from tests.views.slim.images import program, write_image

import rafsight
from rafsight.analysis.engine import Analysis
from rafsight.analysis.inventory import GapReason
from rafsight.image.selection import Wants
from rafsight.verbs.scan.inventory import keep_wanted, take_inventory

MODULES = (
    "path\texample.org/app\nmod\texample.org/app\t(devel)\t\n"
    "dep\tgolang.org/x/text\tv0.3.5\th1:a=\ndep\tgithub.com/dgrijalva/jwt-go\tv3.2.0+incompatible\th1:b=\n"
)
APP = elf({b".text": bytes(80_000), b".go.buildinfo": inline_build_info("go1.20.1", MODULES)})
LAYERS = (
    {"etc/os-release": b"ID=debian\nVERSION_ID=12\n", "usr/bin/": None, "usr/bin/curl": program(b"#!/bin/sh\n")},
    {"app": program(APP), "usr/local/bin/tool": program(APP), "srv/data": program(APP, 0o644)},
)


def go_record(name, package, *events):
    affected = {"package": {"ecosystem": "Go", "name": package}, "ranges": [{"type": "SEMVER", "events": [*events]}]}
    return {"schema_version": "1.7.3", "id": name, "modified": "2026-01-02T00:00:00Z", "affected": [affected]}


@pytest.fixture
def database(tmp_path):
    return make_database(
        tmp_path,
        [
            go_record("GO-2022-1059", "golang.org/x/text", {"introduced": "0"}, {"fixed": "0.3.8"}),
            go_record("GO-2020-0017", "github.com/dgrijalva/jwt-go", {"introduced": "0.0.0-20150717181359-44718f8a89b0"}),
            go_record("GO-2023-1878", "stdlib", {"introduced": "0"}, {"fixed": "1.19.11"}, {"introduced": "1.20.0-0"}, {"fixed": "1.20.6"}),
            go_record("GO-2024-2598", "stdlib", {"introduced": "1.22.0-0"}, {"fixed": "1.22.1"}),
            go_record("GO-2026-0001", "example.org/app", {"introduced": "0"}),
            record("DSA-1", "Debian:12", package="x"),
        ],
    )  # fmt: skip


def test_vulnerable_modules_of_a_program_are_found(tmp_path, database):
    write_image(tmp_path / "image", *LAYERS)
    report = rafsight.scan_reference(f"oci:{tmp_path / 'image'}", database=database)
    assert {(finding.id, finding.component.purl) for finding in report.findings} == {
        ("GO-2022-1059", "pkg:golang/golang.org/x/text@v0.3.5"),
        ("GO-2020-0017", "pkg:golang/github.com/dgrijalva/jwt-go@v3.2.0%2Bincompatible"),
        ("GO-2023-1878", "pkg:golang/stdlib@1.20.1"),
    }
    assert {finding.component.locations for finding in report.findings} == {(b"app", b"usr/local/bin/tool")}
    assert report.gaps == ()
    assert report.inventory.components[0].purl == "pkg:golang/example.org/app@%28devel%29"


def test_programs_that_the_first_pass_kept_cost_no_second(tmp_path):
    write_image(tmp_path, *LAYERS)
    with rafsight.open_image(f"oci:{tmp_path}", keep=keep_wanted(Analysis().wanted_patterns())) as image:
        opened = image.cost
        inventory = take_inventory(image)
        assert image.cost == opened
    assert len(inventory.components) == 4
    with rafsight.open_image(f"oci:{tmp_path}") as image:
        opened = image.cost
        assert take_inventory(image) == inventory
        assert image.cost.requests > opened.requests


def test_which_files_of_a_stream_are_kept():
    wants = (
        Wants(patterns=(b"**/METADATA",), max_size=1000),
        Wants(patterns=(b"**/*.jar",), max_size=1 << 40, tail=100),
        Wants(patterns=(b"**/*",), max_size=1 << 40, head=10, min_size=100, executable_only=True, except_for=(b"x/*",)),
    )
    keep = keep_wanted(wants)
    assert [keep(b"a/METADATA", size) for size in (0, 1000)] == [True, True]
    assert not keep(b"a/METADATA", (128 << 20))
    assert [keep(b"bin/app", size) for size in (99, 100, 128 << 20)] == [False, True, False]
    assert not keep(b"bin/app.txt", 500)
    assert not keep(b"x/app", 500)
    assert keep(b"a.jar", 40 << 20)
    assert not keep(b"bin/large", 40 << 20)  # the room for large files is used up
    assert keep(b"bin/small", 10 << 20)
    assert keep(b"b.jar", 1 << 20)


def test_a_program_that_cannot_be_read_is_said(tmp_path, database):
    write_image(tmp_path / "image", {"app": program(APP[:-50])})
    report = rafsight.scan_reference(f"oci:{tmp_path / 'image'}", database=database)
    assert [(gap.reason, gap.subject) for gap in report.gaps] == [
        (GapReason.MALFORMED, "app"),
        (GapReason.NO_PACKAGES, "image"),
    ]
