"""The folder that shows a view: found, made, or refused.

This module alone decides where a view may be mounted.
"""

import errno
import os
from pathlib import Path

from rafsight.base.errors import CallerError, ExitStatus


class UnusablePlace(CallerError):
    """The folder cannot show a view."""

    code = "unusable-place"
    template = "nothing can be mounted at {directory}: {why}"
    remedy = "Name a folder, or a new one in a folder that exists; without DIR, rafsight makes one."
    exit_status = ExitStatus.OUTPUT


def find_place(directory: Path, cache: Path) -> tuple[Path, bool]:
    """Return the absolute path of a folder without links in it, and whether it exists already.

    Args:
        directory: as the user named it.
        cache: rafsight's cache folder, which must not be hidden by the mount.

    Raises: UnusablePlace.
    """
    try:
        place = Path(os.path.realpath(directory, strict=directory.exists()))
        exists = place.is_dir()
        is_other = not exists and os.path.lexists(place)
        has_parent = place.parent.is_dir()
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UnusablePlace(directory=str(directory), why=why) from error
    if is_other:
        raise UnusablePlace(directory=str(directory), why=os.strerror(errno.ENOTDIR))
    if not has_parent:
        raise UnusablePlace(directory=str(directory), why=f"there is no folder {place.parent}")
    if Path(os.path.realpath(cache)).is_relative_to(place):
        raise UnusablePlace(directory=str(directory), why="rafsight's own cache lies below it")
    return place, exists


def make_place(place: Path) -> None:
    """Make the folder.

    Raises: UnusablePlace.
    """
    try:
        place.mkdir()
    except FileExistsError:
        pass  # somebody else did
    except OSError as error:
        raise UnusablePlace(directory=str(place), why=error.strerror or str(error)) from error


def place_of(directory: Path) -> Path:
    """Return the absolute path of what may be a mount, without asking the mount: its server may be dead."""
    plain = Path(os.path.abspath(directory))  # noqa: PTH100 - resolve() would ask the mount
    try:
        plain.readlink()
    except OSError:
        return Path(os.path.realpath(plain.parent)) / plain.name
    return Path(os.path.realpath(plain))
