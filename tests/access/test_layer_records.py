"""What was written of a layer comes back, and whatever is not whole is nothing."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.access.layer_records import LayerSummary, RecordWriter, StoredContent, read_record
from rafsight.formats.checksum import digest
from rafsight.formats.compression import Encoder
from rafsight.formats.rafs.blob_writer import BlobWriter
from rafsight.formats.tables import Compressor, Digester, Xattr
from rafsight.formats.tar import Member, MemberKind
from rafsight.image.compose import FileChunks

SUMMARY = LayerSummary(
    blob_digest="sha256:" + "a" * 64, blob_size=7, meta=b"\0\1meta", content_size=99, left_out=(("odd", 2), ("even", 4))
)


def member(**more):
    fields = {
        "name": b"a/\xff",
        "kind": MemberKind.FILE,
        "mode": 0o4755,
        "uid": 2**32 - 1,
        "gid": 70_000,
        "mtime": -1,
        "size": 5,
        "target": b"",
        "rdev": 0,
        "xattrs": (Xattr(name=b"user.\xfe", value=b"\0v"), Xattr(name=b"user.b", value=b"")),
        "content_offset": 1 << 40,
        "segments": None,
    }
    fields |= more
    return Member(**fields, content=StoredContent(size=fields["size"]))


MEMBERS = [
    member(),
    member(name=b"", kind=MemberKind.DIRECTORY, size=0, mtime=2**62),
    member(name=b"l", kind=MemberKind.HARDLINK, target=b"a/\xff", size=0, xattrs=()),
    member(name=b"s", kind=MemberKind.SYMLINK, target=b"\xff", size=0, mtime=-(2**62)),
    member(name=b"c", kind=MemberKind.CHAR, rdev=0xFFF00FFF, size=0),
]


def record(members=MEMBERS, contents=(b"one", b"two" * 900), summary=SUMMARY):
    """Write a record; return its bytes, and what should come back."""
    blob = BlobWriter(lambda piece: None, Encoder(Compressor.ZSTD), digester=Digester.SHA256, aligned=True)
    for content in contents:
        blob.add(content, digest(Digester.SHA256, content))
    written = blob.finish(chunk_size=4096)
    files = FileChunks(
        offset=np.array([512, 1 << 40]), start=np.array([0, 1]), count=np.array([1, 2]), reference=np.array([0, -5, 1])
    )
    file = io.BytesIO()
    writer = RecordWriter(file)
    for one in members:
        writer.add(one)
    writer.finish(files, written.entry, written.chunks, summary)
    return file.getvalue(), files, written


def read(tmp_path, content):
    (tmp_path / "record").write_bytes(content)
    return read_record(tmp_path / "record")


def assert_same_columns(one, other):
    for name in type(one).__dataclass_fields__:
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine.dtype == theirs.dtype, name
        assert mine.tolist() == theirs.tolist(), name


def test_everything_comes_back(tmp_path):
    content, files, written = record()
    layer, summary = read(tmp_path, content)
    assert list(layer.members) == MEMBERS
    assert list(layer.members) == MEMBERS, "as often as they are asked for"
    assert (layer.entry, summary) == (written.entry, SUMMARY)
    assert_same_columns(layer.files, files)
    assert_same_columns(layer.chunks, written.chunks)
    content = next(iter(layer.members)).content
    assert (list(content), content.read(9), content.size) == ([], b"", 5)


def test_a_layer_of_nothing(tmp_path):
    empty = LayerSummary(blob_digest="", blob_size=0, meta=b"", content_size=0)
    content, _, _ = record((), (), empty)
    layer, summary = read(tmp_path, content)
    assert (list(layer.members), summary, len(layer.chunks.size)) == ([], empty, 0)


@settings(max_examples=30)
@given(
    fields=st.fixed_dictionaries(
        {
            "name": st.binary(max_size=20),
            "mode": st.integers(0, 0o7777),
            "mtime": st.integers(-(10**9) * 2**63, 10**9 * 2**63 - 1),
            "size": st.integers(0, 2**63 - 1),
            "target": st.binary(max_size=20),
            "rdev": st.integers(0, 2**32 - 1),
            "kind": st.sampled_from(MemberKind),
            "xattrs": st.lists(st.builds(Xattr, name=st.binary(max_size=9), value=st.binary(max_size=9))).map(tuple),
        }
    )
)
def test_any_member_comes_back(tmp_path_factory, fields):
    one = member(**fields)
    content, _, _ = record([one])
    layer, _ = read(tmp_path_factory.mktemp("record"), content)
    assert list(layer.members) == [one]


def test_any_bit_that_changed_makes_it_no_record(tmp_path):
    content, _, _ = record(MEMBERS[:2])
    for place in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        assert read(tmp_path, bytes(damaged)) is None, place


def test_any_end_before_the_end_makes_it_no_record(tmp_path):
    content, _, _ = record(MEMBERS[:2])
    for size in range(0, len(content), 7):
        assert read(tmp_path, content[:size]) is None, size
    assert read(tmp_path, content + b"\0") is None
    assert read(tmp_path, content[:-4096].ljust(len(content), b"\0")) is None


@pytest.mark.parametrize("content", [b"", b"x", b"rafsight layer 1\n", bytes(100), struct.pack("<I", 0xFFFFFFFF) * 20])
def test_other_files_are_none(tmp_path, content):
    assert read(tmp_path, content) is None
    assert read_record(tmp_path / "nowhere") is None
    assert read_record(tmp_path) is None
