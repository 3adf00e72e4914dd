"""Package files for the findings of a report."""

import io
import json
from pathlib import Path

import pytest
from tests.formats.made_tables import Node, directory, symlink
from tests.reports import samples
from tests.verbs.repair.packages.support import applied, image_of, make_deb, make_tarball, make_wheel

import rafsight
from rafsight.reports.trivy_json import render_json
from rafsight.testing.registry import PLANTED
from rafsight.verbs.advisories import Advisories
from rafsight.verbs.repair.packages.choosing import choose_packages
from rafsight.verbs.repair.packages.faults import UnreadablePackage
from rafsight.verbs.repair.packages.replacing import package_changes
from rafsight.verbs.repair.packages.scan_report import MalformedReport, parse_report, read_report
from rafsight.verbs.scan.inventory import take_inventory
from rafsight.verbs.scan.scanning import scan_reference

ADVISORIES = Path(rafsight.__file__).parent / "testing/data/advisories"
TRIVY = Path(__file__).parents[3] / "golden/engines/trivy/report.json"
SITE = "usr/lib/python3.11/site-packages"


def flaw(name, package, installed, fixed, *, purl="", path=""):
    found = {"VulnerabilityID": name, "PkgName": package, "InstalledVersion": installed, "FixedVersion": fixed}
    return found | {"PkgPath": path, "PkgIdentifier": {"PURL": purl}}


def python(name, package, installed, fixed, site=SITE):
    path = f"{site}/{package}-{installed}.dist-info/METADATA"
    return flaw(name, package, installed, fixed, purl=f"pkg:pypi/{package}@{installed}", path=path)


def node(name, package, installed, fixed):
    return flaw(name, package, installed, fixed, purl=f"pkg:npm/{package}@{installed}")


def debian(name, package, installed, fixed, arch="amd64"):
    purl = f"pkg:deb/debian/{package}@{installed}?arch={arch}&distro=debian-12"
    return flaw(name, package, installed, fixed, purl=purl)


def report_of(*flaws, platform="linux/amd64", family="debian"):
    document = {
        "SchemaVersion": 2,
        "Metadata": {"OS": {"Family": family}},
        "Results": [{"Type": "x", "Vulnerabilities": list(flaws)}, {"Type": "empty"}],
        "Rafsight": {"Platform": platform},
    }
    return parse_report(json.dumps(document).encode())


def choose(folder, *flaws, **more):
    choice = choose_packages(report_of(*flaws, **more), folder)
    chosen = {(one.file.path.name, one.file.versions): list(one.findings) for one in choice.chosen}
    return chosen, {one.finding: one.why for one in choice.remaining}


def test_the_lowest_version_that_fixes_everything(tmp_path):
    for version in ("1.1", "1.2", "1.3", "2.0"):
        make_wheel(tmp_path, "demo", version, {})
    flaws = [python("A", "Demo", "1.0", "1.1"), python("B", "demo", "1.0", "1.2")]
    assert choose(tmp_path, *flaws) == ({("demo-1.2-py3-none-any.whl", ("1.0",)): ["A", "B"]}, {})


def test_what_stays_and_why(tmp_path):
    make_wheel(tmp_path, "demo", "1.1", {})
    make_wheel(tmp_path, "other", "1.0", {})
    make_wheel(tmp_path, "native", "2.0", {}, tags=["cp312-cp312-manylinux1_x86_64"])
    (tmp_path / "x.whl").write_bytes(b"none")
    (tmp_path / "notes.txt").write_bytes(b"")
    flaws = [
        python("A", "demo", "1.0", "1.1"),
        python("B", "demo", "1.0", "1.5"),
        python("C", "demo", "1.0", ""),
        python("D", "other", "1.0", "2"),
        python("E", "absent", "1.0", "2"),
        python("F", "native", "1.0", "2"),
        flaw("G", "curl", "8", "9", purl="pkg:apk/alpine/curl@8"),
        flaw("H", "go", "1", "2"),
    ]
    chosen, remaining = choose(tmp_path, *flaws)
    assert chosen == {("demo-1.1-py3-none-any.whl", ("1.0",)): ["A"]}
    assert remaining == {
        "B": "demo-1.1-py3-none-any.whl does not fix it: 1.5 is needed",
        "C": "no fix is known",
        "D": "other-1.0-py3-none-any.whl does not fix it: 2 is needed",
        "E": "the folder has no file of it",
        "F": "native-2.0-cp312-cp312-manylinux1_x86_64.whl does not fit: it is for cp312-cp312, and /usr/lib/python3.11/site-packages is for Python 3.11",
        "G": "packages of the kind 'apk' cannot be replaced",
        "H": "packages of the kind 'x' cannot be replaced",
    }
    choice = choose_packages(report_of(*flaws), tmp_path)
    assert [one.path.name for one in choice.unusable] == ["x.whl"]
    assert choice.remaining[0].package == "demo 1.0"


