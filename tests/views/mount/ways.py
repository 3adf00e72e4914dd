"""The ways to mount an image, each in its simplest form."""

from contextlib import contextmanager

import pytest

from rafsight.formats.rafs.erofs_writer import write_erofs
from rafsight.image.backing import map_chunks
from rafsight.views.fuse.blob_files import BlobFiles
from rafsight.views.fuse.channel import NoFuse
from rafsight.views.fuse.server import serve
from rafsight.views.fuse.tree_files import TreeFiles
from rafsight.views.mount.kernel import MountRefused, mount_erofs, unmount

BLOCK = 4096


@contextmanager
def fuse_tree(image, store, folder):
    """Mount the whole tree through FUSE."""
    directory = folder / "fuse"
    directory.mkdir()
    try:
        with serve(TreeFiles(image.tree, store), directory) as mount:
            yield directory
            assert mount.is_alive
    except NoFuse as missing:
        pytest.skip(str(missing))


def write_metadata(image, store):
    tables = image.tree.tables
    chunk_map = map_chunks(tables, store.backing)
    assert not chunk_map.unmappable.size
    blocks = (store.backing.sizes // BLOCK).tolist()
    written = write_erofs(tables, chunk_map, device_blocks=blocks, uuid=bytes(16))
    assert written.dropped_xattrs == 0
    return written


@contextmanager
def erofs(metadata, devices, folder):
    directory = folder / "erofs"
    directory.mkdir(exist_ok=True)
    try:
        mount_erofs(metadata, devices, directory)
    except MountRefused as refused:
        pytest.skip(str(refused))
    try:
        yield directory
    finally:
        unmount(directory, lazy=True)


@contextmanager
def erofs_over_fuse(image, store, folder):
    """Mount metadata of ours by the kernel; its bytes and those of the blobs come through FUSE."""
    directory = folder / "blobs"
    directory.mkdir()
    names = [f"blob{number}" for number in range(len(store.paths()))]
    files = BlobFiles(store, names, {"metadata": write_metadata(image, store).content})
    try:
        with serve(files, directory), erofs(directory / "metadata", [directory / one for one in names], folder) as root:
            yield root
    except NoFuse as missing:
        pytest.skip(str(missing))


@contextmanager
def erofs_over_cache(image, store, folder):
    """Mount metadata of ours by the kernel over a complete cache: nobody serves anything."""
    assert store.is_complete()
    store.confirm_all()
    metadata = folder / "metadata"
    metadata.write_bytes(write_metadata(image, store).content)
    with erofs(metadata, store.paths(), folder) as root:
        yield root
