"""Packages of npm in place of their installed copies."""

import base64
import gzip
import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.formats.made_tables import Node, directory, symlink
from tests.verbs.repair.packages.support import (
    ARCHIVE_TIME,
    applied,
    contents,
    image_of,
    make_tar,
    make_tarball,
    node_package,
    versions,
)

from rafsight.matching.versions import UncomparableVersion
from rafsight.verbs.repair.packages.faults import InTheWay, MalformedPackage, NotInstalled, UnreadablePackage
from rafsight.verbs.repair.packages.npm_ranges import satisfies
from rafsight.verbs.repair.packages.replacing import PackageFile, npm_changes, package_changes

MODULES = b"app/node_modules"
OLD = node_package(
    MODULES + b"/demo", "demo", "1.0.0", {b"index.js": b"old", b"lib/gone.js": b"g", b"lib/stays.js": b"s"}
)


def replaced(files, tarball):
    before = image_of(files)
    change = npm_changes(before, tarball)
    after, things = applied(before, change.changes)
    return change, after, things


def test_old_files_go_and_new_ones_come(tmp_path):
    inner = node_package(MODULES + b"/demo/node_modules/inner", "inner", "3.0.0")
    tarball = make_tarball(tmp_path, "demo", "1.0.1", {"index.js": b"new", "lib/stays.js": b"s2", "new/x.js": b"x"})
    change, after, things = replaced(OLD | inner, tarball)
    below = contents(things, MODULES + b"/demo/")
    assert below.keys() == {
        *inner,
        MODULES + b"/demo/package.json",
        MODULES + b"/demo/index.js",
        MODULES + b"/demo/lib/stays.js",
        MODULES + b"/demo/new/x.js",
    }
    assert below[MODULES + b"/demo/index.js"] == b"new"
    assert versions(after, "demo") == ["1.0.1"]
    assert (change.kind, change.name, change.old_versions, change.new_version) == ("npm", "demo", ("1.0.0",), "1.0.1")
    assert change.notes == ()


def test_any_single_folder_will_do_and_links_are_left_out(tmp_path):
    members = [
        ("demo-1/", None, 0o755),
        ("demo-1/package.json", json.dumps({"name": "demo", "version": "2.0.0", "bin": "cli.js"}).encode(), 0o600),
        ("demo-1/cli.js", b"#!", 0o644),
        ("demo-1/run.sh", b"#!", 0o700),
        ("demo-1/twice", b"1", 0o644),
        ("demo-1/twice", b"2", 0o644),
        ("demo-1/link", (tarfile.SYMTYPE, "/etc/shadow"), 0o777),
        ("demo-1/hard", (tarfile.LNKTYPE, "demo-1/cli.js"), 0o777),
    ]
    path = tmp_path / "x.tgz"
    path.write_bytes(gzip.compress(make_tar(members)))
    change, _, things = replaced(OLD, path)
    modes = {name: thing.mode & 0o7777 for name, thing in things.items() if name.startswith(MODULES + b"/demo/")}
    assert modes == {
        MODULES + b"/demo/package.json": 0o644,
        MODULES + b"/demo/cli.js": 0o755,
        MODULES + b"/demo/run.sh": 0o755,
        MODULES + b"/demo/twice": 0o644,
    }
    assert things[MODULES + b"/demo/twice"].content == b"2"
    assert things[MODULES + b"/demo/twice"].mtime == ARCHIVE_TIME * 10**9
    assert any("2 links" in note for note in change.notes)
    assert any("another major version" in note for note in change.notes)


def test_owners_stay(tmp_path):
    files = {path: Node(content=content, uid=1000, gid=50) for path, content in OLD.items()}
    files[MODULES + b"/demo"] = directory(uid=1000, gid=50)
    _, _, things = replaced(files, make_tarball(tmp_path, "demo", "1.0.1", {"a/b.js": b""}))
    assert {things[MODULES + b"/demo/" + name].uid for name in (b"a", b"a/b.js", b"package.json")} == {1000}


