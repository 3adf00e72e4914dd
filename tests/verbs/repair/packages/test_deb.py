"""Debian packages in place of the installed ones."""

import bz2
import hashlib
import lzma
import os
import shutil
import subprocess
import tarfile

import pytest
import zstandard
from tests.formats.made_tables import Node, directory, symlink
from tests.verbs.repair.packages.support import (
    applied,
    contents,
    dpkg_image,
    image_of,
    make_ar,
    make_deb,
    make_tar,
    versions,
)

from rafsight.verbs.repair.packages.faults import (
    InTheWay,
    MalformedPackage,
    MalformedPackageDatabase,
    NotInstalled,
    UnreadablePackage,
    WrongPackage,
)
from rafsight.verbs.repair.packages.replacing import PackageFile, deb_changes, package_changes

STATUS = b"var/lib/dpkg/status"
INFO = b"var/lib/dpkg/info/"
OLD = {
    "name": "demo",
    "version": "1.0-1",
    "files": {b"usr/bin/demo": b"old", b"usr/lib/demo/gone": b"g", b"usr/share/demo/x": b"x"},
}
NEW = {"usr/bin/demo": b"new", "usr/share/demo/x": b"x2", "usr/share/demo/y": b"y"}


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def replaced(files, deb):
    before = image_of(files)
    change = deb_changes(before, deb)
    after, things = applied(before, change.changes)
    return change, after, things


def packed(content):
    return zstandard.ZstdCompressor().compress(content)


@pytest.mark.parametrize(
    ("pack", "suffix"), [(lzma.compress, b".xz"), (packed, b".zst"), (bytes, b"")], ids=["xz", "zstd", "plain"]
)
def test_old_files_go_and_new_ones_come(tmp_path, pack, suffix):
    other = {"name": "other", "version": "3", "files": {b"usr/lib/other": b"o"}}
    deb = make_deb(tmp_path, "demo", "1.0-2", NEW, fields=["Section: web"], pack=pack, suffix=suffix)
    change, after, things = replaced(dpkg_image(other, OLD, {**other, "name": "third", "files": {}}), deb)
    assert contents(things, b"usr/") == {
        b"usr/bin/demo": b"new",
        b"usr/lib/other": b"o",
        b"usr/share/demo/x": b"x2",
        b"usr/share/demo/y": b"y",
    }
    assert b"usr/lib/demo" not in things
    assert things[b"usr/bin/demo"].mode == 0o100755
    assert (
        things[INFO + b"demo.list"].content
        == b"/.\n/usr\n/usr/bin\n/usr/share\n/usr/share/demo\n/usr/bin/demo\n/usr/share/demo/x\n/usr/share/demo/y\n"
    )
    sums = "".join(f"{md5(content)}  {name}\n" for name, content in NEW.items())
    assert things[INFO + b"demo.md5sums"].content.decode() == sums
    assert versions(after, "demo") == ["1.0-2"]
    assert versions(after, "other") == versions(after, "third") == ["3"]
    stanza = b"\n\n".join(
        [
            b"Package: other\nStatus: install ok installed\nMaintainer: M <m@debian.org>\nArchitecture: amd64\nVersion: 3\nDescription: old\n text",
            b"Package: demo\nStatus: install ok installed\nSection: web\nMaintainer: M <m@debian.org>\nArchitecture: amd64\nVersion: 1.0-2\nDescription: short\n long",
            b"Package: third\nStatus: install ok installed\nMaintainer: M <m@debian.org>\nArchitecture: amd64\nVersion: 3\nDescription: old\n text\n",
        ]
    )
    assert things[STATUS].content == stanza
    assert (change.kind, change.name, change.old_versions, change.new_version) == ("deb", "demo", ("1.0-1",), "1.0-2")
    assert change.notes == ()


