"""Every golden image as a tar: what others read of it is what the image says."""

import hashlib
import shutil
import stat
import subprocess
import tarfile

import pytest
from tests.views.export import golden

import rafsight
from rafsight.formats.tar import MemberKind, read_members
from rafsight.testing.registry import PLANTED
from rafsight.verbs.export import export_files

TYPES = {
    tarfile.REGTYPE: stat.S_IFREG,
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}
OUR_TYPES = {
    MemberKind.FILE: stat.S_IFREG,
    MemberKind.DIRECTORY: stat.S_IFDIR,
    MemberKind.SYMLINK: stat.S_IFLNK,
    MemberKind.CHAR: stat.S_IFCHR,
    MemberKind.BLOCK: stat.S_IFBLK,
    MemberKind.FIFO: stat.S_IFIFO,
}


def tar_of(reference, *paths, options=None, **more):
    pieces = []
    with rafsight.open_image(reference, options=options) as image:
        done = export_files(image, paths, to=pieces.append, **more)
    return b"".join(pieces), done


def golden_tar(name, *paths):
    return tar_of(golden.reference_of(name), *paths, options=golden.options_of(name))


@pytest.mark.parametrize("name", golden.NAMES)
def test_the_standard_library_reads_what_the_image_says(name):
    expected = golden.entries_of(name)
    content, done = golden_tar(name)
    found = golden.describe_tar(content)
    assert list(found) == [path for path, one in expected.items() if not golden.is_socket(one)]
    assert done.entry_count == len(found)
    assert done.size == sum(info.size for info, _ in found.values() if info.isreg())
    for path, (info, body) in found.items():
        wanted = expected[path]
        if info.islnk():
            first = golden.raw(info.linkname)
            assert list(expected).index(first) < list(expected).index(path)
            assert expected[first]["link_group"] == wanted["link_group"]
            continue
        assert TYPES[info.type] | info.mode == wanted["mode"], path
        assert [info.uid, info.gid] == [wanted["uid"], wanted["gid"]]
        assert golden.mtime_of(info) == wanted["mtime"][0] * 10**9 + wanted["mtime"][1]
        assert golden.xattrs_of(info) == wanted["xattrs"]
        if info.isreg():
            assert hashlib.sha256(body).hexdigest() == wanted["sha256"], path
        if info.issym():
            assert golden.raw(info.linkname) == wanted["target"]
        if info.ischr() or info.isblk():
            assert [info.devmajor, info.devminor] == wanted["rdev"]
    names = {one["link_group"] for one in expected.values() if "link_group" in one}
    firsts = [one for one in found.values() if one[0].isreg() and "link_group" in expected[golden.raw(one[0].name)]]
    assert len(names) == len({expected[golden.raw(info.name)]["link_group"] for info, _ in firsts})
    assert len(firsts) == len(names)


@pytest.mark.parametrize("name", golden.NAMES)
def test_our_own_reader_agrees(name):
    expected = golden.entries_of(name)
    content, _ = golden_tar(name)
    count = 0
    for member in read_members(iter([content]), where="export"):
        count += 1
        if member.kind == MemberKind.HARDLINK:
            continue
        wanted = expected[member.name]
        assert OUR_TYPES[member.kind] | member.mode == wanted["mode"]
        assert (member.uid, member.gid, member.target) == (wanted["uid"], wanted["gid"], wanted["target"])
        assert member.mtime == wanted["mtime"][0] * 10**9 + wanted["mtime"][1]
        assert {one.name: one.value for one in member.xattrs} == wanted["xattrs"]
        if member.kind == MemberKind.FILE:
            assert hashlib.sha256(member.content.read(member.size)).hexdigest() == wanted["sha256"]
    assert count == sum(not golden.is_socket(one) for one in expected.values())


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar on PATH")
@pytest.mark.parametrize("name", golden.NAMES)
def test_gnu_tar_lists_the_same_names(name, tmp_path):
    content, _ = golden_tar(name)
    done = subprocess.run(
        ["tar", "-t", "--quoting-style=escape", "-f", "-"],
        input=content,
        capture_output=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
    )
    lines = [line.decode("unicode_escape").encode("latin-1") for line in done.stdout.splitlines()]
    listed = [line.removeprefix(b"./").rstrip(b"/") for line in lines]
    assert listed == [path for path, one in golden.entries_of(name).items() if not golden.is_socket(one)]
    said = set(done.stderr.decode().splitlines())
    assert said <= {"tar: Ignoring unknown extended header keyword 'hdrcharset'"}


@pytest.mark.parametrize("name", ["v5-zstd", "v6-batch", "targz-ref"])
def test_the_same_image_is_the_same_bytes(name):
    assert golden_tar(name)[0] == golden_tar(name)[0]


def test_both_forms_of_one_image_are_the_same_tar():
    five, six = (golden.describe_tar(tar_of(f"oci:{PLANTED}:{tag}")[0]) for tag in ("v5", "v6"))
    assert list(five) == list(six)
    for path, (info, body) in five.items():
        other, other_body = six[path]
        assert body == other_body
        if info.isdir() and other.mtime == 0:
            info.mtime = 0  # the builder's clock, for folders that no layer has an entry of
        assert info.get_info() | {"chksum": 0} == other.get_info() | {"chksum": 0}, path
        assert info.pax_headers == other.pax_headers, path


def test_sockets_are_left_out_and_told():
    with_sockets = [name for name in golden.NAMES if any(map(golden.is_socket, golden.entries_of(name).values()))]
    for name in with_sockets[:2]:
        _, done = golden_tar(name)
        (omitted,) = done.omitted
        assert omitted.count == sum(map(golden.is_socket, golden.entries_of(name).values()))
        assert done.is_complete


def test_parts_bring_the_folders_above_them():
    reference = f"oci:{PLANTED}:v6"
    found = golden.describe_tar(tar_of(reference, b"/etc/passwd", b"opt/current/one")[0])
    assert list(found) == [b"etc", b"etc/passwd", b"opt", b"opt/data", b"opt/data/one"]
    assert list(golden.describe_tar(tar_of(reference, b"/opt/current")[0])) == [b"opt", b"opt/current"]
    whole = golden.describe_tar(tar_of(reference)[0])
    assert list(golden.describe_tar(tar_of(reference, b"/")[0])) == list(whole)
    below = golden.describe_tar(tar_of(reference, b"/opt/current/", b"opt/data")[0])
    assert list(below) == [b"opt", *(path for path in whole if path == b"opt/data" or path.startswith(b"opt/data/"))]


def test_a_link_to_what_was_not_chosen_is_the_file_itself():
    name = "v6-zstd"
    groups = {}
    for path, one in golden.entries_of(name).items():
        if "link_group" in one and stat.S_ISREG(one["mode"]):
            groups.setdefault(one["link_group"], []).append(path)
    first, second, *_ = next(iter(groups.values()))
    found = golden.describe_tar(golden_tar(name, second)[0])
    info, body = found[second]
    assert info.isreg()
    assert first not in found
    assert hashlib.sha256(body).hexdigest() == golden.entries_of(name)[second]["sha256"]
