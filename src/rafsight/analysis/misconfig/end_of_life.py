"""Until when a distribution is looked after, by the table in `end_of_life.toml`.

This module alone decides which release of the table an image is: the longest beginning of its version that is listed.
"""

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Final

from rafsight.analysis.inventory import Distribution

_TABLE: Final = "end_of_life.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeSpan:
    """What is known about one release."""

    release: str
    end: date
    """Last day of security fixes for everybody."""


def life_span(distribution: Distribution) -> LifeSpan | None:
    """Return what is known about a release; None if the table does not have it."""
    releases = _releases().get(distribution.id, {})
    parts = distribution.version.split(".")
    for count in range(len(parts), 0, -1):
        release = ".".join(parts[:count])
        if release in releases:
            return LifeSpan(release=release, end=releases[release])
    return None


def is_unlisted(distribution: Distribution) -> bool:
    """Tell whether other releases of a distribution are in the table, and this one is not."""
    return bool(distribution.version and distribution.id in _releases() and life_span(distribution) is None)


def table_date() -> date:
    """Return the day that the table tells about."""
    found = _table()["as-of"]
    assert isinstance(found, date)
    return found


@lru_cache(maxsize=1)
def _table() -> dict[str, object]:
    return tomllib.loads(files(__package__).joinpath(_TABLE).read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _releases() -> dict[str, dict[str, date]]:
    return {name: dict(entry) for name, entry in _table().items() if isinstance(entry, dict)}
