"""Wheels in place of installed distributions."""

import contextlib
import importlib.util
import subprocess
import sys
import zipfile

import pytest
from tests.formats.made_tables import Node, directory, symlink
from tests.verbs.repair.packages.support import (
    applied,
    contents,
    dpkg_image,
    image_of,
    installed,
    make_wheel,
    metadata,
    record_digest,
    record_of,
    versions,
)

from rafsight.verbs.repair.packages.faults import (
    InTheWay,
    MalformedPackage,
    NotInstalled,
    NotReplaceable,
    UnreadablePackage,
    WrongPackage,
)
from rafsight.verbs.repair.packages.replacing import PackageFile, package_changes, wheel_changes

SITE = b"usr/lib/python3.11/site-packages"
OLD = installed("demo", "1.0", {b"demo/__init__.py": b"old", b"demo/gone.py": b"gone", b"demo/sub/x.txt": b"x"})
NEW = {"demo/__init__.py": b"new", "demo/fresh/__init__.py": b"fresh"}


def replaced(files, wheel, **image):
    before = image_of(files, **image)
    change = wheel_changes(before, wheel)
    after, things = applied(before, change.changes)
    return change, after, things


def test_old_files_go_and_new_ones_come(tmp_path):
    cached = {
        SITE + b"/demo/__pycache__/gone.cpython-311.pyc": b"c",
        SITE + b"/demo/__pycache__/__init__.cpython-311.opt-1.pyc": b"c",
    }
    strange = {
        SITE + b"/demo/added.txt": b"by hand",
        SITE + b"/other.py": b"o",
        SITE + b"/__pycache__/other.cpython-311.pyc": b"p",
    }
    files = OLD | cached | strange
    change, after, things = replaced(files, make_wheel(tmp_path, "demo", "2.0", NEW))
    assert contents(things, SITE + b"/demo/") == {
        SITE + b"/demo/__init__.py": b"new",
        SITE + b"/demo/fresh/__init__.py": b"fresh",
        SITE + b"/demo/added.txt": b"by hand",
    }
    assert not {SITE + b"/demo/sub", SITE + b"/demo/__pycache__", SITE + b"/demo-1.0.dist-info"} & things.keys()
    assert things[SITE + b"/__pycache__/other.cpython-311.pyc"].content == b"p"
    assert versions(after, "demo") == ["2.0"]
    assert (change.kind, change.name, change.old_versions, change.new_version) == ("wheel", "demo", ("1.0",), "2.0")
    assert any("bytecode" in note for note in change.notes)


def test_the_record_lists_what_is_there(tmp_path):
    wheel = make_wheel(tmp_path, "demo", "2.0", NEW, more={"licenses/LICENSE": b"free"})
    _, _, things = replaced(OLD | {SITE + b"/demo-1.0.dist-info/REQUESTED": b""}, wheel)
    info = SITE + b"/demo-2.0.dist-info"
    record = record_of(things, info)
    there = dict(contents(things, SITE + b"/demo").items())
    assert {SITE + b"/" + name.encode() for name in record} == there.keys()
    for name, (digest, size) in record.items():
        content = there[SITE + b"/" + name.encode()]
        expected = ("", "") if name.endswith("/RECORD") else (record_digest(content), str(len(content)))
        assert (digest, size) == expected
    assert list(record) == sorted(record)
    assert things[info + b"/INSTALLER"].content == b"pip\n"
    assert things[info + b"/REQUESTED"].content == b""


def test_files_keep_owners_and_bits(tmp_path):
    files = {path: Node(content=content, uid=7, gid=8, mode=0o100640) for path, content in OLD.items()}
    files[SITE + b"/demo-1.0.dist-info"] = directory(uid=7, gid=8)
    files[SITE + b"/demo/__init__.py"] = Node(content=b"old", uid=9, gid=9, mode=0o100600, xattrs={b"user.k": b"v"})
    wheel = make_wheel(tmp_path, "demo", "2.0", NEW | {"demo/tool.sh": b"#!"}, executable=("demo/tool.sh",))
    _, _, things = replaced(files, wheel)
    init, fresh = things[SITE + b"/demo/__init__.py"], things[SITE + b"/demo/fresh/__init__.py"]
    assert (init.mode, init.uid, [one.name for one in init.xattrs]) == (0o100600, 9, [b"user.k"])
    assert (fresh.mode, fresh.uid, fresh.gid, fresh.mtime) == (0o100644, 7, 8, 1_700_000_000 * 10**9)
    assert things[SITE + b"/demo/fresh"].uid == 7
    assert things[SITE + b"/demo/tool.sh"].mode == 0o100755


