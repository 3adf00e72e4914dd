"""One of many images that were scanned, and how a report goes from one process to another or is kept. Values only.

A report travels as a scan gives it: what filters, ignore files and policies fill in belongs to whoever looks. This
module alone decides which fields those are. Names stand beside the values, so that a later release, whose values have
more fields, reads what an earlier one kept.
"""

from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, Final, get_type_hints

from rafsight.base.errors import Defect
from rafsight.reports.document import ScanReport

_OF_A_VIEW: Final = ("suppressed", "policies", "hidden_count", "hidden_exploited", "lists_unimportant")
"""Fields that filters fill, and the scan leaves empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedImage:
    """An image, and its report."""

    names: tuple[str, ...]
    """All references under which it was found, in the order of the corpus; the report has the first."""
    report: ScanReport


@cache
def travel_type() -> Any:
    """Return a type that can be read from bytes as exactly what a scan fills of a report."""
    import msgspec

    hints = get_type_hints(ScanReport)
    members: list[Any] = [
        (one.name, hints[one.name]) if one.default is MISSING else (one.name, hints[one.name], one.default)
        for one in fields(ScanReport)
        if one.name not in _OF_A_VIEW
    ]
    return msgspec.defstruct("TravellingReport", members, kw_only=True)


def send(report: ScanReport) -> Any:
    """Make a value of `travel_type` of a report.

    Raises: Defect: the report was filtered.
    """
    if any(getattr(report, one.name) != one.default for one in fields(ScanReport) if one.name in _OF_A_VIEW):
        raise Defect(what="a filtered report was to be sent or kept")
    kind = travel_type()
    return kind(**{name: getattr(report, name) for name in kind.__struct_fields__})


def receive(sent: Any) -> ScanReport:
    """Make a report of a value of `travel_type`."""
    return ScanReport(**{name: getattr(sent, name) for name in sent.__struct_fields__})