def test_all_copies_that_are_not_newer(tmp_path):
    files = OLD | node_package(MODULES + b"/x/node_modules/demo", "demo", "0.9.0")
    files |= node_package(b"usr/lib/node_modules/npm/node_modules/demo", "demo", "3.0.0")
    files |= node_package(b"opt/vendor/demo", "demo", "1.0.0") | node_package(
        MODULES + b"/y/node_modules/demo", "else", "1.0.0"
    )
    change, after, _ = replaced(files, make_tarball(tmp_path, "demo", "1.0.1"))
    assert change.old_versions == ("1.0.0", "0.9.0")
    assert versions(after, "demo") == ["1.0.0", "1.0.1", "3.0.0"]
    notes = "\n".join(change.notes)
    assert "/usr/lib/node_modules/npm/node_modules/demo was left: it is 3.0.0" in notes
    assert "/opt/vendor/demo was left" in notes
    assert versions(after, "else") == ["1.0.0"]
    downgrade = replaced(OLD, make_tarball(tmp_path, "demo", "0.1.0"))[0]
    assert any("is older than 1.0.0" in note for note in downgrade.notes)


def test_versions_can_be_chosen(tmp_path):
    files = OLD | node_package(MODULES + b"/x/node_modules/demo", "demo", "2.0.0")
    tarballs = [make_tarball(tmp_path, "demo", version) for version in ("1.0.1", "2.0.1")]
    wanted = [
        PackageFile(kind="npm", path=tarballs[0], versions=("1.0.0",)),
        PackageFile(kind="npm", path=tarballs[1], versions=("2.0.0",)),
    ]
    image = image_of(files)
    changes = package_changes(image, wanted)
    _after, things = applied(image, changes.changes)
    assert json.loads(things[MODULES + b"/demo/package.json"].content)["version"] == "1.0.1"
    assert json.loads(things[MODULES + b"/x/node_modules/demo/package.json"].content)["version"] == "2.0.1"
    assert [one.old_versions for one in changes.packages] == [("1.0.0",), ("2.0.0",)]


def test_scoped_packages_and_pnpm(tmp_path):
    real = b"app/node_modules/.pnpm/@s+demo@1.0.0/node_modules/@s/demo"
    files = node_package(real, "@s/demo", "1.0.0", {b"old.js": b""})
    files |= {
        MODULES + b"/@s/demo": symlink(b"../.pnpm/@s+demo@1.0.0/node_modules/@s/demo"),
        b"app/pnpm-lock.yaml": b"y",
    }
    change, after, things = replaced(files, make_tarball(tmp_path, "@s/demo", "1.0.1"))
    assert versions(after, "@s/demo") == ["1.0.1"]
    assert real + b"/old.js" not in things
    assert things[MODULES + b"/@s/demo"].target
    assert "/app/pnpm-lock.yaml was left: it may still name 1.0.0" in change.notes


def lock(name, version, /, **more):
    url = f"https://registry.npmjs.org/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
    return {"version": version, "resolved": url, "integrity": "sha512-old", **more}


