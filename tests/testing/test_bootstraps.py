import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.formats.rafs import images
from tests.formats.rafs.kernel import mounted
from tests.formats.rafs.laws import check_laws

from rafsight.base.limits import Limits
from rafsight.formats.rafs.codec import read_bootstrap
from rafsight.testing.bootstraps import synthetic_bootstrap


@pytest.mark.parametrize(("count", "chunk_size"), [(1, 4096), (2, 1 << 20), (11, 65536), (3000, 1 << 20), (3000, 4096)])
def test_reads_back(count, chunk_size):
    content = synthetic_bootstrap(count, chunk_size=chunk_size)
    tables = read_bootstrap(content, name="", limits=Limits())
    check_laws(tables)
    assert len(tables.entries.mode) == tables.superblock.inode_count == count
    assert tables.superblock.chunk_size == chunk_size
    own = tables.entries.link_row == range(count)
    regular = own & (tables.entries.mode >> 12 == 8)
    assert (tables.entries.extent_count[regular] == -(-tables.entries.size[regular] // chunk_size)).all()
    assert tables.extents.size.sum() == tables.entries.size[regular].sum()


def test_is_reproducible():
    assert synthetic_bootstrap(500) == synthetic_bootstrap(500)
    assert synthetic_bootstrap(500) != synthetic_bootstrap(500, seed=1)


def test_is_as_realistic_as_promised():
    tables = read_bootstrap(synthetic_bootstrap(20_000), name="", limits=Limits())
    entries = tables.entries
    fan_out = entries.child_count[entries.child_count > 0]
    assert 10 <= fan_out[:-1].min() <= sorted(fan_out)[len(fan_out) // 2] <= 100 < fan_out.max() <= 500
    assert entries.size[entries.mode >> 12 == 4].max() > 4096
    assert (entries.link_row != range(20_000)).any()
    assert (entries.xattr_size > 0).any()
    assert len(tables.extents.size) > len(tables.chunks.size) > 10_000


@pytest.mark.root
def test_kernel_lists_the_same_tree(tmp_path):
    content = synthetic_bootstrap(4000)
    (tmp_path / "boot").write_bytes(content)
    tables = read_bootstrap(content, name="", limits=Limits())
    entries = tables.entries
    with mounted(tmp_path / "boot", tmp_path / "mnt") as root:
        base = os.fsencode(root)
        path_of = images.paths(tables)
        listed = sum(len(folders) + len(files) for _, folders, files in os.walk(base))
        assert listed == len(path_of) - 1
        for row, path in enumerate(path_of):
            found = os.lstat(base + path)
            assert (found.st_mode, found.st_ino) == (entries.mode[row], entries.ino[row])
            assert (found.st_size, found.st_nlink) == (entries.size[row], entries.nlink[row])
            if entries.target_size[row]:
                assert os.fsencode(Path(os.fsdecode(base + path)).readlink()) == bytes(
                    images.area(tables, "target", row)
                )
            xattrs = tables.read_xattrs(images.area(tables, "xattr", row))
            assert os.listxattr(base + path, follow_symlinks=False) == [xattr.name.decode() for xattr in xattrs]


@pytest.mark.skipif(shutil.which("fsck.erofs") is None, reason="fsck.erofs is not installed")
def test_fsck_finds_no_errors(tmp_path):
    (tmp_path / "boot").write_bytes(synthetic_bootstrap(2000))
    with (tmp_path / "device").open("wb") as device:
        device.truncate(1 << 30)
    done = subprocess.run(
        ["fsck.erofs", f"--device={tmp_path / 'device'}", str(tmp_path / "boot")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
