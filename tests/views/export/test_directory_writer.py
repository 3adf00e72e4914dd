"""Every golden image as files in a folder, and what lies in the way there."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.views.export import golden, on_disk

import rafsight
from rafsight.base.errors import ExitStatus
from rafsight.testing.registry import PLANTED
from rafsight.verbs.export import export_files
from rafsight.views.export.faults import FolderNotEmpty, NotWritten, PlaceTaken
from rafsight.views.export.folders import KEPT, Folders
from rafsight.views.export.tally import Omission

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners and devices are compared")
V6 = f"oci:{PLANTED}:v6"


def export(reference, to, *paths, options=None, **more):
    with rafsight.open_image(reference, options=options) as image:
        return export_files(image, paths, to=to, **more)


@needs_root
@pytest.mark.root
@pytest.mark.parametrize("name", golden.NAMES)
def test_root_gets_everything(name, tmp_path):
    done = export(golden.reference_of(name), tmp_path / "out", options=golden.options_of(name))
    refused = {one.what for one in done.omitted}
    assert refused <= {Omission.XATTR, Omission.DEVICE}, "the file system or the container may lack these"
    expected = golden.entries_of(name)
    if Omission.DEVICE in refused:
        expected = {
            p: one for p, one in expected.items() if stat.S_IFMT(one["mode"]) not in (stat.S_IFCHR, stat.S_IFBLK)
        }
    on_disk.assert_as_stated(tmp_path / "out", expected, xattrs=Omission.XATTR not in refused)
    assert done.entry_count == len(expected)


@needs_root
@pytest.mark.root
@pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar on PATH")
@pytest.mark.parametrize("name", ["v5-lz4-sha256-fs", "v6-zstd", "v6-lz4-sha256-4k-fs", "tar-tarfs"])
def test_gnu_tar_unpacks_the_same(name, tmp_path):
    export(golden.reference_of(name), tmp_path / "out.tar", options=golden.options_of(name))
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(
        ["tar", "-x", "--same-owner", "-p", "--numeric-owner", "-f", tmp_path / "out.tar", "-C", out],
        check=True,
        capture_output=True,
    )
    expected = {p: one for p, one in golden.entries_of(name).items() if not golden.is_socket(one)}
    on_disk.assert_as_stated(out, expected, xattrs=False)


AS_NOBODY = """
import os, sys
sys.path[:] = os.environ["SEARCH"].split(os.pathsep)
import rafsight, rafsight.verbs.export
from pathlib import Path
with rafsight.open_image(sys.argv[1]) as image:
    rafsight.verbs.export.export_files(image, to=lambda content: None)  # all modules are there before root is given up
    os.chdir(sys.argv[2])
    if os.geteuid() == 0:
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
    done = rafsight.verbs.export.export_files(image, to=Path("out"))
    for one in done.omitted:
        print(one.what.name, one.count)