def test_paths_are_those_that_the_container_sees(tmp_path):
    merged = {b"bin": symlink(b"usr/bin"), b"lib": symlink(b"usr/lib")}
    old = {
        **OLD,
        "files": {b"bin/demo": b"old", b"lib/demo/a": b"a"},
        "real": {b"bin/demo": b"usr/bin/demo", b"lib/demo/a": b"usr/lib/demo/a"},
    }
    deb = make_deb(tmp_path, "demo", "2", {"usr/bin/demo": b"new", "lib/demo/b": b"b"})
    _, _, things = replaced(dpkg_image(old, more=merged), deb)
    assert contents(things, b"usr/") == {b"usr/bin/demo": b"new", b"usr/lib/demo/b": b"b"}
    assert things[b"bin"].target == b"usr/bin"


def test_what_others_have_stays(tmp_path):
    old = {**OLD, "files": {b"usr/share/both/a": b"1", b"usr/share/both/b": b"2", b"usr/share/empty/c": b"3"}}
    other = {"name": "other", "version": "3", "files": {b"usr/share/both/a": b"1", b"usr/share/empty": directory()}}
    change, _, things = replaced(dpkg_image(old, other), make_deb(tmp_path, "demo", "2", {}))
    assert b"usr/share/both/a" in things
    assert b"usr/share/both/b" not in things
    assert b"usr/share/empty" in things
    assert "/usr/share/both/a was left: other has it, too" in change.notes


def test_a_file_of_another_package_is_not_overwritten_unless_the_package_replaces_it(tmp_path):
    other = {"name": "other", "version": "3", "files": {b"usr/bin/taken": b"theirs"}}
    files = dpkg_image(OLD, other)
    with pytest.raises(WrongPackage, match="/usr/bin/taken belongs to other"):
        deb_changes(image_of(files), make_deb(tmp_path, "demo", "2", {"usr/bin/taken": b""}))
    with pytest.raises(WrongPackage):
        deb_changes(
            image_of(files), make_deb(tmp_path, "demo", "2", {"usr/bin/taken": b""}, fields=["Replaces: other (<< 3)"])
        )
    change, _, things = replaced(
        files, make_deb(tmp_path, "demo", "2", {"usr/bin/taken": b"ours"}, fields=["Replaces: x, other (<<4)"])
    )
    assert things[b"usr/bin/taken"].content == b"ours"
    assert things[INFO + b"other.list"].content == b"/.\n/usr\n/usr/bin\n"
    assert b"Replaces: x, other (<< 4)\n" in things[STATUS].content
    assert "/usr/bin/taken was taken over from other" in change.notes


def test_configuration_files(tmp_path):
    old = {name: b"old " + name for name in (b"same", b"edited", b"deleted", b"plain", b"obsolete", b"calm")}
    lines = ["Conffiles:", *(f" /etc/{name.decode()} {md5(content)}" for name, content in old.items())]
    files = {b"etc/" + name: content for name, content in old.items()}
    package = {**OLD, "files": files, "fields": lines, "info": {b"conffiles": b"x"}}
    image = dpkg_image(package)
    image[b"etc/edited"] = Node(content=b"mine", mode=0o100600, uid=5)
    image[b"etc/calm"] = b"mine, too"
    image[b"etc/plain"] = Node(content=old[b"plain"], mode=0o100640, uid=5)
    del image[b"etc/deleted"]
    image[b"etc/foreign"] = b"was here before"
    new = {
        b"same": old[b"same"],
        b"edited": b"new",
        b"deleted": b"new",
        b"plain": b"new",
        b"fresh": b"f",
        b"calm": old[b"calm"],
        b"foreign": b"new",
    }
    control = {"conffiles": b"".join(b"/etc/%s\n" % name for name in new) + b"remove-on-upgrade /etc/away\n"}
    deb = make_deb(
        tmp_path, "demo", "2", {f"etc/{name.decode()}": content for name, content in new.items()}, control=control
    )
    change, _, things = replaced(image, deb)
    assert contents(things, b"etc/") == {
        b"etc/same": b"old same",
        b"etc/edited": b"mine",
        b"etc/edited.dpkg-dist": b"new",
        b"etc/deleted.dpkg-dist": b"new",
        b"etc/plain": b"new",
        b"etc/fresh": b"f",
        b"etc/calm": b"mine, too",
        b"etc/foreign": b"was here before",
        b"etc/foreign.dpkg-dist": b"new",
        b"etc/obsolete": b"old obsolete",
    }
    assert (things[b"etc/plain"].mode, things[b"etc/plain"].uid) == (0o100640, 5)
    beside = things[b"etc/edited.dpkg-dist"]
    assert (beside.mode, beside.uid) == (0o100600, 5)
    assert "/etc/edited was changed in the image and kept: see /etc/edited.dpkg-dist" in change.notes
    assert "/etc/deleted was removed in the image and not put back: see /etc/deleted.dpkg-dist" in change.notes
    field = things[STATUS].content.partition(b"Conffiles:")[2].partition(b"Description")[0].decode()
    assert (
        field
        == "".join(f"\n /etc/{name.decode()} {md5(content)}" for name, content in new.items())
        + f"\n /etc/obsolete {md5(old[b'obsolete'])} obsolete\n"
    )
    assert things[INFO + b"demo.list"].content.endswith(b"/etc/obsolete\n")
    assert things[INFO + b"demo.conffiles"].content == control["conffiles"]
    notes = "\n".join(change.notes)
    for name in ("edited", "foreign", "obsolete", "away", "deleted"):
        assert f"/etc/{name} was" in notes


