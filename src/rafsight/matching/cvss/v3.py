"""CVSS versions 3.0 and 3.1: base score. Sections 7.1, 7.4 and appendix A of the specification document of 3.1.

The two differ, for base scores, only in how a number is rounded up: 3.1 leaves out what lies beyond the fifth decimal.
"""

from collections.abc import Mapping
from fractions import Fraction
from math import ceil
from typing import Final

_IMPACT: Final = {"N": "0", "L": "0.22", "H": "0.56"}
_WEIGHTS: Final[Mapping[str, Mapping[str, str]]] = {
    "AV": {"N": "0.85", "A": "0.62", "L": "0.55", "P": "0.2"},
    "AC": {"L": "0.77", "H": "0.44"},
    "PR": {"N": "0.85", "L": "0.62", "H": "0.27"},
    "UI": {"N": "0.85", "R": "0.62"},
    "S": {"U": "0", "C": "1"},
    "C": _IMPACT,
    "I": _IMPACT,
    "A": _IMPACT,
}
_PRIVILEGES_CHANGED: Final = {"N": "0.85", "L": "0.68", "H": "0.5"}
_OPTIONAL: Final = frozenset(
    {"E", "RL", "RC", "CR", "IR", "AR", "MAV", "MAC", "MPR", "MUI", "MS", "MC", "MI", "MA"}
)  # temporal and environmental: they do not touch the base score


def score_v30(metrics: Mapping[str, str]) -> float | None:
    """Compute the base score by 3.0; None if a metric is missing or unknown."""
    exact = _exact(metrics)
    return None if exact is None else ceil(exact * 10) / 10


def score_v31(metrics: Mapping[str, str]) -> float | None:
    """Compute the base score by 3.1; None if a metric is missing or unknown."""
    exact = _exact(metrics)
    if exact is None:
        return None
    return -(-round(exact * 100_000) // 10_000) / 10


def _exact(metrics: Mapping[str, str]) -> Fraction | None:
    if any(name not in _WEIGHTS and name not in _OPTIONAL for name in metrics):
        return None
    if any(metrics.get(name) not in values for name, values in _WEIGHTS.items()):
        return None
    weight = {name: Fraction(values[metrics[name]]) for name, values in _WEIGHTS.items()}
    changed = metrics["S"] == "C"
    if changed:
        weight["PR"] = Fraction(_PRIVILEGES_CHANGED[metrics["PR"]])
    base = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    if changed:
        impact = Fraction("7.52") * (base - Fraction("0.029")) - Fraction("3.25") * (base - Fraction("0.02")) ** 15
    else:
        impact = Fraction("6.42") * base
    if impact <= 0:
        return Fraction(0)
    exploitability = Fraction("8.22") * weight["AV"] * weight["AC"] * weight["PR"] * weight["UI"]
    total = impact + exploitability
    return min(total * Fraction("1.08") if changed else total, Fraction(10))