def test_lock_files_name_the_new_version(tmp_path):
    hidden = {
        "name": "app",
        "lockfileVersion": 3,
        "packages": {
            "node_modules/a": lock("a", "1.0.0"),
            "node_modules/demo": lock(
                "demo", "1.0.0", dependencies={"a": "1"}, license="MIT", deprecated="old", dev=True
            ),
            "node_modules/a/node_modules/demo": lock("demo", "0.5.0"),
            "node_modules/alias": lock("demo", "1.0.0", name="demo"),
        },
    }
    second = {
        "lockfileVersion": 2,
        "packages": {"": {"name": "ä", "dependencies": {"demo": "^1"}}, **hidden["packages"]},
    }
    second["dependencies"] = {
        "demo": {**lock("demo", "1.0.0"), "requires": {"a": "1"}},
        "a": {**lock("a", "1.0.0"), "dependencies": {"demo": lock("demo", "0.5.0")}},
    }
    files = (
        OLD
        | node_package(MODULES + b"/a/node_modules/demo", "demo", "0.5.0")
        | node_package(MODULES + b"/alias", "demo", "1.0.0")
    )
    files |= node_package(MODULES + b"/a", "a", "1.0.0")
    files[MODULES + b"/.package-lock.json"] = json.dumps(hidden, indent=2).encode() + b"\n"
    files[b"app/package-lock.json"] = json.dumps(second, indent="\t", ensure_ascii=False).encode()
    files[b"app/npm-shrinkwrap.json"] = b"{"
    tarball = make_tarball(
        tmp_path,
        "demo",
        "1.0.1",
        dependencies={"a": "^1.0.0"},
        bin={"d": "./x.js"},
        license="ISC",
        scripts={"postinstall": "x"},
    )
    change, after, things = replaced(files, tarball)
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    new = {**lock("demo", "1.0.1"), "integrity": integrity, "dependencies": {"a": "^1.0.0"}}
    new |= {"license": "ISC", "bin": {"d": "x.js"}, "hasInstallScript": True}
    text = things[MODULES + b"/.package-lock.json"].content
    assert text == json.dumps(json.loads(text), indent=2).encode() + b"\n"
    packages = json.loads(text)["packages"]
    assert packages["node_modules/demo"] == {**new, "dev": True}
    assert packages["node_modules/a/node_modules/demo"] == new
    assert packages["node_modules/alias"] == {**new, "name": "demo"}
    assert packages["node_modules/a"] == lock("a", "1.0.0")
    whole = things[b"app/package-lock.json"].content.decode()
    assert whole == json.dumps(json.loads(whole), indent="\t", ensure_ascii=False)
    second = json.loads(whole)
    assert second["packages"]["node_modules/demo"]["version"] == "1.0.1"
    assert second["packages"][""] == {"name": "ä", "dependencies": {"demo": "^1"}}
    assert second["dependencies"]["demo"] == {
        **lock("demo", "1.0.1"),
        "integrity": integrity,
        "requires": {"a": "^1.0.0"},
    }
    assert second["dependencies"]["a"]["dependencies"]["demo"]["version"] == "1.0.1"
    assert "/app/npm-shrinkwrap.json was left: it is no lock file that can be read" in change.notes
    assert "scripts of demo that were not run: postinstall" in change.notes
    assert versions(after, "demo") == ["1.0.1"]


def test_links_to_programs_follow(tmp_path):
    old = {b"cli.js": b"", b"same.js": b""}
    files = node_package(
        MODULES + b"/demo",
        "demo",
        "1.0.0",
        old,
        bin={"demo": "cli.js", "gone": "cli.js", "same": "same.js", "taken": "cli.js"},
    )
    files |= {
        MODULES + b"/.bin/demo": symlink(b"../demo/cli.js"),
        MODULES + b"/.bin/gone": symlink(b"../demo/cli.js"),
        MODULES + b"/.bin/same": symlink(b"../demo/same.js"),
        MODULES + b"/.bin/taken": symlink(b"../other/x.js"),
    }
    tarball = make_tarball(
        tmp_path,
        "demo",
        "1.0.1",
        {"bin/new.js": b"", "same.js": b""},
        bin={"demo": "bin/new.js", "same": "same.js", "more": "./bin/new.js", "taken": "bin/new.js"},
    )
    change, _, things = replaced(files, tarball)
    assert contents(things, MODULES + b"/.bin/") == {
        MODULES + b"/.bin/demo": b"../demo/bin/new.js",
        MODULES + b"/.bin/more": b"../demo/bin/new.js",
        MODULES + b"/.bin/same": b"../demo/same.js",
        MODULES + b"/.bin/taken": b"../other/x.js",
    }
    assert "/app/node_modules/.bin/taken was left: it is no link to demo" in change.notes
    assert things[MODULES + b"/demo/bin/new.js"].mode == 0o100755