def test_what_others_have_stays(tmp_path):
    shared = {b"demo/__init__.py": b"old", b"space/shared.py": b"s", b"space/own.py": b"o"}
    files = installed("demo", "1.0", shared) | installed("other", "3", {b"space/shared.py": b"s"})
    change, after, things = replaced(files, make_wheel(tmp_path, "demo", "2.0", NEW))
    assert things[SITE + b"/space/shared.py"].content == b"s"
    assert SITE + b"/space/own.py" not in things
    assert any("space/shared.py was left" in note for note in change.notes)
    assert versions(after, "other") == ["3"]


@pytest.mark.parametrize(("gone", "reads"), [({}, 0), ({b"demo/gone.py": b""}, 1)])
def test_other_records_are_only_read_where_something_goes(tmp_path, gone, reads):
    files = installed("demo", "1.0", {b"demo/__init__.py": b"old"} | gone) | installed("other", "3", {b"o.py": b"s"})
    image = image_of(files)
    wheel_changes(image, make_wheel(tmp_path, "demo", "2.0", NEW))
    assert image.reads.count(SITE + b"/demo-1.0.dist-info/RECORD") == 1
    assert image.reads.count(SITE + b"/other-3.dist-info/RECORD") == reads
    assert SITE + b"/other-3.dist-info/o.py" not in image.reads


def test_scripts_and_data(tmp_path):
    old = {
        b"demo.py": b"",
        b"../../../bin/demo": b"#!/opt/py/bin/python -E\nold",
        b"../../../bin/demo3.11": b"#!/opt/py/bin/python -E\n",
    }
    files = installed("demo", "1.0", old) | {b"usr/bin/python3.11": b"elf", b"usr/bin/stranger": b"s"}
    wheel = make_wheel(
        tmp_path,
        "demo",
        "2.0",
        {
            "demo.py": b"",
            "demo-2.0.data/scripts/tool": b"#!python\nimport demo\n",
            "demo-2.0.data/scripts/tool.sh": b"#!/bin/sh\n",
            "demo-2.0.data/data/share/demo/x": b"x",
            "demo-2.0.data/headers/demo.h": b"h",
            "demo-2.0.data/purelib/pure.py": b"p",
            "demo-2.0.data/platlib/plat.py": b"q",
        },
        more={"entry_points.txt": b"[console_scripts]\ndemo = demo.cli:Main.run [extra]\n\n[other]\nx = y\n"},
    )
    _, _, things = replaced(files, wheel)
    head = b"#!/opt/py/bin/python -E\n"
    assert things[b"usr/bin/tool"].content == head + b"import demo\n"
    assert things[b"usr/bin/tool.sh"].content == b"#!/bin/sh\n"
    assert things[b"usr/bin/demo"].content.startswith(head + b"import sys\n\nfrom demo.cli import Main\n")
    assert things[b"usr/bin/demo"].content == things[b"usr/bin/demo3.11"].content
    assert b"sys.exit(Main.run())" in things[b"usr/bin/demo"].content
    assert {things[b"usr/bin/" + name].mode for name in (b"tool", b"tool.sh", b"demo")} == {0o100755}
    assert things[b"usr/share/demo/x"].content == b"x"
    assert things[b"usr/include/python3.11/demo/demo.h"].content == b"h"
    assert {SITE + b"/pure.py", SITE + b"/plat.py", b"usr/bin/stranger"} <= things.keys()
    record = record_of(things, SITE + b"/demo-2.0.dist-info")
    assert record["../../../bin/tool"][0] == record_digest(head + b"import demo\n")
    assert {"../../../bin/demo3.11", "../../../share/demo/x", "pure.py"} <= record.keys()


