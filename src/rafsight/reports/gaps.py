"""What was not looked at, in words.

This module alone decides how the reasons read.
"""

from typing import Final

from rafsight.analysis.inventory import Gap, GapReason

GAP_WORDS: Final = {
    GapReason.TOO_LARGE: "too large",
    GapReason.MALFORMED: "malformed",
    GapReason.UNSUPPORTED: "not supported",
    GapReason.UNREADABLE: "could not be read",
    GapReason.UNKNOWN_DISTRIBUTION: "unknown distribution",
    GapReason.NO_ADVISORIES: "no advisories",
    GapReason.UNCOMPARABLE_VERSION: "version cannot be compared",
    GapReason.NO_PACKAGES: "no packages",
    GapReason.NO_FEED: "no advisories anywhere",
    GapReason.OUT_OF_SIGHT: "out of sight",
}


def describe_gap(gap: Gap) -> str:
    """Say in one sentence what was not looked at, and why. Foreign text, not yet escaped."""
    told = f"{gap.subject} was not looked at, {GAP_WORDS[gap.reason]}"
    return f"{told}: {gap.detail}" if gap.detail else f"{told}."
