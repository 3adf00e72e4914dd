"""Which file of a folder a bare bootstrap was taken out of.

A bootstrap that was written into its blob cannot know the blob's id. This module alone decides how the blob is found
again: it is the only file there whose inlined bootstrap has the very same bytes.
"""

from functools import partial
from pathlib import Path

from rafsight.access.counting import Meter
from rafsight.access.local_files import LocalFile
from rafsight.base.errors import ImageFault, RegistryFault
from rafsight.base.limits import Limits
from rafsight.formats.rafs import toc
from rafsight.formats.rafs.codec import read_head
from rafsight.formats.records import Buffer


def names_itself(bootstrap: Buffer, name: str, limits: Limits) -> bool:
    """Tell whether a blob of a bare bootstrap goes by the bootstrap's own name, for want of an id of its own.

    Args:
        bootstrap: the file.
        name: that stands for the placeholder.
        limits: what to accept.
    """
    try:
        blobs = read_head(bootstrap, name=name, limits=limits).blobs
        stored = read_head(bootstrap, name="", limits=limits).blobs
    except ImageFault:  # the check itself will say what is wrong with it
        return False
    return any(
        (one.data_id, one.meta_id) != (other.data_id, other.meta_id) for one, other in zip(blobs, stored, strict=True)
    )


def find_home(bootstrap: bytes, folder: Path, limits: Limits, meter: Meter) -> str | None:
    """Find the blob that a bootstrap was taken out of.

    Args:
        bootstrap: the file.
        folder: of blobs.
        limits: what to accept.
        meter: counts what is read.
    Returns: its file name; None if no file is it, or several may be.
    Cost: the ends of all files of the folder, and the bootstraps in them that have the right size.
    """
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
    except OSError:  # a folder that cannot be listed may still have files that can be read
        return None
    found = [name for name in names if _holds(folder / name, bootstrap, limits, meter)]
    return found[0] if len(found) == 1 else None


def _holds(path: Path, bootstrap: bytes, limits: Limits, meter: Meter) -> bool:
    file = LocalFile(path=path, what=f"file {path.name}", place=str(path.parent))
    try:
        size = file.size()
        tail_size = min(size, toc.TAIL_SIZE)
        parts = toc.find_parts(file.read_range(size - tail_size, tail_size, meter), size)
        if not any(part.name == toc.BOOTSTRAP and part.size == len(bootstrap) for part in parts):
            return False
        return toc.inlined_bootstrap(partial(_read, file, meter), size, limits) == bootstrap
    except (ImageFault, RegistryFault):  # some other file, or a damaged one
        return False


def _read(file: LocalFile, meter: Meter, offset: int, size: int) -> bytes:
    return file.read_range(offset, size, meter)