def test_new_scripts_name_the_interpreter_that_is_there(tmp_path):
    wheel = make_wheel(tmp_path, "demo", "2.0", {}, more={"entry_points.txt": b"[gui_scripts]\ndemo=demo:run"})
    _, _, things = replaced(OLD | {b"usr/bin/python3": b"elf"}, wheel)
    assert things[b"usr/bin/demo"].content.startswith(b"#!/usr/bin/python3\n")
    _, _, things = replaced(OLD, wheel)
    assert things[b"usr/bin/demo"].content.startswith(b"#!/usr/bin/env python3\n")


def test_every_installation_is_replaced(tmp_path):
    venv = b"srv/app/.venv/lib/python3.12/site-packages"
    files = OLD | installed("Demo", "0.9", {b"demo/__init__.py": b"older"}, site=venv, installer=b"uv")
    change, after, things = replaced(files, make_wheel(tmp_path, "demo", "2.0", NEW))
    assert versions(after, "demo") == ["2.0"]
    assert {SITE + b"/demo-2.0.dist-info/METADATA", venv + b"/demo-2.0.dist-info/METADATA"} <= things.keys()
    assert change.old_versions == ("0.9", "1.0")
    assert things[venv + b"/demo-2.0.dist-info/INSTALLER"].content == b"uv\n"
    only = package_changes(
        image_of(files), [PackageFile(kind="wheel", path=make_wheel(tmp_path, "demo", "2.0", NEW), versions=("0.9",))]
    )
    assert only.packages[0].old_versions == ("0.9",)


def test_a_folder_filled_with_target(tmp_path):
    site = b"app/deps"
    files = installed("demo", "1.0", {b"demo.py": b"", b"../../bin/demo": b"#!/usr/bin/python\n"}, site=b"x/y/lib")
    files = {path.replace(b"x/y/lib", site).replace(b"x/bin", site + b"/bin"): one for path, one in files.items()}
    wheel = make_wheel(
        tmp_path, "demo", "2.0", {"demo.py": b"2"}, more={"entry_points.txt": b"[console_scripts]\nd=demo:x"}
    )
    _, _, things = replaced(files | {b"bin/demo": b"a stranger"}, wheel)
    assert site + b"/bin/demo" not in things
    assert things[site + b"/bin/d"].content.startswith(b"#!/usr/bin/python\n")
    assert things[b"bin/demo"].content == b"a stranger"
    assert "bin/d" in record_of(things, site + b"/demo-2.0.dist-info")


def test_links_are_followed_as_the_container_does(tmp_path):
    files = OLD | {b"lib64": symlink(b"usr/lib"), SITE + b"/demo/linked": symlink(b"/opt/there"), b"opt/there/x": b"y"}
    _, _, things = replaced(files, make_wheel(tmp_path, "demo", "2.0", NEW | {"demo/linked/new.py": b"n"}))
    assert things[b"opt/there/new.py"].content == b"n"
    assert SITE + b"/demo/linked/new.py" not in things


def test_a_hard_linked_file_gets_an_inode_of_its_own(tmp_path):
    files = dict(OLD) | {
        SITE + b"/demo/__init__.py": Node(content=b"old"),
        SITE + b"/zz/deep/other/name": Node(same_as=SITE + b"/demo/__init__.py"),
    }
    _, _, things = replaced(files, make_wheel(tmp_path, "demo", "2.0", NEW))
    assert things[SITE + b"/demo/__init__.py"].content == b"new"
    assert things[SITE + b"/zz/deep/other/name"].content == b"old"


def test_eggs_with_a_list_of_files(tmp_path):
    egg = SITE + b"/demo-1.0-py3.11.egg-info"
    files = {
        egg + b"/PKG-INFO": metadata("demo", "1.0"),
        egg + b"/installed-files.txt": b"../demo/__init__.py\n../demo/gone.py\nPKG-INFO\n",
        SITE + b"/demo/__init__.py": b"old",
        SITE + b"/demo/gone.py": b"old",
    }
    _, after, things = replaced(files, make_wheel(tmp_path, "demo", "2.0", NEW))
    assert versions(after, "demo") == ["2.0"]
    assert not {egg, SITE + b"/demo/gone.py"} & things.keys()


