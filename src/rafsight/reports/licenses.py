"""Licences as packages name them, and as SPDX writes them.

This module alone decides which texts are SPDX expressions: the list of names comes with `packaging`. What packages say
beside that (`GPL-2+`, `BSD`) keeps its words.
"""

from functools import lru_cache
from typing import Final

_LONGEST: Final = 300
"""[characters] of an expression; longer ones are texts."""
_NESTED: Final = 20


@lru_cache(maxsize=4096)
def spdx_expression(text: str) -> str:
    """Write a licence as an SPDX expression in its canonical form; empty if it is none, or has names of its own."""
    if not text or len(text) > _LONGEST or text.count("(") > _NESTED or "ref-" in text.lower():
        return ""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return str(canonicalize_license_expression(text))
    except (InvalidLicenseExpression, ValueError):
        return ""
