"""Archive files: where members lie, whatever the archive is wrapped in and whoever made it."""

import bz2
import lzma
import os
import shutil
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.access.archive_builders import hard, packed, tar_with, with_bytes

from rafsight.access.archive_file import ArchiveFile, Bounds, CompressedArchive
from rafsight.access.backend import NoSuchFile, NoSuchMember, NotFound, NotRegular, ShortRead
from rafsight.access.counting import Meter
from rafsight.base.errors import ExitStatus, ImageFault
from rafsight.base.limits import Limits
from rafsight.formats.oci.errors import UnsupportedFormat
from rafsight.formats.tables import MalformedImage

BIG = bytes(range(256)) * 5000
MEMBERS = (("a/b", b"content"), ("./big", BIG), ("empty", b""), ("folder", None))


@pytest.fixture
def opened(tmp_path):
    """Open archives from their bytes, and close them at the end."""
    files = []

    def make(content, **more):
        path = with_bytes(tmp_path / f"{len(files)}.tar", content)
        files.append(ArchiveFile(path, place="archive", **more))
        return files[-1]

    yield make
    for one in files:
        one.close()


def content(archive, name):
    return archive.file(name, name).read_whole(1 << 30, Meter())


@pytest.mark.parametrize("wrap", [bytes, packed, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_members_are_found_and_read_by_position(opened, wrap):
    archive, meter = opened(wrap(tar_with(*MEMBERS))), Meter()
    assert content(archive, "a/b") == content(archive, "./a//b") == b"content"
    assert content(archive, "empty") == b""
    big = archive.file("big", "big")
    assert big.size() == len(BIG)
    assert big.read_range(1000, 700_000, meter) == BIG[1000:701_000]
    with big.pieces(meter) as pieces:
        assert b"".join(pieces) == BIG
    for offset, size in ((len(BIG), 1), (0, len(BIG) + 1), (-1, 1), (1 << 70, 1)):
        with pytest.raises(ShortRead):
            big.read_range(offset, size, meter)
    assert archive.has("a/b")
    assert not archive.has("folder")
    for name in ("folder", "a", "none", "", "../a/b", "é", "\ud800"):
        with pytest.raises(NotFound):
            archive.file(name, "it")


def test_contents_are_leaped_over(tmp_path):
    size = 1 << 36
    info = tarfile.TarInfo("huge")
    info.size = size
    with (tmp_path / "huge.tar").open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.seek(size, os.SEEK_CUR)
        file.write(tar_with(("last", b"here")))
    archive = ArchiveFile(tmp_path / "huge.tar", place="archive")
    assert content(archive, "last") == b"here"
    assert archive.file("huge", "it").read_range(size - 3, 3, Meter()) == b"\0\0\0"
    archive.close()


@pytest.mark.parametrize("wrap", [bytes, packed], ids=["plain", "gzip"])
def test_a_pipe_is_read_to_its_end(wrap):
    reading, writing = os.pipe()

    def write():
        with open(writing, "wb") as pipe:  # noqa: PTH123 - a descriptor is no path
            pipe.write(wrap(tar_with(*MEMBERS)))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        archive = ArchiveFile(Path(f"/dev/fd/{reading}"), place="pipe")
        assert content(archive, "big") == BIG
        archive.close()
    finally:
        writer.join()
        os.close(reading)


def test_links_lead_to_members(opened):
    archive = opened(
        tar_with(
            ("one/layer.tar", b"first"),
            ("two/layer.tar", "../one/layer.tar"),
            ("three", "/two/layer.tar"),
            ("four", hard("one/layer.tar")),
            ("five", "./four"),
        )
    )
    assert {content(archive, name) for name in ("two/layer.tar", "three", "four", "five")} == {b"first"}
    assert archive.has("three")


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("../../etc/passwd", "leads out"),
        ("none", "has no it$"),
        ("link", "circle"),
        ("other", "circle"),
        ("/", "no it$"),
    ],
)
def test_links_that_lead_nowhere(opened, target, what):
    archive = opened(tar_with(("link", target), ("other", "link"), ("folder", None)))
    with pytest.raises(NoSuchMember, match=what) as caught:
        archive.file("link", "it")
    assert caught.value.exit_status is ExitStatus.NOT_FOUND


def test_long_chains_of_links_end(opened):
    archive = opened(tar_with(("0", b"end"), *((str(number), str(number - 1)) for number in range(1, 100))))
    assert content(archive, "39") == b"end"
    with pytest.raises(NoSuchMember, match="circle"):
        archive.file("40", "it")


def test_of_one_name_the_last_member_counts(opened):
    archive = opened(tar_with(("a", b"1"), ("b", b"1"), ("a", b"22"), ("b", "a"), ("c", "a"), ("c", None), ("d", "a"), ("d", b"3")))  # fmt: skip
    assert content(archive, "a") == content(archive, "b") == b"22"
    assert content(archive, "d") == b"3"
    assert not archive.has("c")