def test_scripts_are_named_and_not_run(tmp_path):
    info = {b"prerm": b"#!", b"postinst": b"#!old", b"templates": b"t"}
    control = {"postinst": b"#!new", "triggers": b"activate-noawait ldconfig\ninterest x\n", "shlibs": b"s"}
    change, _, things = replaced(
        dpkg_image({**OLD, "info": info}), make_deb(tmp_path, "demo", "2", NEW, control=control)
    )
    assert "scripts of demo that were not run: postinst of 2, prerm of 1.0-1" in change.notes
    assert "triggers of demo that were not set off: ldconfig" in change.notes
    assert things[INFO + b"demo.postinst"].content == b"#!new"
    assert things[INFO + b"demo.postinst"].mode == 0o100755
    assert {INFO + b"demo.triggers", INFO + b"demo.shlibs"} <= things.keys()
    assert not {INFO + b"demo.prerm", INFO + b"demo.templates"} & things.keys()


def test_the_control_files_own_sums_are_kept(tmp_path):
    _, _, things = replaced(dpkg_image(OLD), make_deb(tmp_path, "demo", "2", NEW, control={"md5sums": b"abc  x\n"}))
    assert things[INFO + b"demo.md5sums"].content == b"abc  x\n"


def test_links_devices_and_folders_that_are_there(tmp_path):
    files = dpkg_image(
        OLD, more={b"usr/share": directory(mode=0o700, uid=3), b"opt/real/x": b"", b"opt/link": symlink(b"real")}
    )
    deb = make_deb(
        tmp_path,
        "demo",
        "2",
        {
            "usr/bin/demo": b"new",
            "usr/bin/soft": (tarfile.SYMTYPE, "demo"),
            "usr/bin/hard": (tarfile.LNKTYPE, "./usr/bin/demo"),
            "usr/bin/pipe": (tarfile.FIFOTYPE, ""),
            "opt/real": (tarfile.SYMTYPE, "elsewhere"),
            "opt/link": None,
            "usr/share/empty": None,
        },
    )
    change, _, things = replaced(files, deb)
    assert (things[b"usr/share"].mode, things[b"usr/share"].uid) == (0o40700, 3)
    assert things[b"usr/bin/soft"].target == b"demo"
    assert things[b"usr/bin/hard"] is things[b"usr/bin/demo"]
    assert things[b"opt/link"].target == b"real"
    assert b"opt/real/x" in things
    assert b"usr/share/empty" in things
    assert any("opt/real stays a folder" in note for note in change.notes)


