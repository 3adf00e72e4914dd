"""Severities as people write them: `HIGH,CRITICAL`."""

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.severity import Severity


class UnknownSeverity(CallerError):
    """A word that is no severity."""

    code = "unknown-severity"
    template = "'{text}' is not a severity"
    remedy = "Severities are UNKNOWN, LOW, MEDIUM, HIGH and CRITICAL, separated by commas."
    exit_status = ExitStatus.USAGE


def parse_severities(text: str) -> frozenset[Severity]:
    """Read a list of severities, separated by commas, in any case.

    Raises: UnknownSeverity.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name.upper() not in Severity.__members__:
            raise UnknownSeverity(text=name)
    return frozenset(Severity[name.upper()] for name in names)
