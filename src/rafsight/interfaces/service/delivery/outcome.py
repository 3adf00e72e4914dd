"""What became of an attempt to deliver. Values only."""

from dataclasses import dataclass
from enum import StrEnum

from rafsight.base.errors import RafsightError


class Verdict(StrEnum):
    """Whether a delivery is to be tried again."""

    DONE = "done"
    AGAIN = "again"
    NEVER = "never"
    """Trying again cannot help: somebody has to change something first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOutcome:
    """What became of an attempt."""

    verdict: Verdict
    code: str = ""
    """Of the fault; empty if it arrived."""
    message: str = ""
    """For people; nothing in it is secret, nor of the answer's own words."""
    remedy: str = ""
    retry_after: float | None = None
    """[s] that the other side asks to wait; None: it does not say."""


ARRIVED = DeliveryOutcome(verdict=Verdict.DONE)


def outcome_of(
    fault: RafsightError, *, verdict: Verdict | None = None, retry_after: float | None = None
) -> DeliveryOutcome:
    """Make the outcome of an attempt that failed.

    Args:
        fault: why.
        verdict: whether to try again; None: as the fault itself says.
        retry_after: [s] that the other side asks to wait.
    """
    return DeliveryOutcome(
        verdict=verdict or (Verdict.NEVER if fault.permanent else Verdict.AGAIN),
        code=fault.code,
        message=str(fault),
        remedy=fault.advice,
        retry_after=retry_after,
    )
