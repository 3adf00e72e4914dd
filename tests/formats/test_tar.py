"""Tar archives member by member: what other tools write is read, hostile headers are refused."""

import io
import random
import shutil
import subprocess
import tarfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.base.errors import Defect, ImageFault
from rafsight.base.limits import Limits
from rafsight.formats.tables import MalformedImage, Xattr
from rafsight.formats.tar import MemberKind, find_members, read_members

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def cut(content, size):
    for start in range(0, len(content), size):
        yield content[start : start + size]


def members(archive, size=700, limits=None):
    return read_members(cut(archive, size), limits, where="layer")


def archive(*entries, form=tarfile.PAX_FORMAT):
    """Write entries of (name, content or None, attributes) with Python's tarfile."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as tar:
        for name, content, attributes in entries:
            info = tarfile.TarInfo(name)
            for key, value in attributes.items():
                setattr(info, key, value)
            info.size = len(content or b"")
            tar.addfile(info, io.BytesIO(content or b""))
    return buffer.getvalue()


def raw(name=b"x", *, size=b"00000000000\0", kind=b"0", magic=b"ustar\x0000", fields=(), content=b"", fix=True):
    """Write one header by hand; `fields` are (offset, bytes)."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[108:124] = b"0000000\0" * 2
    block[124:136] = size
    block[136:148] = b"00000000000\0"
    block[156:157] = kind
    block[257:265] = magic
    for offset, value in fields:
        block[offset : offset + len(value)] = value
    if fix:
        block[148:156] = b"        "
        block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + content + bytes(-len(content) % 512)


def octal(size):
    return b"%011o\0" % size


def pax(*records):
    body = b""
    for key, value in records:
        length = len(key) + len(value) + 3
        while len(b"%d" % length) + len(key) + len(value) + 3 != length:
            length = len(b"%d" % length) + len(key) + len(value) + 3
        body += b"%d %s=%s\n" % (length, key, value)
    return raw(b"pax", size=octal(len(body)), kind=b"x", content=body)


END = bytes(1024)


@pytest.mark.parametrize("form", FORMATS)
def test_reads_every_kind(form):
    everything = archive(
        ("./", None, {"type": tarfile.DIRTYPE, "mode": 0o1755}),
        ("./dir/", None, {"type": tarfile.DIRTYPE, "mode": 0o2750, "uid": 5, "gid": 6, "mtime": 77}),
        ("dir/file", b"content", {"mode": 0o4755}),
        ("dir/link", None, {"type": tarfile.SYMTYPE, "linkname": "../dir//./x"}),
        ("dir/hard", None, {"type": tarfile.LNKTYPE, "linkname": "./dir//file"}),
        ("dev/tty", None, {"type": tarfile.CHRTYPE, "devmajor": 5, "devminor": 300}),
        ("dev/sda", None, {"type": tarfile.BLKTYPE, "devmajor": 8, "devminor": 1}),
        ("fifo", None, {"type": tarfile.FIFOTYPE}),
        ("/etc//abs", b"", {}),
        form=FORMATS[form],
    )
    found = [
        (one.name, one.kind, one.mode, one.uid, one.gid, one.mtime, one.size, one.target, one.rdev)
        for one in members(everything)
    ]
    assert found == [
        (b"", MemberKind.DIRECTORY, 0o1755, 0, 0, 0, 0, b"", 0),
        (b"dir", MemberKind.DIRECTORY, 0o2750, 5, 6, 77 * 10**9, 0, b"", 0),
        (b"dir/file", MemberKind.FILE, 0o4755, 0, 0, 0, 7, b"", 0),
        (b"dir/link", MemberKind.SYMLINK, 0o644, 0, 0, 0, 0, b"../dir//./x", 0),
        (b"dir/hard", MemberKind.HARDLINK, 0o644, 0, 0, 0, 0, b"dir/file", 0),
        (b"dev/tty", MemberKind.CHAR, 0o644, 0, 0, 0, 0, b"", (5 << 8) | (300 & 0xFF) | (300 & ~0xFF) << 12),
        (b"dev/sda", MemberKind.BLOCK, 0o644, 0, 0, 0, 0, b"", 0x801),
        (b"fifo", MemberKind.FIFO, 0o644, 0, 0, 0, 0, b"", 0),
        (b"etc/abs", MemberKind.FILE, 0o644, 0, 0, 0, 0, b"", 0),
    ]


