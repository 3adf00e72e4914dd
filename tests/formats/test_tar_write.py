"""What is written is what others read: our own reader, the standard library, and GNU tar."""

import io
import shutil
import subprocess
import tarfile
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.formats.tables import Xattr
from rafsight.formats.tar import MemberKind, read_members
from rafsight.formats.tar_write import TRAILER, Header, padding, write_header

GIB = 1 << 30
COMPONENTS = st.one_of(
    st.binary(min_size=1, max_size=40).map(lambda one: one.replace(b"\0", b"0").replace(b"/", b"_")),
    st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=60).map(str.encode),
    st.sampled_from([b"x" * 255, b"a b", b"-rf", b"new\nline", b"back\\slash", b"\xff" * 101, "ü".encode() * 80]),
).filter(lambda one: one not in (b".", b"..") and len(one) <= 255)
NAMES = st.lists(COMPONENTS, min_size=1, max_size=5).map(b"/".join)
XATTR_NAMES = (
    st.binary(min_size=1, max_size=30).filter(lambda n: not {0, 0x3D, 0x25} & set(n)).map(lambda n: b"user." + n)
)
XATTRS = st.dictionaries(XATTR_NAMES, st.binary(max_size=200), max_size=3).map(
    lambda found: tuple(Xattr(name=name, value=found[name]) for name in sorted(found))
)
KINDS = st.sampled_from([kind for kind in MemberKind if kind != MemberKind.OTHER])


@st.composite
def headers(draw):
    kind = draw(KINDS)
    is_link = kind in (MemberKind.SYMLINK, MemberKind.HARDLINK)
    is_device = kind in (MemberKind.CHAR, MemberKind.BLOCK)
    return Header(
        name=draw(NAMES),
        kind=kind,
        mode=draw(st.integers(0, 0o7777)),
        uid=draw(st.integers(0, 2**32 - 1)),
        gid=draw(st.sampled_from([0, 1000, 0o7777777, 0o10000000, 2**32 - 1])),
        mtime=draw(st.integers(-(2**40) * 10**9, 2**40 * 10**9)),
        size=draw(st.integers(0, 2000)) if kind == MemberKind.FILE else 0,
        target=draw(NAMES) if is_link else b"",
        device=(draw(st.integers(0, 0xFFF)), draw(st.integers(0, 0xFFFFF))) if is_device else (0, 0),
        xattrs=() if kind == MemberKind.HARDLINK else draw(XATTRS),
    )


def archive(*members):
    return b"".join(write_header(one) + b"c" * one.size + padding(one.size) for one in members) + TRAILER


def raw(text):
    return text.encode("utf-8", "surrogateescape")


@settings(max_examples=150, deadline=None)
@given(members=st.lists(headers(), max_size=4))
def test_our_reader_reads_what_was_written(members):
    content = archive(*members)
    assert len(content) % 512 == 0
    found = []
    for one in read_members(iter([content]), where="test"):
        major, minor = (one.rdev >> 8) & 0xFFF, (one.rdev & 0xFF) | ((one.rdev >> 12) & 0xFFF00)
        assert one.content.read(one.size) == b"c" * one.size
        found.append(
            Header(
                name=one.name,
                kind=one.kind,
                mode=one.mode,
                uid=one.uid,
                gid=one.gid,
                mtime=one.mtime,
                size=one.size,
                target=one.target,
                device=(major, minor),
                xattrs=one.xattrs,
            )
        )
    assert found == members