def test_links_of_global_packages(tmp_path):
    files = node_package(b"usr/local/lib/node_modules/demo", "demo", "1.0.0", {b"cli.js": b""}, bin="cli.js")
    files[b"usr/local/bin/demo"] = symlink(b"../lib/node_modules/demo/cli.js")
    _, _, things = replaced(files, make_tarball(tmp_path, "demo", "1.0.1", {"m.js": b""}, bin="m.js"))
    assert things[b"usr/local/bin/demo"].target == b"../lib/node_modules/demo/m.js"


def test_dependencies_are_looked_up(tmp_path):
    files = OLD | node_package(MODULES + b"/a", "a", "1.0.0") | node_package(b"node_modules/b", "b", "2.5.0")
    files |= node_package(MODULES + b"/demo/node_modules/c", "c", "0.0.1") | node_package(MODULES + b"/c", "c", "9.0.0")
    wanted = {"a": "^1.2.0", "b": ">=2 <3", "c": "~9.0", "absent": "*", "a/../../etc": "1", "git": "git+ssh://x"}
    tarball = make_tarball(tmp_path, "demo", "1.0.1", dependencies=wanted, optionalDependencies={"absent2": "1"})
    notes = "\n".join(replaced(files | node_package(MODULES + b"/git", "git", "1.0.0"), tarball)[0].notes)
    assert "demo requires a ^1.2.0, and 1.0.0 is installed" in notes
    assert "demo requires c ~9.0, and 0.0.1 is installed" in notes
    assert "demo requires absent *, which" in notes
    assert "dependency git git+ssh://x is met was not looked at" in notes
    assert "requires b" not in notes
    assert "etc" not in notes


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([("package/index.js", b"", 0o644)], "no package.json"),
        ([("package/package.json", b"{", 0o644)], "package.json"),
        ([("package/package.json", b"[" * 100_000, 0o644)], "nested too deeply"),
        ([("package/package.json", b'{"name": "../x", "version": "1"}', 0o644)], "names no package"),
        ([("package/package.json", b'{"name": ".bin", "version": "1"}', 0o644)], "names no package"),
        ([("package/package.json", b'{"name": "demo", "version": 1}', 0o644)], "no version"),
        ([("package/package.json", b'{"name": "demo", "version": "1"}', 0o644), ("other/x", b"", 0o644)], "2 folders"),
        ([("../package/package.json", b"{}", 0o644)], "leads out of the root"),
        ([], "0 folders"),
    ],
)
def test_tarballs_that_lie_are_refused(tmp_path, members, why):
    path = tmp_path / "x.tgz"
    path.write_bytes(gzip.compress(make_tar(members)))
    with pytest.raises(MalformedPackage, match=why):
        npm_changes(image_of(OLD), path)


def test_unsound_tarballs(tmp_path):
    path = tmp_path / "x.tgz"
    with pytest.raises(UnreadablePackage):
        npm_changes(image_of(OLD), path)
    whole = make_tarball(tmp_path, "demo", "1.0.1", {"x": bytes(range(256)) * 40}).read_bytes()
    for at in range(1, len(whole) - 1, 11):
        path.write_bytes(whole[:at])
        with pytest.raises(MalformedPackage):
            npm_changes(image_of({}), path)
    with pytest.raises(NotInstalled, match="demo"):
        npm_changes(image_of({}), make_tarball(tmp_path, "demo", "1.0.1"))


def test_a_folder_of_packages_is_not_replaced_by_a_file(tmp_path):
    inner = node_package(MODULES + b"/demo/node_modules/inner", "inner", "3.0.0")
    with pytest.raises(InTheWay):
        npm_changes(image_of(OLD | inner), make_tarball(tmp_path, "demo", "1.0.1", {"node_modules": b"x"}))