def test_content_may_be_read_iterated_or_skipped():
    stored = archive(*((f"f{n}", bytes([n]) * 1000 * n, {}) for n in range(5)))
    seen = {}
    for one in members(stored):
        if one.name == b"f2":
            seen[one.name] = one.content.read(2000)
        elif one.name == b"f3":
            seen[one.name] = b"".join(one.content)
        elif one.name == b"f4":
            seen[one.name] = next(iter(one.content))
        assert stored[one.content_offset :].startswith(bytes([int(one.name[1:])]) * one.size)
        assert one.content.size == one.size
    assert seen[b"f2"] == b"\2" * 2000
    assert seen[b"f3"] == b"\3" * 3000
    assert seen[b"f4"] == b"\4" * len(seen[b"f4"]) != b""


def test_content_is_bounded_and_belongs_to_its_turn():
    reading = members(archive(("a", b"x" * 100, {}), ("b", b"y", {})))
    first = next(reading)
    with pytest.raises(MalformedImage, match="a member of 100 bytes where 99"):
        first.content.read(99)
    next(reading)
    with pytest.raises(Defect):
        first.content.read(100)


def test_long_names_in_every_form():
    name, target = "d/" * 60 + "ü" * 100, "t" * 300
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        stored = archive(
            (name, b"x", {}), ("link", None, {"type": tarfile.SYMTYPE, "linkname": target}), ("b", b"", {}), form=form
        )
        found = list(members(stored))
        assert [one.name for one in found] == [name.encode(), b"link", b"b"]
        assert found[1].target == target.encode()
    split = archive(("p" * 100 + "/" + "q" * 50, b"", {}), form=tarfile.USTAR_FORMAT)
    assert next(members(split)).name == b"p" * 100 + b"/" + b"q" * 50


def test_names_are_bytes():
    assert next(members(raw(b"\xe9t\xe9/\xff") + END)).name == b"\xe9t\xe9/\xff"
    stored = pax((b"path", b"\xff\xfe\n=x")) + raw() + END
    assert next(members(stored)).name == b"\xff\xfe\n=x"


def test_pax_overrules_the_header():
    stored = (
        pax(
            (b"path", b"./long/name"),
            (b"size", b"3"),
            (b"uid", b"4294967295"),
            (b"gid", b"70000"),
            (b"mtime", b"-1.25"),
            (b"SCHILY.xattr.user.b", b"\0\n="),
            (b"SCHILY.xattr.security.capability", b"\1\0\0\2"),
            (b"comment", b"ignored"),
        )
        + raw(content=b"abc")
        + raw(b"next")
        + END
    )
    first, second = members(stored)
    assert (first.name, first.size, first.uid, first.gid, first.mtime) == (
        b"long/name",
        3,
        2**32 - 1,
        70000,
        -1_250_000_000,
    )
    assert first.xattrs == (
        Xattr(name=b"security.capability", value=b"\1\0\0\2"),
        Xattr(name=b"user.b", value=b"\0\n="),
    )
    assert (second.name, second.uid, second.xattrs) == (b"next", 0, ())


def test_an_empty_pax_value_takes_back():
    stored = pax((b"path", b"a"), (b"uid", b"7"), (b"path", b""), (b"uid", b"")) + raw(b"x") + END
    one = next(members(stored))
    assert (one.name, one.uid) == (b"x", 0)