@pytest.mark.parametrize(
    ("fixes", "version", "enough"),
    [
        ("2.2.28, 3.2.13, 4.0.4", "3.2.13", True),
        ("2.2.28, 3.2.13, 4.0.4", "3.2.12", False),
        ("2.2.28, 3.2.13, 4.0.4", "4.0.3", False),
        ("2.2.28, 3.2.13, 4.0.4", "4.1.0", True),
        ("2.2.28, 3.2.13, 4.0.4", "3.1.0", False),
        ("2.2.28, 3.2.13, 4.0.4", "5.0", True),
        ("2.0.0, 2.0.1", "2.0.0", False),
        ("1.2.3, 1.4.7", "1.3.0", False),
        ("1!1.0", "2.0", False),
        ("what", "2.0", True),
    ],
)
def test_the_fix_of_a_files_own_branch_counts(tmp_path, fixes, version, enough):
    make_wheel(tmp_path, "demo", version, {})
    assert bool(choose(tmp_path, python("A", "demo", "0.1", fixes))[0]) is enough


def test_nothing_is_downgraded(tmp_path):
    make_wheel(tmp_path, "demo", "1.5", {})
    assert choose(tmp_path, python("A", "demo", "2.0", "1.4"))[0] == {}


def test_a_wheel_for_each_interpreter(tmp_path):
    for tag in ("cp311-cp311", "cp312-cp312"):
        for platform in ("manylinux1_x86_64", "manylinux1_aarch64", "musllinux_1_1_x86_64"):
            make_wheel(tmp_path, "demo", "2.0", {}, tags=[f"{tag}-{platform}"])
    flaws = [
        python("A", "demo", "1.0", "2"),
        python("A", "demo", "1.0", "2", site="srv/v/lib/python3.12/site-packages"),
    ]
    names = [f"demo-2.0-{tag}-musllinux_1_1_x86_64.whl" for tag in ("cp311-cp311", "cp312-cp312")]
    assert choose(tmp_path, *flaws, family="alpine")[0] == {(name, ("1.0",)): ["A"] for name in names}
    arm = choose(tmp_path, *flaws, platform="linux/arm64")[0]
    assert sorted(name for name, _ in arm) == [
        f"demo-2.0-{tag}-manylinux1_aarch64.whl" for tag in ("cp311-cp311", "cp312-cp312")
    ]


def test_node_packages_stay_in_their_major_version(tmp_path):
    for version in ("1.0.5", "1.9.0", "2.0.3", "3.0.0"):
        make_tarball(tmp_path, "demo", version)
    fixes = "1.0.5, 2.0.3"
    flaws = [
        node("A", "demo", "1.0.0", fixes),
        node("A", "demo", "2.0.0", fixes),
        node("B", "demo", "1.0.0", "1.1.0, 2.0.1"),
    ]
    assert choose(tmp_path, *flaws)[0] == {
        ("demo-1.9.0.tgz", ("1.0.0",)): ["A", "B"],
        ("demo-2.0.3.tgz", ("2.0.0",)): ["A"],
    }
    assert choose(tmp_path, node("A", "demo", "0.1.0", "0.2.0"))[0] == {("demo-1.0.5.tgz", ("0.1.0",)): ["A"]}


def test_debs_are_compared_by_their_source(tmp_path):
    make_deb(tmp_path, "demo", "7-1+b3", {}, fields=["Source: src (1.2-3)"])
    make_deb(tmp_path, "demo", "7-1+b4", {}, arch="arm64", fields=["Source: src (1.2-3)"])
    make_deb(tmp_path, "data", "2", {}, arch="all")
    flaws = [
        debian("A", "demo", "7-1+b2", "1.2-3"),
        debian("B", "demo", "7-1+b2", "1.3-1"),
        debian("C", "data", "1", "2", arch="all"),
    ]
    chosen, remaining = choose(tmp_path, *flaws)
    assert chosen == {("data_2_all.deb", ("1",)): ["C"], ("demo_7-1+b3_amd64.deb", ("7-1+b2",)): ["A"]}
    assert remaining == {"B": "demo_7-1+b3_amd64.deb does not fix it: 1.3-1 is needed"}
    _, remaining = choose(tmp_path, debian("A", "demo", "1", "2", arch="i386"))
    assert remaining == {"A": "demo_7-1+b3_amd64.deb does not fit: it is for amd64, and i386 is installed"}
    unsaid = flaw("A", "demo", "7-1+b2", "1.2-3", purl="pkg:deb/debian/demo@1")
    assert choose(tmp_path, unsaid, platform="linux/arm64/v8")[0] == {("demo_7-1+b4_arm64.deb", ("7-1+b2",)): ["A"]}


