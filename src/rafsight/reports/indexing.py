"""What an index consists of, and what became of it. Values only."""

from dataclasses import dataclass

from rafsight.reports.hunting import HuntFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """What an update did."""

    images: int
    """References that have an image now."""
    trees: int
    """Trees that were fetched."""
    gone: int
    """Images that were there before and are not any more."""
    passed_over: int
    """References that name no image but another artifact."""
    failures: tuple[HuntFailure, ...]
    requests: int
    bytes_fetched: int
    seconds: float
    size: int
    """[bytes] of all tables of the index, afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexStatus:
    """What an index is made of."""

    place: str
    generation: int
    written_at: int
    """[s since 1970]"""
    images: int
    """References that are there."""
    gone: int
    """References that were there."""
    failed: int
    """Of those that are there: could not be looked at, or lie in a part that is lost."""
    trees: int
    entries: int
    """Distinct within each part."""
    parts: int
    lost_parts: int
    size: int
    """[bytes] of all tables."""