def test_global_headers_are_ignored():
    body = b"17 path=ignored\n\n"
    stored = raw(b"g", size=octal(len(body)), kind=b"g", content=body) + raw(b"x") + END
    assert [one.name for one in members(stored)] == [b"x"]


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        (b"1", 10**9),
        (b"1.5", 1_500_000_000),
        (b"0.123456789999", 123_456_789),
        (b".5", 500_000_000),
        (b"-0.5", -500_000_000),
    ],
)
def test_pax_times(text, nanoseconds):
    assert next(members(pax((b"mtime", text)) + raw() + END)).mtime == nanoseconds


def test_numbers_in_every_form():
    big = (1 << 35) + 5
    stored = raw(size=b"\x80" + big.to_bytes(11, "big"), fields=[(136, b"\xff" * 11 + b"\xfe"), (108, b"  644 \0\0")])
    reading = members(stored + b"x" * 10)
    one = next(reading)
    assert (one.size, one.mtime, one.uid) == (big, -2 * 10**9, 0o644)
    with pytest.raises(MalformedImage, match="too early"):
        next(reading)


def test_old_archives():
    found = list(members(raw(b"dir/", kind=b"\0", magic=bytes(8)) + raw(b"file", kind=b"\0", magic=bytes(8)) + END))
    assert [(one.name, one.kind) for one in found] == [(b"dir", MemberKind.DIRECTORY), (b"file", MemberKind.FILE)]
    signed = bytearray(raw(b"\xe9t\xe9"))
    signed[148:156] = b"%06o\0 " % (sum(signed[:148] + b" " * 8 + signed[156:]) - 2 * 256)
    assert next(members(bytes(signed) + END)).name == b"\xe9t\xe9"


def test_the_star_prefix_is_shorter():
    stored = raw(b"name", fields=[(345, b"prefix"), (476, b"12345678901\0"), (508, b"tar\0")]) + END
    assert next(members(stored)).name == b"prefix/name"


def test_unknown_types_are_told_and_skipped():
    found = list(members(raw(b"V", kind=b"V", size=octal(3), content=b"abc") + raw(b"x") + END))
    assert [one.kind for one in found] == [MemberKind.OTHER, MemberKind.FILE]


@pytest.mark.parametrize(
    ("stored", "count"),
    [(b"", 0), (END, 0), (bytes(512), 0), (raw(), 1), (raw() + END + b"rubbish" * 1000, 1), (raw() + bytes(512), 1)],
)
def test_ends_where_the_archive_ends(stored, count):
    pieces = iter(list(cut(stored, 100)))
    assert len(list(read_members(pieces, where="layer"))) == count
    assert next(pieces, None) is None


SPARSE_CONTENT = b"A" * 512 + b"B" * 100


def sparse_old():
    pairs = b"".join(octal(number) for number in (1024, 512, 4096, 100))
    return raw(b"s", size=octal(612), kind=b"S", magic=b"ustar  \0", fields=[(386, pairs), (483, octal(8192))], content=SPARSE_CONTENT)  # fmt: skip


def sparse_old_with_more():
    first = b"".join(octal(number) for number in (0, 1, 10, 1, 20, 1, 30, 1))
    more = b"".join(octal(number) for number in (1024, 512, 4096, 96)).ljust(512, b"\0")
    fields = [(386, first), (482, b"\1"), (483, octal(8192))]
    return raw(b"s", size=octal(612), kind=b"S", magic=b"ustar  \0", fields=fields) + more + SPARSE_CONTENT + bytes(412)


def sparse_pax_00():
    numbers = [(b"GNU.sparse.offset", b"1024"), (b"GNU.sparse.numbytes", b"512"), (b"GNU.sparse.offset", b"4096"), (b"GNU.sparse.numbytes", b"100")]  # fmt: skip
    head = pax((b"GNU.sparse.size", b"8192"), (b"GNU.sparse.numblocks", b"2"), *numbers)
    return head + raw(b"s", size=octal(612), content=SPARSE_CONTENT)


def sparse_pax_01():
    head = pax((b"GNU.sparse.name", b"s"), (b"GNU.sparse.size", b"8192"), (b"GNU.sparse.map", b"1024,512,4096,100"))
    return head + raw(b"GNUSparseFile.0/s", size=octal(612), content=SPARSE_CONTENT)