def test_what_cannot_be_replaced_is_said(tmp_path):
    wheel = make_wheel(tmp_path, "demo", "2.0", NEW)
    system = {path: one for path, one in OLD.items() if not path.endswith(b"RECORD")}
    with pytest.raises(NotReplaceable, match="no RECORD"):
        wheel_changes(image_of(system), wheel)
    with pytest.raises(NotReplaceable, match="rpm installed it"):
        wheel_changes(image_of(installed("demo", "1.0", {}, installer=b"rpm")), wheel)
    with pytest.raises(NotInstalled, match="demo"):
        wheel_changes(image_of(installed("demo-extra", "1.0", {})), wheel)
    owned = {"name": "python3-demo", "version": "1", "files": {SITE + b"/demo-1.0.dist-info/METADATA": b""}}
    with pytest.raises(NotReplaceable, match="the Debian package python3-demo installed it"):
        wheel_changes(image_of(dpkg_image(owned) | OLD), wheel)
    assert wheel_changes(image_of(dpkg_image({**owned, "files": {}}) | OLD), wheel)
    vendored = installed("demo", "1.0", {b"x.py": b""}, site=SITE + b"/pip/_vendor")
    with pytest.raises(NotReplaceable, match="brought along"):
        wheel_changes(image_of(vendored), wheel)
    change, _, things = replaced(OLD | vendored, wheel)
    assert any("_vendor" in note and "was left" in note for note in change.notes)
    assert SITE + b"/pip/_vendor/x.py" in things


def test_a_folder_of_others_is_not_replaced_by_a_file(tmp_path):
    with pytest.raises(InTheWay):
        wheel_changes(image_of(OLD | {SITE + b"/thing/x": b"x"}), make_wheel(tmp_path, "demo", "2.0", {"thing": b""}))


@pytest.mark.parametrize(
    ("tags", "files", "platform", "why"),
    [
        (["cp312-cp312-manylinux_2_17_x86_64"], {}, "linux/amd64", "cp312"),
        (["cp311-cp311-win_amd64"], {}, "linux/amd64", "Linux"),
        (["cp311-cp311-macosx_11_0_arm64"], {}, "linux/arm64", "Linux"),
        (["cp311-cp311-manylinux2014_aarch64"], {}, "linux/amd64", "aarch64"),
        (["cp311-cp311-manylinux2014_x86_64"], {}, "linux/arm64/v8", "x86_64"),
        (["cp311-cp311-musllinux_1_2_x86_64"], {b"lib64/ld-linux-x86-64.so.2": b""}, "linux/amd64", "musl"),
        (["cp311-cp311-manylinux1_x86_64"], {b"lib/ld-musl-x86_64.so.1": b""}, "linux/amd64", "glibc"),
        (["cp312-abi3-manylinux1_x86_64"], {}, "linux/amd64", "cp312"),
        (["pp311-pypy311_pp73-manylinux1_x86_64"], {}, "linux/amd64", "pp311"),
        (["py2-none-any"], {}, "linux/amd64", "py2"),
        (["cp313-cp313t-manylinux1_x86_64"], {}, "linux/amd64", "cp313t"),
    ],
)
def test_wheels_for_others_are_refused(tmp_path, tags, files, platform, why):
    wheel = make_wheel(tmp_path, "demo", "2.0", NEW, tags=tags)
    with pytest.raises(WrongPackage, match=why):
        wheel_changes(image_of(OLD | files, platform=platform), wheel)


@pytest.mark.parametrize(
    ("tags", "files", "platform"),
    [
        (["py2-none-any", "py3-none-any"], {}, "linux/amd64"),
        (
            ["cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"],
            {b"lib64/ld-linux-x86-64.so.2": b""},
            "linux/amd64",
        ),
        (["cp38-abi3-musllinux_1_1_aarch64"], {b"lib/ld-musl-aarch64.so.1": b""}, "linux/arm64"),
        (["cp311-cp311-linux_x86_64"], {}, ""),
        (["py39-none-any"], {}, "linux/s390x"),
    ],
)
def test_wheels_that_fit(tmp_path, tags, files, platform):
    assert wheel_changes(image_of(OLD | files, platform=platform), make_wheel(tmp_path, "demo", "2.0", NEW, tags=tags))


def test_the_python_that_a_wheel_wants(tmp_path):
    wheel = make_wheel(tmp_path, "demo", "2.0", NEW, lines=["Requires-Python: >=3.12"])
    with pytest.raises(WrongPackage, match="wants Python"):
        wheel_changes(image_of(OLD), wheel)


