"""Why a delivery does not arrive.

    CallerError
    +-- MalformedTarget        the settings name an address that is none
    +-- TargetForbidden        it may not be called
    HostLimit
    +-- TargetUnreachable      no answer
    |   +-- TargetUntrusted    its certificate, or ours, is refused
    +-- TargetRefuses          an answer, and not the wanted one

This module alone decides what they say. A URL's path may hold a secret: none of them shows more of a URL than its host.
"""

from rafsight.base.errors import CallerError, ExitStatus, HostLimit


class MalformedTarget(CallerError):
    """The settings name something that no delivery can go to."""

    code = "malformed-target"
    template = "no notification can go to {target}: {why}"
    remedy = "Write https://HOST[:PORT]/PATH, and a secret of at least 16 characters."
    exit_status = ExitStatus.USAGE


class TargetForbidden(CallerError):
    """A host that may not be called."""

    code = "target-forbidden"
    template = "{target} is not called: {why}"
    remedy = "If it is meant to be, whoever runs the service lists its host, or marks the target as private."
    exit_status = ExitStatus.DENIED


class TargetUnreachable(HostLimit):
    """No answer came."""

    code = "target-unreachable"
    template = "{target} cannot be reached: {why}"
    remedy = "Check that it runs, and its name; the service tries again by itself."
    exit_status = ExitStatus.UNAVAILABLE
    permanent = False


class TargetUntrusted(TargetUnreachable):
    """TLS found no trust."""

    code = "target-untrusted"
    template = "{target} is not trusted: {why}"
    remedy = "See to its certificate, or name its authority in the settings; the service tries again by itself."


class TargetRefuses(HostLimit):
    """An answer came, and says no."""

    code = "target-refuses"
    template = "{target} does not take the notification: {why}"
    remedy = "Look into the log of whoever answers there."
    exit_status = ExitStatus.UNAVAILABLE


class NoRecipient(CallerError):
    """A delivery is for somebody whom the settings no longer name."""

    code = "no-recipient"
    template = "the settings name no target '{name}' of this kind"
    remedy = "Name it again, or leave the deliveries that were meant for it."
    exit_status = ExitStatus.NOT_FOUND


class NothingToDeliver(CallerError):
    """What a delivery is about is gone."""

    code = "nothing-to-deliver"
    template = "the {what} that the delivery is about was removed meanwhile"
    remedy = "Keep reports longer, or see to whom deliveries could not be made for so long."
    exit_status = ExitStatus.NOT_FOUND