def sparse_pax_10():
    head = pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", b"s"), (b"GNU.sparse.realsize", b"8192"))  # fmt: skip
    table = b"3\n1024\n512\n4096\n100\n8192\n0\n".ljust(512, b"\0")
    return head + raw(b"GNUSparseFile.0/s", size=octal(512 + 612), content=table + SPARSE_CONTENT)


@pytest.mark.parametrize("make", [sparse_old, sparse_pax_00, sparse_pax_01, sparse_pax_10])
def test_sparse_files_have_a_map(make):
    stored = make() + raw(b"next") + END
    reading = members(stored)
    one = next(reading)
    assert (one.name, one.kind, one.size, one.content.size) == (b"s", MemberKind.FILE, 8192, 612)
    assert one.segments == ((1024, 512), (4096, 100))
    assert stored[one.content_offset :].startswith(SPARSE_CONTENT)
    assert one.content.read(612) == SPARSE_CONTENT
    assert [rest.name for rest in reading] == [b"next"]


def test_an_old_map_may_go_on():
    one, following = members(sparse_old_with_more() + raw(b"next") + END)
    assert one.segments == ((0, 1), (10, 1), (20, 1), (30, 1), (1024, 512), (4096, 96))
    assert following.name == b"next"


def refuse_sparse(sparse_map, size=612):
    return pax((b"GNU.sparse.size", b"8192"), (b"GNU.sparse.map", sparse_map)) + raw(size=octal(size)) + bytes(1024)


@pytest.mark.parametrize(
    ("stored", "what"),
    [
        (raw(fix=False), "checksum"),
        (b"this is no tar archive" * 100, "checksum"),
        (raw()[:300], "too early"),
        (raw(size=octal(1000)) + bytes(100), "too early"),
        (raw(size=b"1_0\0\0\0\0\0\0\0\0\0"), "not an octal number"),
        (raw(size=b"-1\0\0\0\0\0\0\0\0\0\0"), "not an octal number"),
        (raw(size=b"89\0\0\0\0\0\0\0\0\0\0"), "not an octal number"),
        (raw(size=b"\xff" * 12), "a size of -1"),
        (raw(size=b"\x80" + b"\x7f" * 11), "impossible"),
        (raw(fields=[(108, b"\xff" * 8)]), "an owner of -1"),
        (raw(fields=[(136, b"\x80" + b"\x7f" * 11)]), "impossible time"),
        (raw(kind=b"3", fields=[(329, b"0100000\0")]), "a device number"),
        (raw(b"../x"), "out of the root"),
        (raw(b"a/../../x"), "out of the root"),
        (raw(b"a", kind=b"1", fields=[(157, b"../../etc/shadow")]), "out of the root"),
        (raw(b"."), "without a name"),
        (raw(b"a", kind=b"2"), "impossible target"),
        (pax((b"path", b"a\0b")) + raw(), "a NUL"),
        (pax((b"path", b"a/" * 3000)) + raw(), "a path of 6000 bytes"),
        (pax((b"path", b"a" * 256)) + raw(), "a name of 256 bytes"),
        (pax((b"size", b"1e3")) + raw(), "not a decimal number"),
        (pax((b"size", b"9" * 5000)) + raw(), "not a decimal number"),
        (pax((b"uid", b"-1")) + raw(), "not a decimal number"),
        (pax((b"mtime", b"9" * 19)) + raw(), "not a time"),
        (pax((b"mtime", b"1.x")) + raw(), "not a time"),
        (pax((b"SCHILY.xattr.", b"x")) + raw(), "impossible name"),
        (pax((b"SCHILY.xattr." + b"n" * 256, b"x")) + raw(), "impossible name"),
        (raw(b"p", kind=b"x", size=octal(9), content=b"99 path=x"), "malformed PAX"),
        (raw(b"p", kind=b"x", size=octal(9), content=b"0 path=x\n"), "malformed PAX"),
        (raw(b"p", kind=b"x", size=octal(9), content=b"path=x\nxx"), "malformed PAX"),
        (raw(b"p", kind=b"x", size=octal(9), content=b"9 path=xx"), "malformed PAX"),
        (raw(b"p", kind=b"x", size=octal(9), content=b"pathxxxx\n"), "malformed PAX"),
        (raw(b"p", kind=b"x", size=octal(9), content=b" path=xx\n"), "malformed PAX"),
        (raw(b"p", kind=b"x", size=octal(9), content=b"2 path=x\n"), "malformed PAX"),
        (raw(b"p", kind=b"x", size=octal(9), content=b"3 \n6 p=x\n"), "malformed PAX"),
        (raw(b"p", kind=b"x", size=octal(2 << 20)), "extended headers of more"),
        (raw(b"p", kind=b"L", size=octal(2 << 20)), "extended headers of more"),
        (pax((b"a", b"b" * 600_000)) * 2 + raw(), "extended headers of more"),
        (pax((b"path", b"x")), "without a member"),
        (pax((b"path", b"x")) + END, "without a member"),
        (raw() + bytes(512) + raw(), "follows the end"),
        (refuse_sparse(b"1024,512,1000,100"), "overlap or leave"),
        (refuse_sparse(b"0,512,8100,100"), "overlap or leave"),
        (refuse_sparse(b"0,512"), "for 612 stored"),
        (refuse_sparse(b"0,512,600"), "odd number"),
        (refuse_sparse(b"0,-512"), "not a number"),
        (raw(kind=b"S", magic=b"ustar  \0", fields=[(482, b"\1")]), "too early"),
    ],
)
def test_hostile_headers_are_refused(stored, what):
    with pytest.raises(MalformedImage) as caught:
        list(members(stored))
    assert what in str(caught.value)
    assert 0 <= int(str(caught.value.details["offset"])) <= len(stored)


