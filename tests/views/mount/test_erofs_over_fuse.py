"""The kernel's EROFS over files of ours when content cannot be had: an error, never zeros, and no longer than need be."""

import subprocess
import sys
from contextlib import contextmanager, suppress

import pytest
from tests.formats.made_tables import Node, make_image
from tests.views.fuse.mounts import PATIENCE, ROOT
from tests.views.mount.serving_blobs import CONTENT, SIZE, Pattern
from tests.views.observed import needs_root, run_python

from rafsight.access.backend import NotFound
from rafsight.formats.rafs.erofs_writer import write_erofs
from rafsight.image.backing import lay_out, map_chunks
from rafsight.views.fuse.blob_files import BlobFiles
from rafsight.views.fuse.channel import NoFuse
from rafsight.views.fuse.server import serve
from rafsight.views.mount.kernel import MountRefused, UnmountRefused, mount_at, mount_erofs, unmount

pytestmark = [pytest.mark.root, needs_root]

READ = """
import os, sys
file = os.open(sys.argv[1], os.O_RDONLY)
for offset in map(int, sys.argv[2:]):
    try:
        print(os.pread(file, 8, offset).hex())
    except OSError as error:
        print(error.strerror.replace(" ", "-"))
"""


def write_metadata(path):
    """Write metadata of a file whose blocks lie as they come in one device."""
    tables = make_image({b"f": Node(content=CONTENT)}, chunk_size=SIZE).tables
    backing = lay_out(tables)
    assert backing.sizes.tolist() == [SIZE]
    blocks = [SIZE // 4096]
    path.write_bytes(write_erofs(tables, map_chunks(tables, backing), device_blocks=blocks, uuid=bytes(16)).content)


def read(root, *offsets):
    return run_python(READ, root / "f", *map(str, offsets)).decode().split()


def right(offset):
    return CONTENT[offset : offset + 8].hex()


@contextmanager
def erofs(folder):
    """Mount metadata and device out of a folder."""
    directory = folder.parent / "erofs"
    directory.mkdir()
    try:
        mount_erofs(folder / "metadata", [folder / "blob0"], directory)
    except MountRefused as refused:
        pytest.skip(str(refused))
    try:
        yield directory
    finally:
        unmount(directory, lazy=True)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "blobs").mkdir()
    yield tmp_path / "blobs"
    with suppress(UnmountRefused):
        unmount(tmp_path / "blobs", lazy=True)


@contextmanager
def another_process(folder):
    """Have a process that can be killed serve the files."""
    metadata = folder.parent / "metadata"
    write_metadata(metadata)
    command = [sys.executable, "-m", "tests.views.mount.serving_blobs", folder, metadata]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        try:
            if server.stdout.readline() != "ready\n":
                pytest.skip("FUSE cannot be mounted here")
            yield server
        finally:
            server.kill()


@pytest.mark.parametrize("uncached", [(), (0,)], ids=["cached", "uncached"])
def test_an_error_of_content_is_not_kept(folder, uncached):
    write_metadata(folder.parent / "metadata")
    store = Pattern()
    store.error = NotFound(place="here", what="blob")
    files = BlobFiles(store, ["blob0"], {"metadata": (folder.parent / "metadata").read_bytes()}, uncached=uncached)
    try:
        with serve(files, folder), erofs(folder) as root:
            assert read(root, 0, SIZE // 2) == ["Input/output-error"] * 2
            assert files.tally.failed > 0
            store.error = None
            assert read(root, 0, SIZE // 2, SIZE - 8) == [right(0), right(SIZE // 2), right(SIZE - 8)]
            store.error = NotFound(place="here", what="blob")
            assert read(root, 0) == [right(0)], "what the kernel has it has"
    except NoFuse as missing:
        pytest.skip(str(missing))


def test_a_killed_server_gives_errors_and_never_zeros(folder):
    with another_process(folder) as server, erofs(folder) as root:
        assert read(root, 0) == [right(0)]
        server.kill()
        server.wait(PATIENCE)
        offsets = range(0, SIZE, SIZE // 64)
        said = read(root, *offsets)
        assert said[0] == right(0), "what the kernel has it has"
        assert said[-1] == "Input/output-error"
        for offset, one in zip(offsets, said, strict=True):
            assert one in (right(offset), "Input/output-error")


def test_readers_in_the_middle_of_a_read_are_let_go_when_the_server_is_killed(folder):
    with another_process(folder) as server, erofs(folder) as root:
        code = READ.replace("for offset", "print('open', flush=True)\nfor offset")
        command = [sys.executable, "-I", "-S", "-c", code, root / "f", str(SIZE - 8)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdout.readline() == "open\n"
            with pytest.raises(subprocess.TimeoutExpired):
                reader.wait(0.5)
            server.kill()
            said, _ = reader.communicate(timeout=PATIENCE)
        assert said == "Input/output-error\n"


def test_files_of_a_mount_go_when_both_are_unmounted(folder):
    with another_process(folder) as server:
        with erofs(folder) as root:
            assert read(root, 8) == [right(8)]
        server.stdin.close()
        assert server.wait(PATIENCE) == 0
    assert mount_at(folder) is None