def test_a_folder_of_others_is_not_replaced_by_a_file(tmp_path):
    with pytest.raises(InTheWay):
        deb_changes(image_of(dpkg_image(OLD, more={b"opt/x/y": b""})), make_deb(tmp_path, "demo", "2", {"opt/x": b""}))


def test_hard_links_become_files_of_their_own(tmp_path):
    files = dpkg_image(OLD) | {b"usr/bin/demo": b"old", b"usr/bin/hard": Node(same_as=b"usr/bin/demo")}
    files[INFO + b"demo.list"] = b"/usr/bin/demo\n/usr/bin/hard\n"
    _, _, things = replaced(files, make_deb(tmp_path, "demo", "2", {"usr/bin/demo": b"one", "usr/bin/hard": b"two"}))
    assert contents(things, b"usr/bin/") == {b"usr/bin/demo": b"one", b"usr/bin/hard": b"two"}


def test_architectures(tmp_path):
    same = ["Multi-Arch: same"]
    amd = {
        "name": "libd",
        "version": "1",
        "arch": "amd64",
        "files": {b"usr/share/d": b"1", b"usr/lib/x86/d": b"1"},
        "base": "libd:amd64",
    }
    arm = {
        "name": "libd",
        "version": "1",
        "arch": "arm64",
        "files": {b"usr/share/d": b"1", b"usr/lib/arm/d": b"1"},
        "base": "libd:arm64",
    }
    deb = make_deb(tmp_path, "libd", "2", {"usr/lib/x86/e": b"2"}, fields=same)
    _, after, things = replaced(dpkg_image(amd, arm), deb)
    assert versions(after, "libd") == ["1", "2"]
    assert {b"usr/share/d", b"usr/lib/arm/d", b"usr/lib/x86/e", INFO + b"libd:amd64.list"} <= things.keys()
    assert b"usr/lib/x86/d" not in things
    with pytest.raises(WrongPackage, match="is there for amd64, arm64"):
        deb_changes(image_of(dpkg_image(amd, arm)), make_deb(tmp_path, "libd", "2", {}, arch="i386", fields=same))
    with pytest.raises(WrongPackage, match="is for arm64"):
        deb_changes(image_of(dpkg_image(OLD)), make_deb(tmp_path, "demo", "2", {}, arch="arm64"))
    _, _, things = replaced(dpkg_image(OLD), make_deb(tmp_path, "demo", "2", NEW, arch="all"))
    assert b"Architecture: all\n" in things[STATUS].content
    _, _, things = replaced(dpkg_image(amd), make_deb(tmp_path, "libd", "2", {}))
    assert INFO + b"libd.list" in things
    assert INFO + b"libd:amd64.list" not in things
    _, _, things = replaced(
        dpkg_image({**amd, "base": "libd"}, format_=b"0\n"), make_deb(tmp_path, "libd", "2", {}, fields=same)
    )
    assert INFO + b"libd.list" in things


def test_what_is_not_installed(tmp_path):
    deb = make_deb(tmp_path, "demo", "2", NEW)
    for files in ({}, dpkg_image({**OLD, "status": "deinstall ok config-files"}), dpkg_image({**OLD, "name": "demo2"})):
        with pytest.raises(NotInstalled, match="demo"):
            deb_changes(image_of(files), deb)
    with pytest.raises(NotInstalled):
        package_changes(image_of(dpkg_image(OLD)), [PackageFile(kind="deb", path=deb, versions=("0.5",))])


def test_holds_and_downgrades(tmp_path):
    change, _, things = replaced(
        dpkg_image({**OLD, "status": "hold ok installed"}), make_deb(tmp_path, "demo", "1.0~rc1", NEW)
    )
    assert b"Status: hold ok installed\n" in things[STATUS].content
    assert "demo 1.0~rc1 is older than 1.0-1, which was installed" in change.notes


