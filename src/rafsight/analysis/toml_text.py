"""TOML of strangers as a dict, by the stdlib, in bounded time.

This module alone decides what is too much for it: the stdlib's parser walks all parts of a dotted key again for each of
them, and all parts of a table's name for each key below it.
"""

import tomllib
from typing import Any, Final

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.fields import lines_of
from rafsight.base.units import MiB

TOML_SIZE: Final = 4 * MiB
"""[bytes] of a file; the largest lock files have half of it."""
_HEADER_DOTS: Final = 32
"""In the name of a table."""
_SQUARES: Final = 10_000_000
"""Sum of the squared counts of dots in lines: what dotted keys cost at most."""
_SHOWN: Final = 120


def read_toml(content: bytes) -> dict[str, Any]:
    """Read a file.

    Raises: MalformedFile.
    Cost: Linear, up to the constants of this module.
    """
    if len(content) > TOML_SIZE:
        raise MalformedFile(what=f"more than {TOML_SIZE} bytes of TOML", where="its end")
    squares = 0
    for number, line in enumerate(lines_of(content), 1):
        dots = line.count(b".")
        squares += dots * dots
        if squares > _SQUARES or (dots > _HEADER_DOTS and line.lstrip()[:1] == b"["):
            raise MalformedFile(what="keys of more parts than any real file has", where=f"line {number}")
    try:
        return tomllib.loads(content.decode("utf-8", "replace").removeprefix("\ufeff"))
    except (ValueError, RecursionError) as fault:
        raise MalformedFile(what=f"no TOML: {str(fault)[:_SHOWN]}", where="its text") from fault


def tables_in(document: Any, key: str) -> list[dict[str, Any]]:
    """Return a member that has to be a list of tables; what is none is left out."""
    value = document.get(key) if isinstance(document, dict) else None
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def table_in(document: Any, key: str) -> dict[str, Any]:
    """Return a member that has to be a table; an empty one where it is not."""
    value = document.get(key) if isinstance(document, dict) else None
    return value if isinstance(value, dict) else {}
