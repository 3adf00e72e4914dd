"""Programs run from mounted images: linked statically, with shared libraries, by a first line that names another."""

import platform
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from tests.formats.made_tables import Node, make_image, symlink
from tests.views.mount.ways import erofs_over_cache, erofs_over_fuse, fuse_tree
from tests.views.observed import PATIENCE, needs_root, run

from rafsight.access.chunk_store.store import open_chunk_store
from rafsight.access.options import Options
from rafsight.access.session import open_image
from rafsight.base.units import GiB
from rafsight.formats.rafs.codec import write_bootstrap
from rafsight.formats.tables import Compressor
from rafsight.testing.rafs_images import pack

pytestmark = [pytest.mark.root, needs_root]

SAYS = b"static\n"
CODE = {
    "x86_64": b"\xb8\1\0\0\0\xbf\1\0\0\0\x48\x8d\x35\x10\0\0\0\xba" + bytes([len(SAYS)]) + b"\0\0\0\x0f\5"
    b"\xb8\x3c\0\0\0\x31\xff\x0f\5",
    "aarch64": struct.pack(
        "<8I",
        *(0xD280_0020, 0x1000_00E1, 0xD280_0002 | len(SAYS) << 5, 0xD280_0808, 0xD400_0001),
        *(0xD280_0000, 0xD280_0BA8, 0xD400_0001),
    ),
}
"""write(1, what stands behind the code, its size); exit(0)."""
MACHINES = {"x86_64": 62, "aarch64": 183}


def static_program():
    """Return a program that needs nothing but the kernel."""
    machine = platform.machine()
    if machine not in CODE:
        pytest.skip(f"no program for {machine}")
    body, base = CODE[machine] + SAYS, 0x40_0000
    size = 64 + 56 + len(body)
    ident = b"\x7fELF\2\1\1" + bytes(9)
    head = ident + struct.pack("<HHIQQQIHHHHHH", 2, MACHINES[machine], 1, base + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 4096) + body


def shell():
    """Return the shell of this machine with its libraries, by path."""
    program = shutil.which("sh", path="/bin:/usr/bin")
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    libraries = re.findall(r"(/\S+) \(0x", listed)
    assert libraries, listed
    found = {path.lstrip("/").encode(): Path(path).read_bytes() for path in libraries}
    return {b"bin/sh": Path(program).read_bytes()} | found


def tree():
    files = shell() | {b"bin/static": static_program(), b"bin/script": b"#!/bin/sh\necho script $1\n"}
    nodes = {path: Node(mode=0o100755, content=content) for path, content in files.items()}
    nodes[b"data"] = Node(content=b"first line\nsecond line\n")
    nodes[b"bin/link"] = symlink(b"../bin/static")
    nodes[b"not a program"] = Node(content=static_program())
    return nodes


SCRIPT = """
/bin/static && /bin/link && /bin/script argument
read line < /data && echo "$line"
cd /bin && for name in s*; do echo "$name"; done
"/not a program" 2>/dev/null || echo refused
(echo x > /new) 2>/dev/null || echo read-only
"""
EXPECTED = b"static\nstatic\nscript argument\nfirst line\nscript\nsh\nstatic\nrefused\nread-only\n"


def write(folder, version):
    """Write an image as a bootstrap and a blob."""
    folder.mkdir()
    blob = bytearray()
    tables = pack(make_image(tree(), chunk_size=65_536), blob.extend, version=version, compressor=Compressor.ZSTD)
    (folder / tables.blobs[0].blob_id).write_bytes(blob)
    (folder / "image.boot").write_bytes(write_bootstrap(tables))
    return f"boot:{folder / 'image.boot'}", Options(blob_dir=folder)


@pytest.mark.parametrize("version", [5, 6])
def test_programs_run(version, tmp_path):
    reference, options = write(tmp_path / "image", version)
    tmp_path.chmod(0o755)
    with (
        open_image(reference, options=options) as image,
        open_chunk_store(image, tmp_path / "store", limit=GiB) as store,
        erofs_over_fuse(image, store, tmp_path) as root,
    ):
        assert not store.is_complete()
        assert run("chroot", root, "/bin/sh", "-c", SCRIPT) == EXPECTED
        assert run("chroot", "--userspec=65534:65534", root, "/bin/sh", "-c", SCRIPT) == EXPECTED
    with open_image(reference, options=options) as image:
        with (
            open_chunk_store(image, tmp_path / "other store", limit=GiB) as store,
            fuse_tree(image, store, tmp_path) as root,
        ):
            assert run("chroot", root, "/bin/sh", "-c", SCRIPT) == EXPECTED
            assert run("chroot", "--userspec=65534:65534", root, "/bin/sh", "-c", SCRIPT) == EXPECTED
            run("find", root, "-type", "f", "-exec", "cat", "{}", "+")
        with (
            open_chunk_store(image, tmp_path / "other store", limit=GiB) as store,
            erofs_over_cache(image, store, tmp_path) as root,
        ):
            assert run("chroot", root, "/bin/sh", "-c", SCRIPT) == EXPECTED