def test_databases_without_lists(tmp_path):
    files = dpkg_image({**OLD, "info": {b"md5sums": b"0" * 32 + b"  usr/lib/demo/gone\n"}})
    del files[INFO + b"demo.list"]
    change, _, things = replaced(files, make_deb(tmp_path, "demo", "2", NEW))
    assert b"usr/lib/demo/gone" not in things
    del files[INFO + b"demo.md5sums"]
    change, _, things = replaced(files, make_deb(tmp_path, "demo", "2", NEW))
    assert b"usr/lib/demo/gone" in things
    assert "nothing says which files demo had: none was removed" in change.notes


def test_distroless(tmp_path):
    single = b"var/lib/dpkg/status.d/"
    files = {
        single + b"demo": b"Package: demo\nVersion: 1\nArchitecture: amd64\nMaintainer: x\n",
        single + b"demo.md5sums": b"%s  usr/lib/old\n%s  usr/lib/both\n" % (b"0" * 32, b"0" * 32),
        single + b"other": b"Package: other\nVersion: 1\nArchitecture: amd64\n",
        single + b"other.md5sums": b"%s  usr/lib/both\n" % (b"0" * 32),
        b"usr/lib/old": b"o",
        b"usr/lib/both": b"b",
        b"etc/demo": b"x",
    }
    deb = make_deb(
        tmp_path,
        "demo",
        "2",
        {"usr/lib/new": b"n", "etc/demo": b"y"},
        control={"conffiles": b"/etc/demo\n", "postinst": b""},
    )
    change, after, things = replaced(files, deb)
    assert versions(after, "demo") == ["2"]
    assert contents(things, b"usr/") == {b"usr/lib/both": b"b", b"usr/lib/new": b"n"}
    assert things[b"etc/demo"].content == b"y"
    assert things[single + b"demo"].content.startswith(b"Package: demo\nMaintainer: M")
    assert b"Status" not in things[single + b"demo"].content
    assert things[single + b"demo.md5sums"].content.decode() == f"{md5(b'n')}  usr/lib/new\n{md5(b'y')}  etc/demo\n"
    assert b"var/lib/dpkg/info" not in things
    assert any("postinst of 2" in note for note in change.notes)


def test_filters_diversions_and_overrides(tmp_path):
    more = {
        b"etc/dpkg/dpkg.cfg.d/docker": b"# x\npath-exclude /usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\npath-exclude /usr/share/man/*\n",
        b"etc/dpkg/dpkg.cfg.d/ignored.bak": b"path-exclude /usr/bin/*\n",
        b"usr/share/man/there": b"old",
        b"usr/bin/tool.real": b"old",
        b"var/lib/dpkg/diversions": b"/usr/bin/tool\n/usr/bin/tool.real\nwrapper\n",
        b"var/lib/dpkg/statoverride": b"root staff 2755 /usr/bin/demo\n",
    }
    old = {
        **OLD,
        "files": {
            b"usr/bin/demo": Node(content=b"old", mode=0o102755, gid=50),
            b"usr/bin/tool": b"",
            b"usr/share/man/there": b"old",
        },
        "real": {b"usr/bin/tool": b"usr/bin/tool.real"},
    }
    files = dpkg_image(old, more=more) | {b"usr/bin/tool": b"wrapper"}
    new = {
        "usr/bin/demo": b"new",
        "usr/bin/tool": b"newtool",
        "usr/share/doc/demo/copyright": b"c",
        "usr/share/doc/demo/changelog": b"l",
        "usr/share/man/there": b"m",
        "usr/share/man/new": b"m",
    }
    _, _, things = replaced(files, make_deb(tmp_path, "demo", "2", new))
    assert contents(things, b"usr/") == {
        b"usr/bin/demo": b"new",
        b"usr/bin/tool": b"wrapper",
        b"usr/bin/tool.real": b"newtool",
        b"usr/share/doc/demo/copyright": b"c",
        b"usr/share/man/there": b"m",
    }
    assert (things[b"usr/bin/demo"].mode, things[b"usr/bin/demo"].gid) == (0o102755, 50)
    assert b"/usr/share/doc/demo/changelog\n" in things[INFO + b"demo.list"].content