@settings(max_examples=150, deadline=None)
@given(header=headers())
def test_the_standard_library_reads_what_was_written(header):
    with tarfile.open(fileobj=io.BytesIO(archive(header))) as tar:
        (info,) = tar.getmembers()
    assert raw(info.name) == header.name
    assert (info.mode, info.uid, info.gid, info.size) == (header.mode, header.uid, header.gid, header.size)
    assert raw(info.linkname) == header.target
    mtime = Decimal(info.pax_headers["mtime"]) if "mtime" in info.pax_headers else Decimal(info.mtime)
    assert mtime * 10**9 == header.mtime
    assert (info.devmajor, info.devminor) == header.device
    xattrs = {raw(k): raw(v) for k, v in info.pax_headers.items() if k.startswith("SCHILY.xattr.")}
    assert xattrs == {b"SCHILY.xattr." + one.name: one.value for one in header.xattrs}


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar on PATH")
@settings(max_examples=40, deadline=None)
@given(header=headers())
def test_gnu_tar_reads_what_was_written(header):
    done = subprocess.run(
        ["tar", "-t", "-v", "--numeric-owner", "--quoting-style=escape", "-f", "-"],
        input=archive(header),
        capture_output=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
    )
    line = done.stdout.decode().rstrip("\n")
    said = line.encode().decode("unicode_escape").encode("latin-1")
    assert b" %d/%d " % (header.uid, header.gid) in said
    name = header.name + (b"/" if header.kind == MemberKind.DIRECTORY else b"")
    words = {MemberKind.SYMLINK: b" -> ", MemberKind.HARDLINK: b" link to "}
    assert said.endswith(name + (words[header.kind] + header.target if header.target else b""))
    assert set(done.stderr.decode().splitlines()) <= {"tar: Ignoring unknown extended header keyword 'hdrcharset'"}


@pytest.mark.parametrize("size", [8 * GIB - 1, 8 * GIB, 100 * GIB])
def test_sizes_have_no_bound(size):
    header = write_header(Header(name=b"large", kind=MemberKind.FILE, size=size))
    assert (len(header) == 512) == (size < 8 * GIB)
    info = tarfile.TarInfo.frombuf(header[-512:], "utf-8", "surrogateescape")
    assert info.size == (size if size < 8 * GIB else 0)
    member = next(read_members(iter([header]), where="test"))
    assert (member.name, member.size) == (b"large", size)


def test_plain_members_are_one_block_that_every_tar_reads():
    header = write_header(Header(name=b"bin/sh", kind=MemberKind.FILE, mode=0o755, mtime=1_700_000_000 * 10**9))
    assert len(header) == 512
    assert header[257:265] == b"ustar\x0000"
    assert write_header(Header(name=b"", kind=MemberKind.DIRECTORY))[:3] == b"./\0"
    assert write_header(Header(name=b"short\xff", kind=MemberKind.FILE))[:6] == b"short\xff"


def test_only_text_that_is_none_is_marked_as_binary():
    assert b"hdrcharset=BINARY\n" in write_header(Header(name=b"\xff" * 101, kind=MemberKind.FILE))
    assert b"hdrcharset" not in write_header(Header(name="ü".encode() * 101, kind=MemberKind.FILE))
    assert b"hdrcharset" not in write_header(Header(name=b"\xff" * 100, kind=MemberKind.FILE))


@pytest.mark.parametrize("size", [80, 85, 86, 87, 88, 90, 980, 984, 985, 986, 990, 9980, 9990])
def test_a_record_counts_its_own_length(size):
    header = Header(name=b"f", kind=MemberKind.FILE, xattrs=(Xattr(name=b"user.x", value=b"v" * size),))
    (member,) = read_members(iter([archive(header)]), where="test")
    assert member.xattrs == header.xattrs


def test_names_of_attributes_are_escaped_as_gnu_tar_does():
    header = write_header(Header(name=b"f", kind=MemberKind.FILE, xattrs=(Xattr(name=b"user.a=b%", value=b"v"),)))
    assert b"SCHILY.xattr.user.a%3Db%25=v\n" in header
    plain = write_header(Header(name=b"f", kind=MemberKind.FILE, xattrs=(Xattr(name=b"user.100%", value=b"v"),)))
    assert b"SCHILY.xattr.user.100%=v\n" in plain
