"""Archives of images as places of manifests and blobs.

This module alone knows which backend reads which kind of archive, and tells one kind from the other.
"""

from pathlib import Path
from typing import Final

from rafsight.access.archive_file import ArchiveFile
from rafsight.access.backend import Backend, NotFound
from rafsight.access.counting import Meter
from rafsight.access.docker_archive import DockerArchive
from rafsight.access.oci_layout import LayoutBackend
from rafsight.base.errors import CallerError, ExitStatus, ImageFault
from rafsight.formats.oci.reference import ArchiveKind, ArchiveReference
from rafsight.formats.tables import MalformedImage

_LISTS: Final = {ArchiveKind.DOCKER: "manifest.json", ArchiveKind.OCI: "index.json"}
"""The member that makes an archive one of a kind."""


class OtherArchive(CallerError):
    """An archive of images is of the other kind."""

    code = "other-archive"
    template = "{place} has no {wanted}: it is an archive of another kind"
    remedy = "Name it as {other}."
    exit_status = ExitStatus.REFERENCE


class NotAnArchive(ImageFault):
    """A file is no archive of images."""

    code = "not-an-archive"
    template = "{place} is no archive of an image: it has neither manifest.json nor index.json"
    remedy = "Name a file that `docker save`, `podman save` or `skopeo copy` wrote; the files of a folder are dir:DIR."
    exit_status = ExitStatus.NOT_AN_IMAGE


def open_archive(reference: ArchiveReference, *, meter: Meter | None = None) -> Backend:
    """Open an archive of images.

    Args:
        reference: names it.
        meter: counts what is read.
    Raises: NotFound, Unreadable, OtherArchive, NotAnArchive, CompressedArchive, NoTemporarySpace, MalformedImage,
        MalformedDocument.
    Cost: a read a member; a compressed one is decompressed into a temporary file.
    """
    files = _open(reference, meter)
    try:
        _check_kind(files, reference)
        if reference.kind is ArchiveKind.OCI:
            return LayoutBackend(files, meter=meter)
        return DockerArchive(files, meter=meter)
    except BaseException:
        files.close()
        raise


def _open(reference: ArchiveReference, meter: Meter | None) -> ArchiveFile:
    try:
        return ArchiveFile(Path(reference.file), place=f"{reference.kind}:{reference.file}", meter=meter)
    except NotFound as error:
        error.advise("Check the path of the archive; what follows its first colon is taken for a tag.")
        raise
    except MalformedImage as error:
        error.advise("Name a file that `docker save` or `skopeo copy` wrote; if it is one, it was cut: write it again.")
        raise


def _check_kind(files: ArchiveFile, reference: ArchiveReference) -> None:
    """Tell people who took the wrong word the right one."""
    if files.has(_LISTS[reference.kind]):
        return
    other = ArchiveKind.DOCKER if reference.kind is ArchiveKind.OCI else ArchiveKind.OCI
    if not files.has(_LISTS[other]):
        raise NotAnArchive(place=files.place)
    raise OtherArchive(place=files.place, wanted=_LISTS[reference.kind], other=f"{other}:{reference.file}")