def test_alternatives_and_capabilities(tmp_path):
    more = {b"etc/alternatives/x": symlink(b"/usr/lib/demo/gone"), b"etc/alternatives/y": symlink(b"/usr/bin/demo")}
    old = {
        **OLD,
        "files": OLD["files"] | {b"usr/bin/demo": Node(content=b"old", xattrs={b"security.capability": b"\1"})},
    }
    change, _, things = replaced(dpkg_image(old, more=more), make_deb(tmp_path, "demo", "2", NEW))
    assert "the alternative x leads to /usr/lib/demo/gone, which is gone" in change.notes
    assert not any("alternative y" in note for note in change.notes)
    assert "/usr/bin/demo keeps its capabilities, which scripts had given it" in change.notes
    assert [one.name for one in things[b"usr/bin/demo"].xattrs] == [b"security.capability"]


def test_relations_are_looked_up(tmp_path):
    others = [
        {"name": "liba", "version": "1.5", "files": {}, "fields": ["Provides: virtual (= 2), plain"]},
        {"name": "needy", "version": "1", "files": {}, "fields": ["Depends: demo (= 1.0-1) | x, demo (>> 0)"]},
        {"name": "foe", "version": "1", "files": {}, "fields": ["Breaks: demo (>= 2)"]},
    ]
    fields = [
        "Depends: liba (>= 1.4), liba (>= 2) | b, virtual (>= 2), plain, absent:any",
        "Pre-Depends: plain (>= 1)",
        "Conflicts: liba (<< 2)",
    ]
    change, _, _things = replaced(dpkg_image(OLD, *others), make_deb(tmp_path, "demo", "2", NEW, fields=fields))
    assert set(change.notes) == {
        "demo depends on liba (>= 2) | b, which is not installed in that version",
        "demo depends on absent:any, which is not installed in that version",
        "demo depends on plain (>= 1), which is not installed in that version",
        "demo conflicts liba (<< 2), and liba is installed",
        "needy depends on demo (= 1.0-1) | x, which is not installed in that version",
        "foe breaks demo (>= 2), and demo is installed",
    }


def test_packages_that_need_each_other_are_replaced_together(tmp_path):
    other = {"name": "libdemo", "version": "1.0-1", "files": {b"usr/share/demo/x": b"x", b"usr/lib/libdemo": b"o"}}
    old = {**OLD, "fields": ["Depends: libdemo (= 1.0-1)"]}
    debs = [
        make_deb(tmp_path, "demo", "2", {"usr/bin/demo": b"new"}, fields=["Depends: libdemo (= 2)"]),
        make_deb(tmp_path, "libdemo", "2", {"usr/lib/libdemo": b"new", "usr/lib/demo/gone": b"moved"}),
    ]
    image = image_of(dpkg_image(old, other))
    change = package_changes(image, [PackageFile(kind="deb", path=path) for path in debs])
    assert not any("depends" in note for one in change.packages for note in one.notes)
    one_by_one = image
    for one in change.packages:
        one_by_one, things = applied(one_by_one, one.changes)
    together, whole = applied(image, change.changes)
    assert things == whole
    assert contents(whole, b"usr/") == {
        b"usr/bin/demo": b"new",
        b"usr/lib/libdemo": b"new",
        b"usr/lib/demo/gone": b"moved",
    }
    assert versions(together, "demo") == versions(together, "libdemo") == ["2"]


