"""How bad a flaw is: everybody's word, every vector's score, and whose word counts.

This module alone decides what the databases' words mean and which of them is shown. For packages of a distribution its
own word comes first, for language packages GitHub's; then any other word; then the newest kind of CVSS score. If all
that matched say nothing, `elsewhere` asks the records of other packages.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rafsight.base.severity import Severity
from rafsight.matching.advisory import Advisory, Facts
from rafsight.matching.cvss import CvssScore, score_vector
from rafsight.matching.finding import CvssRating

UNIMPORTANT: Final = "unimportant"
END_OF_LIFE: Final = "end-of-life"

WORDS: Final = {
    "negligible": Severity.LOW,
    "unimportant": Severity.LOW,
    "low": Severity.LOW,
    "moderate": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "important": Severity.HIGH,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
"""GitHub, Bitnami, Debian's urgency, Ubuntu's priority, Red Hat and its kin. Any other word (`not yet assigned`,
`untriaged`, `none`, `end-of-life`) says nothing."""

_SUMMARY_FAMILIES: Final = ("alma", "rocky", "redhat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one record says about how bad it is."""

    source: str
    """Id of the publisher."""
    vectors: tuple[tuple[str, str], ...] = ()
    """(type, score) as in the record."""
    word: str = ""
    """The database's own."""
    urgency: str = ""
    """Debian's."""
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The severity of a flaw, with all that was said."""

    severity: Severity
    source: str
    """Whose word or score counts; empty if nobody said anything."""
    ratings: tuple[CvssRating, ...]
    vendor_severities: tuple[tuple[str, Severity], ...]


def severity_of_score(score: CvssScore) -> Severity:
    """Return the qualitative severity of a score; version 2 knows no critical one, and 0.0 is none."""
    if score.score < (0.05 if score.version != "2" else 0.0):
        return Severity.UNKNOWN
    if score.score < 4.0:
        return Severity.LOW
    if score.score < 7.0:
        return Severity.MEDIUM
    return Severity.HIGH if score.score < 9.0 or score.version == "2" else Severity.CRITICAL


def severity_of_word(word: str) -> Severity:
    """Return what a database's word means; UNKNOWN if it says nothing."""
    return WORDS.get(word.strip().rstrip("*").lower(), Severity.UNKNOWN)


def is_rated(advisory: Advisory, facts: Iterable[Facts]) -> bool:
    """Tell whether a record says how bad its flaw is anywhere, not only in one release of a distribution."""
    return bool(severity_of_word(advisory.word) or advisory.vectors or any(item.vectors for item in facts))


def judge(opinions: Sequence[Opinion], *, preferred: Sequence[str]) -> Verdict:
    """Choose the severity of a flaw.

    Args:
        opinions: of all records about it.
        preferred: publishers whose words come first, in this order.
    """
    ratings = _ratings(opinions)
    said = {opinion.source: Severity.UNKNOWN for opinion in opinions}
    for opinion in opinions:
        said[opinion.source] = max(said[opinion.source], _word(opinion))
    words = {source: severity for source, severity in said.items() if severity}
    scored = {rating.source: _severity_of_rating(rating) for rating in reversed(ratings)}
    vendors = tuple(sorted({**{name: level for name, level in scored.items() if level}, **words}.items()))
    for source in (*preferred, *sorted(words)):
        if source in words:
            return Verdict(severity=words[source], source=source, ratings=ratings, vendor_severities=vendors)
    for rating in ratings:
        severity = _severity_of_rating(rating)
        return Verdict(severity=severity, source=rating.source, ratings=ratings, vendor_severities=vendors)
    return Verdict(severity=Severity.UNKNOWN, source="", ratings=(), vendor_severities=())


def _word(opinion: Opinion) -> Severity:
    words = [opinion.word, opinion.urgency, *(score for kind, score in opinion.vectors if kind == "Ubuntu")]
    if opinion.source in _SUMMARY_FAMILIES:
        words.append(opinion.summary.partition(":")[0])
    return max(severity_of_word(word) for word in words)


def _ratings(opinions: Iterable[Opinion]) -> tuple[CvssRating, ...]:
    """Return all vectors that have a score: newest version first, then the highest, each vector of a source once."""
    ratings = {
        CvssRating(source=opinion.source, version=score.version, vector=vector, score=score.score)
        for opinion in opinions
        for kind, vector in opinion.vectors
        if kind.startswith("CVSS") and (score := _score(vector)) is not None
    }
    ordered = sorted(ratings, key=lambda rating: (rating.source, rating.vector))
    return tuple(sorted(ordered, key=lambda rating: (rating.version, rating.score), reverse=True))


def _severity_of_rating(rating: CvssRating) -> Severity:
    return severity_of_score(CvssScore(version=rating.version, score=rating.score))


_score = lru_cache(4096)(score_vector)