def test_what_is_no_archive(opened, tmp_path):
    with pytest.raises(MalformedImage, match="no tar archive"):
        opened(b"x" * 5000)
    with pytest.raises(NoSuchFile, match=r"has no file none\.tar"):
        ArchiveFile(tmp_path / "none.tar", place="archive")
    with pytest.raises(NotRegular):
        ArchiveFile(tmp_path, place="archive")
    assert not opened(b"").has("a")


@pytest.mark.parametrize(("pack", "name"), [(lzma.compress, "xz"), (bz2.compress, "bzip2")])
def test_other_compressions_are_named(opened, pack, name):
    with pytest.raises(CompressedArchive, match=f"compressed with {name}") as caught:
        opened(pack(tar_with(*MEMBERS)))
    assert caught.value.exit_status is ExitStatus.UNSUPPORTED


def test_a_compressed_archive_is_bounded_and_leaves_no_file(opened):
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(CompressedArchive, match="larger than 100000 bytes"):
        opened(packed(tar_with(*MEMBERS)), bounds=Bounds(spooled_size=100_000))
    with pytest.raises(MalformedImage):
        opened(packed(tar_with(*MEMBERS))[:-100])
    assert set(Path("/proc/self/fd").iterdir()) == before


@pytest.mark.parametrize("size", [100, 512, 1000, 1024 + 6, 3000, len(BIG)])
def test_a_cut_archive_is_damaged(opened, size):
    with pytest.raises(MalformedImage, match="archive"):
        opened(tar_with(*MEMBERS)[:size])


def test_an_archive_that_shrinks_later_is_short(tmp_path):
    path = with_bytes(tmp_path / "a.tar", tar_with(*MEMBERS))
    archive = ArchiveFile(path, place="archive")
    os.truncate(path, 3000)
    with pytest.raises(ShortRead):
        content(archive, "big")
    archive.close()
    archive.close()


def test_members_and_names_are_bounded(opened):
    many = tar_with(*((str(number), b"") for number in range(20)))
    with pytest.raises(MalformedImage, match="more than 19 members"):
        opened(many, bounds=Bounds(member_count=19))
    with pytest.raises(MalformedImage, match="29 bytes of names"):
        opened(many, bounds=Bounds(names_size=29))
    assert opened(many, bounds=Bounds(member_count=20, names_size=30)).has("19")
    with pytest.raises(MalformedImage, match="a path of"):
        opened(tar_with(("x/" * 300, b"")), limits=Limits(path_size=500))


@pytest.mark.parametrize("name", ["../out", "a/../../out"])
def test_members_do_not_lead_out(opened, name):
    with pytest.raises(MalformedImage, match="leads out"):
        opened(tar_with((name, b"")))


@pytest.mark.skipif(not shutil.which("tar"), reason="needs GNU tar")
def test_sparse_members_are_refused_not_misread(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.seek(10 << 20)
        file.write(b"end")
    (tmp_path / "plain").write_bytes(b"plain")
    subprocess.run(["tar", "-C", tmp_path, "-S", "-cf", tmp_path / "a.tar", "sparse", "plain"], check=True)
    archive = ArchiveFile(tmp_path / "a.tar", place="archive")
    assert content(archive, "plain") == b"plain"
    with pytest.raises(UnsupportedFormat, match="sparse"):
        archive.file("sparse", "it")
    archive.close()


SAMPLE = tar_with(("a", b"1" * 600), ("b", "a"), ("c" * 150, hard("a")), ("manifest.json", b"[]"))


@settings(deadline=None, max_examples=150)
@given(position=st.integers(0, len(SAMPLE) - 1), value=st.integers(0, 255), end=st.integers(0, len(SAMPLE)))
def test_damage_is_an_image_fault(tmp_path_factory, position, value, end):
    damaged = bytearray(SAMPLE)
    damaged[position] = value
    path = with_bytes(tmp_path_factory.getbasetemp() / "damaged.tar", bytes(damaged[:end]))
    try:
        archive = ArchiveFile(path, place="archive")
    except (ImageFault, CompressedArchive):
        return
    for name in ("a", "b", "c" * 150):
        try:
            archive.file(name, "it").read_whole(1 << 20, Meter())
        except (NotFound, ImageFault):
            continue
    archive.close()


def test_threads_may_share_it(opened):
    archive, wrong = opened(tar_with(*MEMBERS)), []

    def read(start):
        part = archive.file("big", "big")
        wrong.extend(at for at in range(start, start + 50_000, 1000) if part.read_range(at, 900, Meter()) != BIG[at : at + 900])  # fmt: skip

    threads = [threading.Thread(target=read, args=(start * 200_000,)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_reads_what_tarfile_writes_in_every_form(opened):
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        archive = opened(tar_with(("d" * 90 + "/" + "f" * 90, b"long"), ("last", b"x"), form=form))
        assert content(archive, "d" * 90 + "/" + "f" * 90) == b"long"
        assert content(archive, "last") == b"x"
