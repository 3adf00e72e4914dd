"""How a report is wanted, whatever its format."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a report is wanted; each format takes what concerns it."""

    created: str
    """RFC 3339: the only date that documents have beside the dates of advisories."""
    list_all: bool = False
    """Name every package, not only those with findings; SBOMs always do."""
    show_suppressed: bool = False
    """List what ignore files and VEX documents took out, where a format would only count it."""
    width: int = 120
    """[columns] of the terminal."""
    colour: bool = False
    """Use the terminal's colours."""
    unicode: bool = True
    """False keeps what a terminal shows within ASCII."""