def test_debians_folder_belongs_to_the_interpreter_that_is_there(tmp_path):
    site = b"usr/lib/python3/dist-packages"
    files = installed("demo", "1.0", {b"demo.py": b""}, site=site) | {
        b"usr/bin/python3": symlink(b"python3.11"),
        b"usr/bin/python3.11": b"elf",
    }
    good = make_wheel(tmp_path, "demo", "2.0", {"demo.py": b"2"}, tags=["cp311-cp311-linux_x86_64"])
    assert replaced(files, good)[2][site + b"/demo.py"].content == b"2"
    with pytest.raises(WrongPackage):
        wheel_changes(image_of(files), make_wheel(tmp_path, "demo", "2.0", {}, tags=["cp310-cp310-linux_x86_64"]))


def test_requirements_are_looked_up(tmp_path):
    lines = [
        "Requires-Dist: urllib3 (>=2)",
        "Requires-Dist: idna>=2",
        "Requires-Dist: absent",
        'Requires-Dist: w; sys_platform=="win32"',
        'Requires-Dist: e; extra=="e"',
        "Requires-Dist: ???",
    ]
    files = OLD | installed("urllib3", "1.26", {}) | installed("idna", "3.4", {}, lines=["Requires-Dist: Demo>=1"])
    files |= installed("fine", "1", {}, lines=["Requires-Dist: demo <1"])
    change, _, _ = replaced(files, make_wheel(tmp_path, "demo", "0.9", NEW, lines=lines))
    notes = "\n".join(change.notes)
    assert "demo requires urllib3>=2, and 1.26 is installed" in notes
    assert "demo requires absent, which is not installed" in notes
    assert "0.9 is older than 1.0" in notes
    assert "???" in notes
    assert "idna requires Demo>=1, and 0.9 is installed" in notes
    assert "requires idna" not in notes
    assert "fine" not in notes
    assert "requires w" not in notes


def test_packages_that_need_each_other_are_replaced_together(tmp_path):
    files = OLD | installed("urllib3", "1.26", {b"urllib3.py": b""})
    wheels = [
        make_wheel(tmp_path, "demo", "2.0", NEW, lines=["Requires-Dist: urllib3>=2"]),
        make_wheel(tmp_path, "urllib3", "2.1", {"urllib3.py": b"2"}),
    ]
    image = image_of(files)
    change = package_changes(image, [PackageFile(kind="wheel", path=path) for path in wheels])
    assert not any("requires" in note for one in change.packages for note in one.notes)
    one_by_one = image
    for one in change.packages:
        one_by_one, things = applied(one_by_one, one.changes)
    assert things == applied(image, change.changes)[1]
    assert versions(one_by_one, "urllib3") == ["2.1"]


@pytest.mark.parametrize(
    ("kwargs", "why"),
    [
        ({"damage": {"demo/__init__.py": b"other"}}, "not what RECORD says"),
        ({"damage": {"demo/more.py": b""}}, "no sha256"),
        ({"damage": {"../evil.py": b""}}, "does not stay inside"),
        ({"damage": {"/evil.py": b""}}, "does not stay inside"),
        ({"damage": {"a\\b": b""}}, "does not stay inside"),
        ({"damage": {"demo-1.dist-info/METADATA": b""}}, "2 .dist-info folders"),
        ({"info": "else-2.0.dist-info"}, "not the name"),
        ({"info": "demo-3.0.dist-info"}, "not the name"),
        ({"damage": {"demo-2.0.dist-info/WHEEL": b"Wheel-Version: 2.0"}}, "version '2.0'"),
        ({"damage": {"demo-2.0.dist-info/METADATA": b"Name: demo\n"}}, "Invalid version"),
        ({"damage": {"demo-2.0.dist-info/RECORD": b'"'}}, "no sha256"),
        ({"more": {"entry_points.txt": b"[console_scripts]\nx = import os; os:evil"}}, "module and a function"),
        ({"more": {"entry_points.txt": b"[console_scripts]\n../x = a:b"}}, "cannot be called"),
        ({"more": {"entry_points.txt": b"x"}}, "entry_points"),
    ],
)
def test_wheels_that_lie_are_refused(tmp_path, kwargs, why):
    wheel = make_wheel(tmp_path, "demo", "2.0", NEW, **kwargs)
    with pytest.raises(MalformedPackage, match=why):
        wheel_changes(image_of(OLD), wheel)