RANGES = {
    "1.2.3": [
        "",
        "*",
        "x",
        "1",
        "1.x",
        "1.2.X",
        "^1.2.3",
        "^1",
        "~1.2.1",
        "~1",
        ">=1 <2",
        ">1.2.2",
        "<=1.2",
        "1.0.0 - 1.2",
        "=1.2.3",
        "v1.2.3",
        "0 || 1",
        "> 1.2.2",
        "~> 1.2",
        "^0 || ^1.1",
    ],
    "0.2.4": ["^0.2.3", "~0.2", "0.x", "^0", ">=0.2.4"],
    "1.2.3-beta.2": [">=1.2.3-beta.1", "^1.2.3-beta.1", "1.2.3-beta.2"],
}
NOT_RANGES = {
    "1.2.3": ["2", "^1.2.4", "~1.1", "<1", ">1", ">1.2", "<1.2.3", "1.3 - 2", "^0.2", "0.x || 2.x", "<*", ">2 || <1.0"],
    "0.2.4": ["^0.1", "^0.2.5", "^0.0.4", "~0.1.9", "^1"],
    "0.0.4": ["^0.0.3", "^0.0.5"],
    "1.2.3-beta.2": ["^1.2.2", "*", ">=1.2.3", ">1.2.3-beta.2", "<2", "^1.2.2-beta.1"],
}


@pytest.mark.parametrize(("expected", "table"), [(True, RANGES), (False, NOT_RANGES)])
def test_ranges(expected, table):
    for version, ranges in table.items():
        assert {text: satisfies(version, text) for text in ranges} == dict.fromkeys(ranges, expected), version


def test_what_is_no_range():
    assert [satisfies("1.0.0", text) for text in ("latest", "npm:x@1", "file:../x", "1 - ", "x" * 600)] == [None] * 5
    with pytest.raises(UncomparableVersion):
        satisfies("what", "1")


def test_ranges_mean_what_they_mean_to_npm():
    found = [
        Path(folder) / "semver"
        for folder in (
            "/usr/share/nodejs",
            "/usr/lib/node_modules/npm/node_modules",
            "/usr/local/lib/node_modules/npm/node_modules",
        )
    ]
    semver = next((path for path in found if path.is_dir()), None)
    if semver is None or shutil.which("node") is None:
        pytest.skip("needs npm's own semver as a judge")
    parts = ["1", "1.2", "1.2.3", "0", "0.1", "0.1.2", "0.0.3", "1.2.3-b.1", "*", "1.x", "2.0.0-0"]
    ranges = [operator + part for operator in ("", "^", "~", ">", ">=", "<", "<=", "=") for part in parts]
    ranges += [f"{low} - {high}" for low in parts for high in parts] + [">=1 <2 || ^0.1.1", "~> 1.2", "1.2 1.2.3", "||"]
    versions = [
        "0.0.3",
        "0.0.4",
        "0.1.0",
        "0.1.2",
        "0.2.0",
        "1.0.0",
        "1.2.0",
        "1.2.3",
        "1.2.3-a",
        "1.2.3-b.1",
        "1.2.3-b.2",
        "1.3.0",
        "2.0.0",
        "2.0.0-0",
        "2.0.0-a",
    ]
    script = "const s=require(process.argv[1]);const {r,v}=JSON.parse(require('fs').readFileSync(0));console.log(JSON.stringify(r.map(x=>v.map(y=>s.satisfies(y,x)))))"
    done = subprocess.run(
        ["node", "-e", script, str(semver)],
        input=json.dumps({"r": ranges, "v": versions}),
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = {
        text: dict(zip(versions, answers, strict=True))
        for text, answers in zip(ranges, json.loads(done.stdout), strict=True)
    }
    assert {text: {version: satisfies(version, text) for version in versions} for text in ranges} == theirs
