"""CVSS version 4.0: the score. Section 8.2 of the specification document.

A vector's macro vector has a score in a table; the vector itself lies somewhere between it and the next lower ones, and
its distance from the highest vectors of its classes says where.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product

from rafsight.matching.cvss.v4_table import (
    DEPTH_EQ1,
    DEPTH_EQ2,
    DEPTH_EQ4,
    DEPTH_PAIR,
    HIGHEST_EQ1,
    HIGHEST_EQ2,
    HIGHEST_EQ4,
    HIGHEST_PAIR,
    LEVELS,
    MANDATORY,
    NEXT_PAIRS,
    OPTIONAL,
    PAIRS,
    SCORES,
)

_IMPACTS = ("VC", "VI", "VA", "SC", "SI", "SA")


def score(metrics: Mapping[str, str]) -> float | None:
    """Compute the score from all metrics that are given; None if one is missing or unknown."""
    if any(metrics.get(name) not in tuple(values) for name, values in MANDATORY.items()):
        return None
    if any(name not in MANDATORY and value not in tuple(OPTIONAL.get(name, ())) for name, value in metrics.items()):
        return None
    effective = _effective(metrics)
    if all(effective[name] == "N" for name in _IMPACTS):
        return 0.0
    classes = _classes(effective)
    own = _table(*classes)
    steps = [
        Fraction(drop) * distance / depth
        for drop, distance, depth in zip(_drops(classes), _distances(effective, classes), _depths(classes), strict=True)
        if drop is not None
    ]
    exact = own - sum(steps) / len(steps) if steps else Fraction(own)
    return int(max(exact, Fraction(0)) + Fraction(1, 2)) / 10


def _effective(metrics: Mapping[str, str]) -> dict[str, str]:
    """Lay modified metrics over the base ones; what is not defined counts as the worst case."""
    effective = {name: metrics[name] for name in MANDATORY}
    for name in MANDATORY:
        modified = metrics.get("M" + name, "X")
        if modified != "X":
            effective[name] = modified
    for name in ("CR", "IR", "AR"):
        required = metrics.get(name, "X")
        effective[name] = "H" if required == "X" else required
    exploited = metrics.get("E", "X")
    effective["E"] = "A" if exploited == "X" else exploited
    return effective


def _classes(effective: Mapping[str, str]) -> tuple[int, int, str, int, int]:
    """Return EQ1, EQ2, the pair of EQ3 and EQ6, EQ4, EQ5."""
    open_count = sum(effective[name] == "N" for name in ("AV", "PR", "UI"))
    eq1 = 0 if open_count == 3 else 1 if open_count and effective["AV"] != "P" else 2
    eq2 = 0 if effective["AC"] == "L" and effective["AT"] == "N" else 1
    high = {name for name in ("VC", "VI", "VA") if effective[name] == "H"}
    eq3 = 0 if {"VC", "VI"} <= high else 1 if high else 2
    eq6 = 0 if any(f"V{name}" in high and effective[f"{name}R"] == "H" for name in "CIA") else 1
    subsequent = [effective[name] for name in ("SC", "SI", "SA")]
    eq4 = 0 if "S" in subsequent else 1 if "H" in subsequent else 2
    return eq1, eq2, f"{eq3}{eq6}", eq4, "APU".index(effective["E"])


def _table(eq1: int, eq2: int, pair: str, eq4: int, eq5: int) -> int:
    row = (eq1 * 2 + eq2) * len(PAIRS) + PAIRS.index(pair)
    return SCORES[row * 9 + eq4 * 3 + eq5]


def _drops(classes: tuple[int, int, str, int, int]) -> Iterator[int | None]:
    """Yield for each class how much lower the next macro vector scores [tenths]; None where there is none."""
    eq1, eq2, pair, eq4, eq5 = classes
    own = _table(*classes)
    yield own - _table(eq1 + 1, eq2, pair, eq4, eq5) if eq1 < 2 else None
    yield own - _table(eq1, eq2 + 1, pair, eq4, eq5) if eq2 < 1 else None
    yield own - max(_table(eq1, eq2, lower, eq4, eq5) for lower in NEXT_PAIRS[pair]) if NEXT_PAIRS[pair] else None
    yield own - _table(eq1, eq2, pair, eq4 + 1, eq5) if eq4 < 2 else None
    yield own - _table(eq1, eq2, pair, eq4, eq5 + 1) if eq5 < 2 else None


def _depths(classes: tuple[int, int, str, int, int]) -> tuple[int, ...]:
    eq1, eq2, pair, eq4, _ = classes
    return DEPTH_EQ1[eq1], DEPTH_EQ2[eq2], DEPTH_PAIR[pair], DEPTH_EQ4[eq4], 1


def _distances(effective: Mapping[str, str], classes: tuple[int, int, str, int, int]) -> tuple[int, ...]:
    """Return for each class the steps from the first highest vector that this one does not exceed anywhere."""
    eq1, eq2, pair, eq4, _ = classes
    for highest in product(HIGHEST_EQ1[eq1], HIGHEST_EQ2[eq2], HIGHEST_PAIR[pair], HIGHEST_EQ4[eq4]):
        parts = [[_steps(effective, item) for item in part.split("/")] for part in highest]
        if all(steps >= 0 for part in parts for steps in part):
            return *(sum(part) for part in parts), 0
    return 0, 0, 0, 0, 0


def _steps(effective: Mapping[str, str], item: str) -> int:
    name, _, value = item.partition(":")
    return LEVELS[name].index(effective[name]) - LEVELS[name].index(value)