def test_endless_sparse_maps_are_refused():
    def old():
        yield raw(kind=b"S", magic=b"ustar  \0", fields=[(482, b"\1")])
        while True:
            yield bytes(504) + b"\1" + bytes(7)

    def pax_10():
        yield pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"))
        yield raw(size=octal(1 << 30)) + b"99999999\n"
        while True:
            yield b"1\n" * 1000

    for stream in (old(), pax_10()):
        with pytest.raises(MalformedImage, match="a sparse map of more than 4096 bytes"):
            list(read_members(stream, Limits(tar_header_size=4096), where="layer"))


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs GNU tar")
@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_reads_what_gnu_tar_writes(form, tmp_path):
    root = tmp_path / "root"
    (root / "dir").mkdir(parents=True)
    (root / "dir" / "file").write_bytes(b"content")
    (root / "dir" / "link").symlink_to("../x")
    (root / "hard").hardlink_to(root / "dir" / "file")
    with (root / "sparse").open("wb") as sparse:
        for position in range(0, 3 << 20, 1 << 18):
            sparse.seek(position)
            sparse.write(b"data" * 1024)
        sparse.truncate(4 << 20)
    options = ["--sparse"] if form in ("oldgnu", "gnu", "posix") else []
    subprocess.run(
        ["tar", f"--format={form}", "--sort=name", *options, "-cf", tmp_path / "t.tar", "-C", root, "."], check=True
    )
    found = {}
    for one in members((tmp_path / "t.tar").read_bytes(), 10_000):
        content = bytearray(one.size)
        stored = one.content.read(1 << 24)
        position = 0
        for offset, size in one.segments if one.segments is not None else ((0, one.size),):
            content[offset : offset + size] = stored[position : position + size]
            position += size
        found[one.name] = (one.kind, bytes(content), one.target, one.segments is not None)
    assert set(found) == {b"", b"dir", b"dir/file", b"dir/link", b"hard", b"sparse"}
    assert found[b"dir/file"][:2] == (MemberKind.FILE, b"content")
    assert found[b"dir/link"][2] == b"../x"
    assert found[b"hard"][2] == b"dir/file"
    assert found[b"sparse"][1] == (root / "sparse").read_bytes()
    assert found[b"sparse"][3] == bool(options)


