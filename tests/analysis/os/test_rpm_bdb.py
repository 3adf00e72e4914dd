import random
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.support import bdb_dump

from rafsight.analysis.extractor import MalformedFile, Skipped
from rafsight.analysis.os.rpm_bdb import is_bdb, read_blobs

needs_db = pytest.mark.skipif(not shutil.which("db5.3_load"), reason="needs db5.3_load (package db5.3-util)")


def load(folder, blobs, **options):
    path = folder / "Packages"
    subprocess.run(["db5.3_load", str(path)], input=bdb_dump(blobs, **options), text=True, check=True)
    return path.read_bytes()


@needs_db
@pytest.mark.parametrize("page_size", [512, 1024, 4096, 65536])
@pytest.mark.parametrize("order", [1234, 4321])
def test_reads_what_berkeley_db_wrote(tmp_path, page_size, order):
    choose = random.Random(page_size + order)
    blobs = [choose.randbytes(choose.randrange(page_size, 190_000)) for _ in range(40)]
    content = load(tmp_path, blobs, page_size=page_size, order=order)
    assert is_bdb(content)
    assert sorted(blob for blob in read_blobs(content) if isinstance(blob, bytes)) == sorted(blobs)


@needs_db
def test_damage_is_skipped_or_malformed(tmp_path):
    choose = random.Random(7)
    sound = load(tmp_path, [choose.randbytes(size) for size in (600, 2000, 5000)], page_size=512)
    assert len(list(read_blobs(sound))) == 3

    @given(position=st.integers(0, len(sound) - 1), byte=st.integers(0, 255), cut=st.integers(0, len(sound)))
    def check(position, byte, cut):
        content = bytearray(sound)
        content[position] = byte
        for damaged in (bytes(content), bytes(content[:cut])):
            try:
                found = list(read_blobs(damaged))
            except MalformedFile:
                continue
            assert sum(len(item) for item in found if isinstance(item, bytes)) <= len(sound)

    check()


@needs_db
def test_a_chain_that_loops_is_skipped(tmp_path):
    sound = load(tmp_path, [b"x" * 3000], page_size=512)
    content = bytearray(sound)
    pages = [page for page in range(1, len(sound) // 512) if sound[page * 512 + 25] == 7]
    content[pages[-1] * 512 + 16 : pages[-1] * 512 + 20] = pages[0].to_bytes(4, "little")
    (found,) = read_blobs(bytes(content))
    assert isinstance(found, Skipped)


@needs_db
def test_pages_of_another_shape(tmp_path):
    sound = load(tmp_path, [b"x" * 3000], page_size=512)
    hashes = [page for page in range(1, len(sound) // 512) if sound[page * 512 + 25] in (2, 13)]
    content = bytearray(sound)
    content[hashes[0] * 512 + 20 : hashes[0] * 512 + 22] = b"\xff\xff"
    with pytest.raises(MalformedFile, match="65535 items"):
        list(read_blobs(bytes(content)))
    content = bytearray(sound)
    chain = [page for page in range(1, len(sound) // 512) if sound[page * 512 + 25] == 7]
    content[chain[2] * 512 + 25] = 6
    (found,) = read_blobs(bytes(content))
    assert isinstance(found, Skipped)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 12 + b"\x61\x15\x06\x00", b"\0" * 12 + b"\x61\x15\x06\x00" + b"\xff" * 600]
)
def test_no_database_is_malformed(content):
    with pytest.raises(MalformedFile):
        list(read_blobs(content))
