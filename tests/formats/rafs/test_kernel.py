"""The kernel reads the same trees and bytes out of the same bootstraps."""

import os
import stat
from pathlib import Path

import pytest
from tests.formats.rafs import images
from tests.formats.rafs.kernel import mounted

from rafsight.formats.compression import Decoder

V6 = [name for name in images.NAMES if images.bootstrap(name)[:4] != b"SFAR"]


def flat_disk(image: images.Image, where):
    """Lay the bootstrap and every uncompressed blob where the device slots say (section 2.4): one mountable disk."""
    tables = image.tables
    block = 1 << dict(tables.superblock.fields)["blkszbits"]
    with where.open("wb") as disk:
        disk.write(images.bootstrap(image.directory.name))
        for chunk in range(len(tables.chunks.size)):
            entry = tables.blobs[int(tables.chunks.blob_index[chunk])]
            disk.seek(entry.mapped_block_address * block + int(tables.chunks.uncompressed_offset[chunk]))
            disk.write(images.read_chunk(tables, image.placement, chunk, image.blob, Decoder()))
        ends = [entry.mapped_block_address * block + entry.uncompressed_size for entry in tables.blobs]
        disk.truncate(max([disk.seek(0, os.SEEK_END), *ends]) + (-disk.tell() % 4096))
    return where


@pytest.mark.root
@pytest.mark.parametrize("name", V6)
def test_kernel_agrees(name, tmp_path):
    image = images.open_golden(name)
    tables, entries = image.tables, image.tables.entries
    with mounted(flat_disk(image, tmp_path / "disk"), tmp_path / "mnt") as root:
        base = os.fsencode(root)
        path_of = images.paths(tables)
        for row, path in enumerate(path_of):
            found = os.lstat(base + path)
            assert found.st_mode == entries.mode[row], path
            assert (found.st_uid, found.st_gid) == (entries.uid[row], entries.gid[row]), path
            assert found.st_ino == entries.ino[row], path
            assert found.st_nlink == entries.nlink[row], path
            assert found.st_mtime_ns == int(entries.mtime[row]) * 10**9 + int(entries.mtime_nsec[row]), path
            assert found.st_size == entries.size[row], path
            if stat.S_ISDIR(found.st_mode):
                listed = sorted(entry.name for entry in os.scandir(base + path))
                children = range(entries.child_start[row], entries.child_start[row] + entries.child_count[row])
                assert listed == [path_of[child].rpartition(b"/")[2] for child in children]
            elif stat.S_ISREG(found.st_mode):
                content = Path(os.fsdecode(base + path)).read_bytes()
                assert content == images.read_file(image, row), path
            elif stat.S_ISLNK(found.st_mode):
                assert os.fsencode(Path(os.fsdecode(base + path)).readlink()) == bytes(
                    images.area(tables, "target", row)
                ), path
            elif stat.S_ISBLK(found.st_mode) or stat.S_ISCHR(found.st_mode):
                rdev = int(entries.rdev[row])
                assert (os.major(found.st_rdev), os.minor(found.st_rdev)) == (
                    rdev >> 8 & 0xFFF,
                    rdev & 0xFF | rdev >> 12 & 0xFFF00,
                )
            listed_xattrs = {
                key: os.getxattr(base + path, key, follow_symlinks=False)
                for key in os.listxattr(base + path, follow_symlinks=False)
            }
            stored = tables.read_xattrs(images.area(tables, "xattr", row))
            assert listed_xattrs == {xattr.name.decode(): xattr.value for xattr in stored}, path
