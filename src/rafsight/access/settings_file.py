"""The configuration file that lies beside whoever calls: `rafsight.yaml`.

This module alone decides where it is looked for, and how much of it is read.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.units import MiB

NAMES: Final = ("rafsight.yaml", "rafsight.yml")
SIZE: Final = 4 * MiB
"""[bytes]"""


class ConfigurationUnreadable(CallerError):
    """A configuration file cannot be read."""

    code = "configuration-unreadable"
    template = "the configuration {path} cannot be read: {why}"
    remedy = "Check the path and its permissions, or name another file with --config FILE."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """A configuration file, as it was read."""

    name: str
    """For messages."""
    content: bytes


def read_settings_file(path: Path | SettingsFile | None = None, folder: Path | None = None) -> SettingsFile | None:
    """Read a configuration file.

    Args:
        path: as the caller named it, or one that was read already; None looks for one of `NAMES`.
        folder: where it is looked for; None takes the working directory.

    Returns: None if none was named and none is there.
    Raises: ConfigurationUnreadable.
    """
    if isinstance(path, SettingsFile):
        return path
    if path is not None:
        return SettingsFile(name=str(path), content=_read(path))
    for name in NAMES:
        found = (folder or Path()) / name
        if found.exists():
            return SettingsFile(name=name, content=_read(found))
    return None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(SIZE + 1)
    except OSError as error:
        raise ConfigurationUnreadable(path=str(path), why=error.strerror or str(error)) from error
    if len(content) > SIZE:
        raise ConfigurationUnreadable(path=str(path), why=os.strerror(errno.EFBIG))
    return content
