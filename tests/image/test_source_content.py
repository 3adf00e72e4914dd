"""Digests of a source's files: cut anywhere, they are those of the whole; holes cost nothing."""

import hashlib
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.access.source_images import Entry, tar_of

from rafsight.base.units import KiB, MiB
from rafsight.formats.checksum import digest
from rafsight.formats.tables import Digester
from rafsight.formats.tar import read_members
from rafsight.image import source_content
from rafsight.image.source_content import UNREADABLE, ContentPlan, SourceDigests, plan_content
from rafsight.image.tree import ImageTree
from rafsight.testing.trees import build_image

CELL = 4 * KiB


def cells(content, kind=Digester.SHA256, size=CELL):
    return b"".join(digest(kind, content[at : at + size]) for at in range(0, len(content), size))


def take(digests, tar, piece_size=1000):
    keys = {}
    pieces = (tar[at : at + piece_size] for at in range(0, len(tar), piece_size))
    for member in read_members(pieces, where="layer"):
        if member.content.size:
            keys[member.name] = 0, member.content_offset
            digests.take(0, member)
    return keys


def plan(*sizes, kinds=(Digester.SHA256,)):
    return ContentPlan(cell_size=CELL, digester=np.zeros(0, np.int8), wanted=dict.fromkeys(sizes, kinds))


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.sampled_from([1, 4095, 4096, 4097, 8192, 20_000]), min_size=1, max_size=4),
    piece_size=st.integers(100, 9000),
)
def test_digests_do_not_depend_on_how_the_stream_is_cut(sizes, piece_size):
    files = {b"f%d" % row: hashlib.sha256(b"%d" % row).digest() * (size // 32 + 1) for row, size in enumerate(sizes)}
    files = {name: content[:size] for (name, content), size in zip(files.items(), sizes, strict=True)}
    digests = SourceDigests(plan(*sizes, kinds=(Digester.BLAKE3, Digester.SHA256)))
    keys = take(digests, tar_of([Entry(name, content=content) for name, content in files.items()]), piece_size)
    for name, content in files.items():
        for kind in Digester:
            assert digests.find(keys[name], len(content), kind) == cells(content, kind)
    assert digests.file_count == len(sizes)
    assert digests.hashed_size == sum(sizes)


def test_only_sizes_that_the_image_has_are_hashed():
    digests = SourceDigests(plan(5))
    keys = take(digests, tar_of([Entry(b"a", content=b"12345"), Entry(b"b", content=b"123456")]))
    assert digests.find(keys[b"a"], 5, Digester.SHA256) == hashlib.sha256(b"12345").digest()
    assert digests.find(keys[b"a"], 5, Digester.BLAKE3) is None
    assert digests.find(keys[b"b"], 6, Digester.SHA256) is None
    assert digests.hashed_size == 5


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs GNU tar")
@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_holes_are_zeros(form, tmp_path):
    content = bytearray(10 * MiB + 77)
    content[5 * MiB + 100 : 5 * MiB + 5100] = (hashlib.sha256(b"x").digest() * 157)[:5000]
    content = bytes(content)
    with (tmp_path / "sparse").open("wb") as file:
        file.seek(5 * MiB + 100)
        file.write(content[5 * MiB + 100 : 5 * MiB + 5100])
        file.truncate(len(content))
    command = ["tar", "-C", str(tmp_path), "-S", "-c", f"--format={form}", "sparse"]
    tar = subprocess.run(command, check=True, capture_output=True).stdout
    assert len(tar) < MiB
    digests = SourceDigests(plan(len(content)))
    keys = take(digests, tar)
    assert digests.find(keys[b"sparse"], len(content), Digester.SHA256) == cells(content)


def test_a_file_without_stored_bytes_is_all_zeros():
    digests = SourceDigests(plan())
    for size in (1, CELL - 1, CELL, CELL + 1, 3 * CELL, 3 * CELL + 5):
        assert digests.find(None, size, Digester.BLAKE3) == cells(bytes(size), Digester.BLAKE3)
    assert digests.find(None, 1 << 60, Digester.SHA256) is None


def test_digests_are_bounded():
    most = source_content.MAX_CELLS * CELL
    digests = SourceDigests(plan(most + 1, 3))
    [member, *_] = read_members(iter([tar_of([Entry(b"a", content=b"abc")])]), where="layer")
    digests.take(0, replace(member, size=most + 1))
    assert digests.find((0, member.content_offset), most + 1, Digester.SHA256) is None


def test_the_plan_knows_which_files_can_be_compared():
    image = build_image({b"a": b"x" * 9000, b"b": b"y" * 10, b"c": b"", b"d": b"z" * 5000}, chunk_size=CELL)
    tables = image.tables
    digests = tables.chunks.digest.copy()
    last = int(tables.extents.chunk[-1])
    digests[last] = 0
    tree = ImageTree(replace(tables, chunks=replace(tables.chunks, digest=digests)))
    found = plan_content(tree)
    by_name = {tree.name(row): int(found.digester[row]) for row in range(len(tree))}
    assert by_name == {
        b"": UNREADABLE,
        b"a": Digester.SHA256,
        b"b": Digester.SHA256,
        b"c": UNREADABLE,
        b"d": UNREADABLE,
    }
    assert found.wanted == dict.fromkeys((9000, 10, 5000), (Digester.SHA256,))


@pytest.mark.parametrize("chunk_size", [0, 512, 1 << 31])
def test_an_impossible_chunk_size_is_not_believed(chunk_size):
    tables = build_image({b"a": b"x" * 9000}, chunk_size=CELL).tables
    tree = ImageTree(replace(tables, superblock=replace(tables.superblock, chunk_size=chunk_size)))
    found = plan_content(tree)
    assert found.cell_size == MiB
    assert set(found.digester.tolist()) == {UNREADABLE}
