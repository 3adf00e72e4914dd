"""CVSS version 2: base score. Section 3.2.1 of "A Complete Guide to the CVSS Version 2.0"."""

from collections.abc import Mapping
from typing import Final

_IMPACT: Final = {"N": 0.0, "P": 0.275, "C": 0.660}
_WEIGHTS: Final[Mapping[str, Mapping[str, float]]] = {
    "AV": {"L": 0.395, "A": 0.646, "N": 1.0},
    "AC": {"H": 0.35, "M": 0.61, "L": 0.71},
    "Au": {"M": 0.45, "S": 0.56, "N": 0.704},
    "C": _IMPACT,
    "I": _IMPACT,
    "A": _IMPACT,
}
_OPTIONAL: Final = frozenset({"E", "RL", "RC", "CDP", "TD", "CR", "IR", "AR"})


def score(metrics: Mapping[str, str]) -> float | None:
    """Compute the base score; None if a metric is missing or unknown."""
    if any(name not in _WEIGHTS and name not in _OPTIONAL for name in metrics):
        return None
    weights = {name: values.get(metrics.get(name, "")) for name, values in _WEIGHTS.items()}
    known = {name: weight for name, weight in weights.items() if weight is not None}
    if len(known) != len(_WEIGHTS):
        return None
    impact = 10.41 * (1 - (1 - known["C"]) * (1 - known["I"]) * (1 - known["A"]))
    exploitability = 20 * known["AV"] * known["AC"] * known["Au"]
    factor = 0.0 if impact == 0 else 1.176
    base = (0.6 * impact + 0.4 * exploitability - 1.5) * factor
    return int(base * 10 + 0.5 + 1e-9) / 10
