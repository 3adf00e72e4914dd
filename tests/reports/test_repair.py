"""What a repair tells, for people and for programs."""

import json
from dataclasses import replace

from rafsight.reports.repair import (
    RemainingFinding,
    Repaired,
    RepairedFile,
    RepairedPackage,
    render_json,
    render_text,
)

DONE = Repaired(
    source="r.example/app:1",
    target="r.example/app:2",
    is_dry_run=False,
    platform="linux/amd64",
    old_digest="sha256:a",
    digest="sha256:b",
    manifest_digest="sha256:b",
    media_type="m",
    config_digest="sha256:c",
    bootstrap_digest="sha256:d",
    bootstrap_size=2_000_000,
    blob_digest="sha256:e",
    blob_size=1_500,
    new_chunks=1,
    reused_chunks=0,
    files=(RepairedFile(path=b"etc/a", change="replaced", kind="file", old_size=1, new_size=2_000),),
    packages=(),
    remaining=(),
    notes=(),
    old_objects=(("mounted", 2), ("present", 1)),
    bytes_fetched=2_100_000,
    bytes_sent=2_200_000,
    elapsed=1.26,
)


def file(path, change="added", old=None, new=1):
    return RepairedFile(path=path, change=change, kind="file", old_size=old, new_size=new)


def test_for_people():
    assert render_text(DONE) == (
        "replaced  /etc/a  1 B -> 2.0 kB\n"
        "\n"
        "Image      r.example/app:2\n"
        "Digest     sha256:b\n"
        "Blob       1.5 kB: 1 chunk of its own, 0 taken over\n"
        "Bootstrap  2.0 MB\n"
        "Old blobs  2 taken from the neighbour, 1 there already\n"
        "Cost       2.1 MB fetched, 2.2 MB sent, 1.3 s\n"
    )


def test_packages_findings_and_notes():
    package = RepairedPackage(
        kind="deb", name="lib\x1bc6", old_versions=("1", "2"), new_version="3", notes=("postinst was not run",),
        findings=("CVE-1", "CVE-2"),
    )  # fmt: skip
    stays = tuple(RemainingFinding(finding=f"CVE-{n}", package="x 1", why="no fix is known") for n in range(23))
    text = render_text(replace(DONE, files=(), packages=(package,), remaining=stays, notes=("seen", "seen")))
    lines = text.partition("\n\n")[0].splitlines()
    assert lines[:4] == [
        "deb       lib\\x1bc6  1, 2 -> 3",
        "          fixes CVE-1, CVE-2",
        "          postinst was not run",
        "23 findings of the report stay:",
    ]
    assert lines[-3:] == ["  CVE-19  x 1: no fix is known", "  and 3 more", "note: seen"]


def test_very_many_files_are_counted():
    files = (*(file(b"f%03d" % number) for number in range(30)), file(b"gone", "removed", 5, None))
    lines = render_text(replace(DONE, files=files)).partition("\n\n")[0].splitlines()
    assert len(lines) == 21
    assert lines[-1] == "and 11 more (30 added, 1 removed in all)"
    assert len(render_text(replace(DONE, files=files[:21])).partition("\n\n")[0].splitlines()) == 21


def test_hostile_names_do_no_harm():
    text = render_text(replace(DONE, files=(file(b"a\n\x1b[31m\xff"),), target="r\x1b", notes=("n\x07",)))
    assert "/a\\x0a\\x1b[31m\\xff" in text
    assert not {"\x1b", "\x07"} & set(text)


def test_what_was_not_pushed_is_marked():
    text = render_text(
        replace(DONE, is_dry_run=True, target="", digest="", blob_digest="", blob_size=0, old_objects=())
    )
    assert text.partition("\n\n")[2].splitlines() == [
        "Digest     sha256:b (not pushed)",
        "Blob       none is needed",
        "Bootstrap  2.0 MB",
        "Cost       2.1 MB fetched, 2.2 MB would be sent, 1.3 s",
    ]


def test_an_index_is_told_beside_its_manifest():
    text = render_text(replace(DONE, digest="sha256:index"))
    assert "Digest     sha256:index\nManifest   sha256:b\n" in text


def test_for_programs():
    files = (*DONE.files, file(b"\xff"))
    package = RepairedPackage(kind="npm", name="x", old_versions=("1",), new_version="2", notes=())
    text = render_json(replace(DONE, files=files, packages=(package,)))
    assert text.isascii()
    document = json.loads(text)
    assert document["schema_version"] == 1
    assert document["files"] == [
        {"path": "/etc/a", "change": "replaced", "kind": "file", "old_size": 1, "new_size": 2000},
        {"path": "/\\xff", "path_b64": "L/8=", "change": "added", "kind": "file", "old_size": None, "new_size": 1},
    ]
    assert document["packages"] == [
        {"kind": "npm", "name": "x", "old_versions": ["1"], "new_version": "2", "notes": [], "findings": []}
    ]
    assert document["old_objects"] == {"mounted": 2, "present": 1}
    assert set(document) >= {"digest", "blob_digest", "bytes_fetched", "bytes_sent", "elapsed", "remaining"}