def test_reports_of_our_own_and_of_trivy_are_read():
    ours = parse_report(render_json(samples.PLANTED, created="2026-01-01T00:00:00Z").encode())
    found = {(one.kind, one.name, one.version, one.fixes) for one in ours.findings}
    assert ("deb", "openssl", "3.0.14-1~deb12u1", ("3.0.15-1~deb12u1",)) in found
    assert {one.kind for one in ours.findings} == {"wheel", "npm", "deb"}
    assert ours.family == "debian"
    theirs = parse_report(TRIVY.read_bytes())
    assert {one.kind for one in theirs.findings} == {"wheel", "npm", "deb"}
    assert (theirs.platform, theirs.family) == ("linux/amd64", "debian")
    assert any(one.fixes for one in theirs.findings)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "truncated"),
        (b"[]", "object"),
        (b"{}", "SchemaVersion"),
        (b'{"SchemaVersion": 1}', "schema is 1"),
        (b'{"SchemaVersion": 2, "Results": [{"Vulnerabilities": [{}]}]}', "VulnerabilityID"),
        (b'{"SchemaVersion": 2, "Results": "x"}', "array"),
        (b'{"SchemaVersion": 2, "Results": [{"Type": "\xff"}]}', "utf-8"),
        (b"[" * 100_000, "object"),
    ],
)
def test_what_is_no_report(content, why):
    with pytest.raises(MalformedReport, match=why):
        parse_report(content)


def test_a_report_that_does_not_end():
    content = b'{"SchemaVersion": 2}'
    assert read_report(io.BytesIO(content), max_size=len(content)).findings == ()
    with pytest.raises(MalformedReport, match="larger"):
        read_report(io.BytesIO(content), max_size=len(content) - 1)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UnreadablePackage):
        choose_packages(report_of(), tmp_path / "absent")


def test_from_a_scan_to_a_repaired_image(tmp_path):
    """Scan the planted image, choose, replace, scan again: what was fixed is gone, and nothing else changed."""
    database = tmp_path / "advisories.db"
    Advisories(database).take([ADVISORIES])
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    make_wheel(shelf, "requests", "2.32.4", {"requests/__init__.py": b"new"})
    make_wheel(shelf, "urllib3", "2.5.0", {"urllib3/__init__.py": b"new"})
    make_tarball(shelf, "lodash", "4.17.21", {"lodash.js": b"new"})
    make_deb(shelf, "busybox-static", "1:1.35.0-4+deb12u9", {"bin/busybox": b"new"}, fields=["Source: busybox"])
    with rafsight.open_image(f"oci:{PLANTED}:v6") as image:
        report = scan_reference(f"oci:{PLANTED}:v6", database=database)
        whole = image_of(nodes_of(image))
        choice = choose_packages(parse_report(render_json(report, created="").encode()), shelf)
        changed = [one.path for one in package_changes(image, [one.file for one in choice.chosen]).changes.puts]
    names = {one.name for one in choice.chosen}
    assert {"requests", "urllib3", "lodash"} <= names
    changes = package_changes(whole, [one.file for one in choice.chosen])
    assert [one.path for one in changes.changes.puts] == changed
    after, things = applied(whole, changes.changes)
    found = {(one.name, one.version) for one in take_inventory(after).components}
    before = {(one.name, one.version) for one in report.inventory.components}
    assert found - before == {(one.name, one.new_version) for one in changes.packages}
    assert {name for name, _ in before - found} == names
    assert not [path for path in things if b"requests-2.19.1" in path]


def nodes_of(image):
    """Copy an image into memory."""
    tree, nodes = image.tree, {}
    for row, path in enumerate(tree.paths()):
        one = tree.attributes(row)
        attributes = {"uid": one.uid, "gid": one.gid, "mtime": (one.mtime, one.mtime_nsec)}
        first = int(tree.entries.link_row[row])
        if first != row:
            nodes[path] = Node(same_as=tree.path(first))
        elif one.kind == "file":
            nodes[path] = Node(content=b"".join(image.read_file(row)), mode=one.mode, **attributes)
        elif one.kind == "directory":
            nodes[path] = directory(mode=one.mode & 0o7777, **attributes)
        elif one.kind == "symlink":
            nodes[path] = symlink(tree.target(row), **attributes)
    return nodes
