"""What can go wrong when files are written out."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rafsight.base.errors import CallerError, ExitStatus, HostLimit


class NotWritten(HostLimit):
    """An archive or a file of an export cannot be written."""

    code = "export-not-written"
    template = "cannot write {where}: {why}"
    remedy = "Check the space and the permissions there; what a folder holds already is whole."
    exit_status = ExitStatus.OUTPUT


class FolderNotEmpty(CallerError):
    """The folder to export to holds something."""

    code = "folder-not-empty"
    template = "{folder} is not empty"
    remedy = "Name a new or an empty folder, or add --force to write over what has the same names."
    exit_status = ExitStatus.OUTPUT


class NoSuchForm(CallerError):
    """A file stands where an export is to go, and its name is not that of an archive."""

    code = "not-an-archive-name"
    template = "{target} is a file, and not named as an archive is"
    remedy = "End the name in .tar, .tar.gz, .tgz or .tar.zst for an archive, or name a folder."
    exit_status = ExitStatus.OUTPUT


class PlaceTaken(HostLimit):
    """Something that may not be deleted stands where a file is to go."""

    code = "export-place-taken"
    template = "{where} is a folder with something in it, and the image has a file of that name"
    remedy = "Move it out of the way, or export to an empty folder."
    exit_status = ExitStatus.OUTPUT


@contextmanager
def writing(where: str | bytes) -> Iterator[None]:
    """Turn the system's refusals into ours.

    Args:
        where: what is written.
    Raises: NotWritten.
    """
    try:
        yield
    except (NotWritten, PlaceTaken):
        raise
    except OSError as error:
        raise NotWritten(where=where, why=error.strerror or os.strerror(error.errno or 0)) from error
