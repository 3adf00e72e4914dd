"""What can be wrong with a package that is to be replaced.

This module alone decides how faults of package files, whoever notices them, become errors of the caller.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rafsight.base.errors import CallerError, ExitStatus, ImageFault
from rafsight.formats.tables import MalformedImage


class UnreadablePackage(CallerError):
    """A package file cannot be read."""

    code = "unreadable-package"
    template = "{file} cannot be read: {why}"
    remedy = "Name a file that is there and that you may read."
    exit_status = ExitStatus.NOT_FOUND


class MalformedPackage(CallerError):
    """A package file does not follow its format."""

    code = "malformed-package"
    template = "{file} is no sound package: {what}"
    remedy = "Download the package again; nothing was changed."
    exit_status = ExitStatus.DAMAGED


class NotInstalled(CallerError):
    """The image does not have the package that is to be replaced."""

    code = "package-not-installed"
    template = "the image has no {kind} package {name}"
    remedy = "`rafsight scan REF --format json --list-all-pkgs` names what is installed; `--add` puts single files."
    exit_status = ExitStatus.NOT_FOUND


class WrongPackage(CallerError):
    """A package file does not fit the image."""

    code = "wrong-package"
    template = "{file} does not fit the image: {why}"
    remedy = "Take the package that was built for this image's platform and release."
    exit_status = ExitStatus.USAGE


class NotReplaceable(CallerError):
    """A package is installed in a way that does not tell which files are its own."""

    code = "package-not-replaceable"
    template = "{name} cannot be replaced: {why}"
    remedy = "Replace it as what installed it, or its files one by one with `--replace`."
    exit_status = ExitStatus.USAGE


class InTheWay(CallerError):
    """Something that is not the package's own stands where the package wants to be."""

    code = "in-the-way"
    template = "{path} is in the way: {why}"
    remedy = "Remove it with `--remove` in a repair of its own first, if the image can do without it."
    exit_status = ExitStatus.USAGE


class MalformedPackageDatabase(ImageFault):
    """A file of the image that says what is installed cannot be understood."""

    code = "malformed-package-database"
    template = "{path} of the image does not follow its format: {what}"
    remedy = "Repair the image where it is built; nothing was changed."


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Turn what goes wrong while a package file is read into errors about that file.

    Raises: UnreadablePackage, MalformedPackage.
    """
    try:
        yield
    except MalformedImage as error:
        raise MalformedPackage(file=str(file), what=f"{error.details['where']}: {error.details['what']}") from error
    except OSError as error:
        if isinstance(error, ImageFault | CallerError):
            raise
        raise UnreadablePackage(file=str(file), why=error.strerror or str(error)) from error