GOOD = [("./control", b"Package: demo\nVersion: 1\nArchitecture: amd64\n", 0o644)]


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([(b"debian-binary", b"3.0\n")], "format 2"),
        ([(b"data.tar", b"")], "debian-binary is not where"),
        ([(b"debian-binary", b"2.0\n"), (b"data.tar", b"")], "control.tar is not where"),
        ([(b"debian-binary", b"2.0\n"), (b"control.tar", make_tar([])), (b"data.tar", b"")], "no control file"),
        (
            [
                (b"debian-binary", b"2.0\n"),
                (b"control.tar", make_tar([("control", b"Package: ../x\nVersion: 1\nArchitecture: all", 0)])),
            ],
            "names no package",
        ),
        (
            [
                (b"debian-binary", b"2.0\n"),
                (b"control.tar", make_tar([("control", b"Package: xx\nVersion: -\nArchitecture: all", 0)])),
            ],
            "no version",
        ),
        ([(b"debian-binary", b"2.0\n"), (b"control.tar", make_tar(GOOD))], "data.tar is not where"),
        (
            [
                (b"debian-binary", b"2.0\n"),
                (b"control.tar", make_tar(GOOD)),
                (b"data.tar.bz2", bz2.compress(b"x" * 999)),
            ],
            "bzip2",
        ),
        (
            [
                (b"debian-binary", b"2.0\n"),
                (b"control.tar", make_tar(GOOD)),
                (b"data.tar", make_tar([("../../x", b"", 0)])),
            ],
            "leads out of the root",
        ),
        (
            [
                (b"debian-binary", b"2.0\n"),
                (b"control.tar", make_tar(GOOD)),
                (b"data.tar", make_tar([("x", b"", 0), ("x", b"", 0)])),
            ],
            "comes twice",
        ),
        (
            [
                (b"debian-binary", b"2.0\n"),
                (b"control.tar", make_tar(GOOD)),
                (b"data.tar", make_tar([("x\ny", b"", 0)])),
            ],
            "nothing that a package can hold",
        ),
    ],
)
def test_packages_that_lie_are_refused(tmp_path, members, why):
    path = tmp_path / "x.deb"
    path.write_bytes(make_ar(members))
    with pytest.raises(MalformedPackage, match=why):
        deb_changes(image_of(dpkg_image(OLD)), path)


def test_unsound_packages(tmp_path):
    path = tmp_path / "x.deb"
    with pytest.raises(UnreadablePackage):
        deb_changes(image_of({}), path)
    whole = make_deb(tmp_path, "demo", "2", NEW, pack=lzma.compress, suffix=b".xz").read_bytes()
    for at in range(1, len(whole) - 1, 9):
        path.write_bytes(whole[:at])
        with pytest.raises(MalformedPackage):
            deb_changes(image_of({}), path)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with pytest.raises((MalformedPackage, NotInstalled)):
            deb_changes(image_of({}), path)


def test_a_damaged_database_is_said(tmp_path):
    files = dpkg_image(OLD, more={b"var/lib/dpkg/diversions": b"/one\n/two\n"})
    with pytest.raises(MalformedPackageDatabase, match="threes"):
        deb_changes(image_of(files), make_deb(tmp_path, "demo", "2", NEW))


