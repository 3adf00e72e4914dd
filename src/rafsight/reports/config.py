"""An image's config, as far as a report repeats it.

This module alone decides which configs are repeated: objects of honest depth; others are left out.
"""

import json
import math
from typing import Any, Final, Never

_MAX_DEPTH: Final = 32


def parse_config(content: bytes) -> dict[str, Any] | None:
    """Read a config from an untrusted image; None if it is no JSON object or nested deeper than any real one."""
    try:
        config = json.loads(content, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return config if isinstance(config, dict) and _is_shallow(config) else None


def _refuse(constant: str) -> Never:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


def _is_shallow(config: object) -> bool:
    level = [config]
    for _ in range(_MAX_DEPTH):
        level = [part for value in level for part in _parts(value)]
        if not level:
            return True
    return False


def _parts(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