PARTS = st.text(alphabet="ab.é", min_size=1, max_size=60)
ENTRIES = st.lists(
    st.tuples(
        st.lists(PARTS, min_size=1, max_size=6).map("/".join).filter(lambda name: ".." not in name.split("/")),
        st.binary(max_size=1500),
        st.integers(0, 2**40),
        st.integers(0, 2**31),
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=120)
@given(entries=ENTRIES, form=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]), size=st.integers(1, 3000))
def test_reads_what_tarfile_writes(entries, form, size):
    entries = [entry for entry in entries if any(part not in ("", ".") for part in entry[0].split("/"))]
    stored = archive(
        *((name, content, {"mtime": mtime, "uid": uid}) for name, content, mtime, uid in entries), form=form
    )
    found = [(one.name, one.mtime, one.uid, one.content.read(1500)) for one in members(stored, size)]
    assert found == [
        ("/".join(part for part in name.split("/") if part not in ("", ".")).encode(), mtime * 10**9, uid, content)
        for name, content, mtime, uid in entries
    ]


SOUND = archive(
    ("d" * 150 + "/" + "f" * 90, b"x" * 700, {"mtime": 1.5, "pax_headers": {"SCHILY.xattr.user.a": "b"}}),
    ("link", None, {"type": tarfile.SYMTYPE, "linkname": "t" * 200}),
    ("file", b"y" * 100, {}),
) [:-1024] + sparse_old() + sparse_pax_10() + END  # fmt: skip


def repaired(stored):
    """Give every header-sized block a right checksum, so that damage gets past it."""
    blocks = [bytearray(block) for block in cut(stored, 512)]
    for block in blocks:
        if len(block) == 512 and block[257:262] == b"ustar":
            block[148:156] = b"        "
            block[148:156] = b"%06o\0 " % sum(block)
    return b"".join(blocks)


@settings(deadline=None, max_examples=500)
@given(seed=st.integers(0, 2**32), size=st.sampled_from([100, 512, 5000]))
def test_damage_is_always_an_image_fault(seed, size):
    choose = random.Random(seed)
    stored = bytearray(SOUND)
    for _ in range(choose.randint(1, 6)):
        position = choose.randrange(len(stored))
        stored[position] = choose.choice([0, 0x30, 0x37, 0x39, 0x80, 0xFF, choose.randrange(256)])
    if choose.random() < 0.2:
        del stored[choose.randrange(len(stored)) :]
    with suppress(ImageFault):
        for one in members(repaired(bytes(stored)), size):
            one.content.read(1 << 20)


def test_contents_that_nobody_reads_are_leaped_over():
    content = b"".join(bytes([number]) * 40_000 for number in range(1, 6))
    stored = archive(("big", content, {}), ("x" * 120, b"short", {}), ("other", content, {}), ("end", b"", {}))
    reads = []

    def read(offset, size):
        reads.append(size)
        return stored[offset : offset + size]

    found = {}
    for member in find_members(read, len(stored), where="file"):
        if member.name != b"other":
            found[member.name] = stored[member.content_offset : member.content_offset + member.size]
        else:
            found[member.name] = member.content.read(len(content))
    assert found == {b"big": content, b"x" * 120: b"short", b"other": content, b"end": b""}
    assert sum(reads) < len(content) + 40_000
    assert max(reads) <= 4096


@pytest.mark.parametrize("size", [0, 100, 512, 1024, 41_000, 41_472])
def test_a_file_that_ends_early_is_told_from_one_that_ends(size):
    stored = archive(("a", b"x" * 40_960, {}), ("b", b"", {}), form=tarfile.USTAR_FORMAT)[:size]
    if size in (0, 41_472):  # between members
        assert len(list(find_members(lambda at, count: stored[at : at + count], size, where="file"))) == size // 41_472
        return
    with pytest.raises(MalformedImage, match="file: the stream ends"):
        list(find_members(lambda at, count: stored[at : at + count], size, where="file"))