@pytest.mark.skipif(shutil.which("dpkg") is None or os.geteuid() != 0, reason="needs dpkg as a judge, and root")
def test_dpkg_leaves_the_same(tmp_path):
    """Install with dpkg, upgrade with dpkg and with us: files, lists, sums and status are the same."""
    old, new, other = tmp_path / "old", tmp_path / "new", tmp_path / "other"
    conffiles = {"same": b"s", "edited": b"e", "gone": b"g", "away": b"a", "deleted": b"d", "plain": b"p"}
    build(
        old,
        "Section: utils\nPriority: optional\nDepends: other (>=1),other\nConflicts: xx, yy(<<2)",
        {f"etc/t/{name}": content for name, content in conffiles.items()}
        | {
            "usr/bin/t": b"1",
            "usr/lib/t/a": b"x",
            "usr/lib/t/deep/er/b": b"y",
            "usr/share/both/z": b"z",
            "usr/lib/t/kind": b"file",
        },
        "1.0",
        "".join(f"/etc/t/{name}\n" for name in conffiles),
    )
    after = {"same": b"s", "edited": b"e2", "new": b"n", "deleted": b"d2", "plain": b"p2"}
    build(
        new,
        "Source: tt (1.0-x)\nHomepage: http://h\nDepends: other(>=1),other|cc\nX-Foo: bar\nInstalled-Size: 5\nEnhances: qq\nBreaks: rr (<<1)",
        {f"etc/t/{name}": content for name, content in after.items()}
        | {"usr/bin/t": b"2", "usr/lib/t/c": b"y", "usr/lib/t/kind/x": b"now a folder"},
        "1.1",
        "".join(f"/etc/t/{name}\n" for name in after),
        links={"usr/lib/t/s": "c"},
        hard={"usr/lib/t/h": "usr/lib/t/c"},
    )
    build(other, "Section: utils\nPriority: optional", {"usr/share/both/w": b"w"}, "2", "", name="other")
    root = tmp_path / "root"
    dpkg(root, other.with_suffix(".deb"), old.with_suffix(".deb"))
    (root / "etc/t/edited").write_bytes(b"mine")
    (root / "etc/t/deleted").unlink()
    (root / "etc/t/away").unlink()
    before = image_of(tree_of(root))
    change = deb_changes(before, new.with_suffix(".deb"))
    _, things = applied(before, change.changes)
    dpkg(root, new.with_suffix(".deb"))
    theirs = image_of(tree_of(root))
    names = (path for path in theirs.tree.paths() if not path.startswith(b"var/lib/dpkg/triggers"))
    left_out = {b"var/lib/dpkg/status-old", b"var/lib/dpkg/lock", b"var/lib/dpkg/lock-frontend"}
    assert {path for path in things if not path.startswith(b"var/lib/dpkg/triggers")} - left_out == set(
        names
    ) - left_out
    expected = {
        path: content
        for path, content in contents(applied(theirs, type(change.changes)())[1]).items()
        if path not in left_out
    }
    assert {path: content for path, content in contents(things).items() if path in expected} == expected


def build(folder, fields, files, version, conffiles, *, name="tt", links=None, hard=None):
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    for path, target in (links or {}).items():
        (folder / path).symlink_to(target)
    for path, target in (hard or {}).items():
        (folder / path).hardlink_to(folder / target)
    (folder / "DEBIAN").mkdir()
    control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: M <m@x>\n{fields}\nDescription: x\n long\n .\n more\n"
    (folder / "DEBIAN/control").write_text(control)
    (folder / "DEBIAN/conffiles").write_text(conffiles)
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", str(folder), str(folder.with_suffix(".deb"))],
        check=True,
        capture_output=True,
    )


def dpkg(root, *debs):
    if not root.exists():
        for path in ("info", "updates", "triggers"):
            (root / "var/lib/dpkg" / path).mkdir(parents=True)
        (root / "var/lib/dpkg/status").touch()
        (root / "var/lib/dpkg/info/format").write_text("1\n")
    command = [
        "dpkg",
        f"--root={root}",
        "--force-confdef",
        "--force-confold",
        "--force-confmiss" if len(debs) > 1 else "--force-unsafe-io",
        "--force-unsafe-io",
        "--log=/dev/null",
        "-i",
    ]
    subprocess.run([*command, *map(str, debs)], check=True, capture_output=True, stdin=subprocess.DEVNULL)


def tree_of(root):
    found = {}
    inodes = {}
    for path in sorted(root.rglob("*"), key=lambda one: (len(one.parts), os.fsencode(one))):
        name = os.fsencode(path.relative_to(root))
        status = path.lstat()
        if path.is_symlink():
            found[name] = symlink(os.fsencode(path.readlink()))
        elif path.is_dir():
            found[name] = directory(mode=status.st_mode & 0o7777)
        elif status.st_ino in inodes and status.st_nlink > 1:
            found[name] = Node(same_as=inodes[status.st_ino])
        else:
            inodes[status.st_ino] = name
            found[name] = Node(content=path.read_bytes(), mode=status.st_mode)
    return found