def test_unsound_zips(tmp_path):
    path = tmp_path / "x.whl"
    with pytest.raises(UnreadablePackage):
        wheel_changes(image_of(OLD), path)
    path.write_bytes(b"no zip")
    with pytest.raises(MalformedPackage):
        wheel_changes(image_of(OLD), path)
    whole = make_wheel(tmp_path, "demo", "2.0", NEW).read_bytes()
    for at in range(0, len(whole) - 22, 7):  # wherever it is cut or damaged, it is an error of ours, or still sound
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with contextlib.suppress(MalformedPackage, NotInstalled):
            wheel_changes(image_of({}), path)
        path.write_bytes(whole[:at])
        with pytest.raises(MalformedPackage):
            wheel_changes(image_of({}), path)


def test_a_member_is_no_larger_than_it_says(tmp_path):
    bomb = {"bomb": bytes(1 << 20)}
    with zipfile.ZipFile(make_wheel(tmp_path, "demo", "2.0", bomb)) as archive:
        record = archive.read("demo-2.0.dist-info/RECORD").replace(b",1048576\n", b",\n")
    wheel = make_wheel(tmp_path, "demo", "2.0", bomb, damage={"demo-2.0.dist-info/RECORD": record})
    content = wheel.read_bytes()
    central = content.rfind(b"PK\x01\x02", 0, content.rfind(b"bomb"))
    wheel.write_bytes(content[: central + 24] + (1000).to_bytes(4, "little") + content[central + 28 :])
    with pytest.raises(MalformedPackage, match="bomb is damaged"):
        wheel_changes(image_of(OLD), wheel)


def test_a_wheel_that_changes_while_it_is_read_is_noticed(tmp_path):
    wheel = make_wheel(tmp_path, "demo", "2.0", NEW)
    change = wheel_changes(image_of(OLD), wheel)
    put = next(one for one in change.changes.puts if one.path.endswith(b"fresh/__init__.py"))
    content = wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        start = archive.getinfo("demo/fresh/__init__.py").header_offset
    wheel.write_bytes(content[: start + 55] + b"\0\0\0" + content[start + 58 :])
    with pytest.raises(MalformedPackage), put.content.open() as pieces:
        list(pieces)


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="needs pip as a judge")
def test_pip_puts_the_same_files_there(tmp_path):
    files = NEW | {"demo-2.0.data/scripts/tool": b"#!python\n", "demo-2.0.data/data/share/x": b"x", "top.py": b""}
    wheel = make_wheel(tmp_path, "demo", "2.0", files, more={"entry_points.txt": b"[console_scripts]\nd = demo:x\n"})
    root = tmp_path / "root"
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-compile", "--quiet"]
    command += ["--disable-pip-version-check", "--no-warn-script-location", "--root-user-action", "ignore"]
    subprocess.run(
        [*command, "--prefix", str(root), str(wheel.rename(tmp_path / "demo-2.0-py3-none-any.whl"))], check=True
    )
    site = next(root.glob("lib*/python*/site-packages"))
    theirs = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    theirs -= {f"{site.relative_to(root)}/demo-2.0.dist-info/{name}" for name in ("direct_url.json", "REQUESTED")}
    prefix = site.relative_to(root).as_posix().encode()
    old = installed("demo", "1.0", {b"demo/__init__.py": b""}, site=prefix)
    tagged = tmp_path / "demo-2.0-py3-none-any.whl"
    _, _, things = replaced(old, tagged)
    assert {path.decode() for path in contents(things)} == theirs
    ours = record_of(things, prefix + b"/demo-2.0.dist-info")
    with (site / "demo-2.0.dist-info/RECORD").open() as record:
        pips = dict(line.rstrip("\n").split(",", 1) for line in record)
    same = set(pips) - {"../../../bin/tool", "../../../bin/d"}
    assert {name: ",".join(ours[name]) for name in same & set(ours)} == {name: pips[name] for name in same & set(ours)}
    assert set(ours) == set(pips) - {"demo-2.0.dist-info/direct_url.json", "demo-2.0.dist-info/REQUESTED"}
