"""How bad something is, in the words that all scanners share."""

from enum import IntEnum


class Severity(IntEnum):
    """Qualitative severity, ordered."""

    UNKNOWN = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4
