"""Every error that rafsight raises on purpose, and whose fault each one is.

    RafsightError                     abstract: code, template, remedy, exit_status, permanent
    +-- CallerError (ValueError)      you: a reference, an option, a missing database
    +-- ImageFault (ValueError)       the bytes: a bootstrap, a blob, a manifest, a package database
    +-- RegistryFault (OSError)       the service: refused, unreachable, misbehaving
    +-- HostLimit (OSError)           this machine: permissions, disk, a missing program
    +-- Defect (RuntimeError)         us: please report it

This module alone decides what an error carries. The leaves live beside the code that raises them; `docs/errors.md`
lists all of them (a test compares). Exit statuses are shared by errors that want the same reaction from a caller.
"""

from enum import IntEnum
from typing import ClassVar

from rafsight.base.text import printable


class ExitStatus(IntEnum):
    """What the process tells its caller. 0 to 2 as the peers have it, 64 upwards in the spirit of sysexits.h."""

    OK = 0
    """Done. Findings alone do not change this, unless `--exit-code` asks for it."""
    POLICY = 1
    """A scan's report is not what the user's policy wants."""
    USAGE = 2
    """The command line does not parse."""
    INCOMPLETE = 3
    """Something was not looked at, so the absence of findings means nothing there."""
    NOTHING = 4
    """There was nothing to look at, so the absence of findings means nothing at all."""
    REFERENCE = 64
    """The reference is not written as references are."""
    DAMAGED = 65
    """Bytes of the image are not what its digests or its format say."""
    NOT_FOUND = 66
    """The tag, repository, file or path does not exist."""
    NOT_AN_IMAGE = 67
    """The artifact exists and is neither a Nydus nor an OCI image."""
    UNSUPPORTED = 68
    """A version or variant of a format that this release does not read."""
    UNAVAILABLE = 69
    """The registry cannot be reached or does not answer properly."""
    DEFECT = 70
    """A mistake of rafsight itself."""
    HOST = 71
    """This machine lacks something: a permission, space, a program."""
    OUTPUT = 73
    """The output cannot be written."""
    DENIED = 77
    """The registry wants other credentials."""
    DATABASE = 78
    """There is no usable advisory database, or it is older than the user allows."""
    INTERRUPTED = 130
    """Ctrl-C."""


class RafsightError(Exception):
    """An error with everything that a person or a program needs to react.

    Subclasses fill `template` from keyword arguments; values that come from outside are made printable and short.
    """

    code: ClassVar[str]
    """Stable name for programs and documentation, for example `chunk-digest-mismatch`."""
    template: ClassVar[str]
    """One sentence: what, and where. `str.format` fields are the keyword arguments of the constructor."""
    remedy: ClassVar[str]
    """One sentence: what to do now. May use the same fields."""
    exit_status: ClassVar[ExitStatus]
    permanent: ClassVar[bool] = True
    """False if the same call may succeed a moment later."""

    def __init__(self, **details: object) -> None:
        """Fill the template.

        Args:
            details: one value for each field of `template` and `remedy`.
        """
        self.details = {
            name: printable(value) if isinstance(value, (str, bytes)) else value for name, value in details.items()
        }
        super().__init__(self.template.format_map(self.details))
        self._occasion = ""

    @property
    def advice(self) -> str:
        """The remedy with its fields filled, or what `advise` put in its place."""
        return self._occasion or self.remedy.format_map(self.details)

    def advise(self, remedy: str) -> None:
        """Replace the remedy by that of an occasion, where another command helps than elsewhere.

        Args:
            remedy: one sentence, without fields.
        """
        self._occasion = remedy


class CallerError(RafsightError, ValueError):
    """The caller asked for something that cannot be."""


class ImageFault(RafsightError, ValueError):
    """Bytes of an image contradict its format or its digests."""

    exit_status = ExitStatus.DAMAGED


class RegistryFault(RafsightError, OSError):
    """A registry (or another place that holds images) did not do its part."""

    exit_status = ExitStatus.UNAVAILABLE


class HostLimit(RafsightError, OSError):
    """This machine lacks something."""

    exit_status = ExitStatus.HOST


class Defect(RafsightError, RuntimeError):
    """rafsight itself is wrong."""

    code = "defect"
    template = "this is a mistake in rafsight: {what}"
    remedy = "Please report it with the command that you ran and the version."
    exit_status = ExitStatus.DEFECT