"""


def test_an_ordinary_user_gets_files_of_its_own(tmp_path):
    name = "v6-lz4-sha256-4k-fs"
    expected = golden.entries_of(name)
    copy = tmp_path / "image"
    shutil.copytree(golden.GOLDEN / name, copy)
    place = tmp_path / "place"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    for above in [tmp_path, *tmp_path.parents[:3]]:
        if above != Path("/tmp") and above.stat().st_uid == os.geteuid():
            above.chmod(above.stat().st_mode | 0o011)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, f"boot:{copy / 'image.boot'}", str(place)],
        capture_output=True,
        text=True,
        check=False,
        env={"SEARCH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    said = {what: int(count) for what, count in (line.split() for line in done.stdout.splitlines())}
    devices = {p for p, one in expected.items() if stat.S_IFMT(one["mode"]) in (stat.S_IFCHR, stat.S_IFBLK)}
    links = {p for p in devices if expected[p]["nlink"] > 1}
    assert said["DEVICE"] + said.get("LINK", 0) == len(devices)
    assert not links or "LINK" in said
    special = {p for p, one in expected.items() if one["mode"] & 0o6000 and not stat.S_ISLNK(one["mode"])}
    groups = {expected[p].get("link_group", p) for p in special - devices}
    assert said["SPECIAL_BITS"] == len(groups)
    found = on_disk.found_below(place / "out")
    assert set(found) == set(expected) - devices
    user = os.geteuid() or 65534
    for path, status in found.items():
        wanted = expected[path]
        assert status.st_uid == user
        if not stat.S_ISLNK(wanted["mode"]):
            assert status.st_mode == wanted["mode"] & ~0o6000, path
        assert status.st_mtime_ns == wanted["mtime"][0] * 10**9 + wanted["mtime"][1], path


def test_a_part_is_a_part(tmp_path):
    done = export(V6, tmp_path / "out", b"/etc/passwd", b"/opt/current/deep")
    found = on_disk.found_below(tmp_path / "out")
    assert {b"etc", b"etc/passwd", b"opt", b"opt/data", b"opt/data/deep"} <= set(found)
    assert not any(path.startswith(b"usr") for path in found)
    assert done.entry_count == len(found) - 1


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(FolderNotEmpty) as caught:
        export(V6, tmp_path, b"/etc/passwd")
    assert caught.value.exit_status == ExitStatus.OUTPUT
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_links_in_the_way_are_never_followed(tmp_path):
    """Whoever made them, and whether they lead to a folder, to a file, or nowhere."""
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    (outside / "passwd").write_text("precious")
    out.mkdir()
    (out / "etc").symlink_to(outside)
    (out / "opt").mkdir()
    (out / "opt" / "data").symlink_to(tmp_path / "nowhere")
    (out / "bin").mkdir()
    (out / "bin" / "busybox").symlink_to(outside / "passwd")
    export(V6, out, b"/etc", b"/opt", b"/bin/busybox", force=True)
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("passwd", "precious")]
    assert not (tmp_path / "nowhere").exists()
    for path in ("etc", "opt/data"):
        assert stat.S_ISDIR((out / path).lstat().st_mode)
    assert stat.S_ISREG((out / "bin/busybox").lstat().st_mode)
    assert "root:" in (out / "etc/passwd").read_text()


def test_force_replaces_what_has_the_same_name_and_nothing_else(tmp_path):
    out = tmp_path / "out"
    (out / "etc/passwd").mkdir(parents=True)
    (out / "etc/kept").write_text("kept")
    hard = tmp_path / "hard"
    hard.write_text("of somebody else")
    os.link(hard, out / "etc/debian_version")
    export(V6, out, b"/etc", force=True)
    export(V6, out, b"/etc", force=True)
    assert (out / "etc/passwd").is_file()
    assert (out / "etc/kept").read_text() == "kept"
    assert hard.read_text() == "of somebody else"
    assert (out / "etc/debian_version").read_text() != "of somebody else"
    assert not list(out.rglob("*.part"))


def test_a_full_folder_where_a_file_is_to_go_is_not_deleted(tmp_path):
    kept = tmp_path / "out/etc/passwd/kept"
    kept.parent.mkdir(parents=True)
    kept.write_text("kept")
    with pytest.raises(PlaceTaken, match="etc/passwd"):
        export(V6, tmp_path / "out", b"/etc/passwd", force=True)
    assert kept.read_text() == "kept"
    assert [path.name for path in kept.parent.parent.iterdir()] == ["passwd"]


def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritten, match="missing"):
        export(V6, tmp_path / "missing" / "out")
    with pytest.raises(NotWritten):
        export(V6, tmp_path / "file" / "out")


def test_an_interrupted_export_leaves_whole_files_only(tmp_path):
    with rafsight.open_image(V6) as image:
        rows = {image.tree.path(row): int(image.tree.entries.size[row]) for row in image.tree.walk()}
        count = 0

        def stop(event):
            nonlocal count
            count += 1
            if count == 600:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            export_files(image, to=tmp_path / "out", listener=stop)
        found = on_disk.found_below(tmp_path / "out")
        assert 50 < len(found) < len(rows)
        for path, status in found.items():
            if stat.S_ISREG(status.st_mode):
                assert status.st_size == rows[path]
            elif stat.S_ISDIR(status.st_mode) and path:
                row = image.tree.lookup(path)
                assert status.st_mode == image.tree.entries.mode[row], path
                assert status.st_mtime == image.tree.entries.mtime[row]


def open_descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_folders_can_be_deeper_than_descriptors_are_kept(tmp_path):
    names = [b"d%d" % level for level in range(KEPT + 20)]
    root = os.open(tmp_path, os.O_RDONLY)
    folders = Folders(root)
    before = open_descriptors()
    try:
        for level, name in enumerate(names):
            os.mkdir(name, dir_fd=folders.open(b"/".join(names[:level])))
        assert open_descriptors() <= before + KEPT + 1
        whole = b"/".join(names)
        assert os.path.samestat(os.fstat(folders.open(whole)), on_disk.at(tmp_path, whole).stat())
        assert os.path.samestat(os.fstat(folders.open(b"d0")), (tmp_path / "d0").stat())
        assert os.path.samestat(os.fstat(folders.open(b"")), tmp_path.stat())
    finally:
        folders.close()
        os.close(root)
    assert open_descriptors() < before
