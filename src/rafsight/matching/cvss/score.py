"""Which version a vector is of, and its score.

This module alone decides what a well-formed vector is: metrics of its version only, each once, all mandatory ones
present. Scores are base scores; for version 4.0, whose single score takes every metric in, also the threat and
environment metrics that the vector has, as the databases count it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

VECTOR_LENGTH: Final = 256

_PREFIXES: Final = {"CVSS:3.0": "3.0", "CVSS:3.1": "3.1", "CVSS:4.0": "4.0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CvssScore:
    """A vector's version and score."""

    version: str
    """`2`, `3.0`, `3.1`, `4.0`."""
    score: float
    """0.0 to 10.0."""


def score_vector(vector: str) -> CvssScore | None:
    """Score a vector of any version; None if it is malformed.

    A vector says itself which version it is of; databases file some under another one.
    """
    if len(vector) > VECTOR_LENGTH:
        return None
    from rafsight.matching.cvss import v2, v3, v4

    head, _, rest = vector.strip().rstrip("/").partition("/")
    version = _PREFIXES.get(head, "2")
    metrics = _metrics(rest if version != "2" else vector.strip().strip("()").rstrip("/"))
    if metrics is None:
        return None
    module_score = {"2": v2.score, "3.0": v3.score_v30, "3.1": v3.score_v31, "4.0": v4.score}[version]
    score = module_score(metrics)
    return None if score is None else CvssScore(version=version, score=score)


def _metrics(text: str) -> Mapping[str, str] | None:
    metrics: dict[str, str] = {}
    for part in text.split("/"):
        name, colon, value = part.partition(":")
        if not colon or name in metrics:
            return None
        metrics[name] = value
    return metrics
