"""What a step of a check hands over, and what may keep it from looking.

This module alone decides which errors mean that something is not there, and which that it could not be looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rafsight.access.backend import NotFound
from rafsight.base.digest import MalformedDigest
from rafsight.base.errors import HostLimit, ImageFault, RafsightError, RegistryFault
from rafsight.formats.records import Buffer

FAULTS: Final = (RegistryFault, ImageFault, HostLimit, MalformedDigest)
"""What a backend raises when it is asked for a blob of an untrusted name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What a step looked at; what is wrong was told to its collector."""

    unchecked: tuple[tuple[str, str], ...] = ()
    """(subject, why) of what could not be looked at."""
    facts: tuple[tuple[str, int], ...] = ()
    """What was looked at, for people: (`blobs`, 3), (`chunks`, 83), (`bytes`, 39492)."""
    metas: Mapping[int, Buffer] = field(default_factory=dict)
    """Expanded chunk-info arrays by blob index, for `check_chunks`: those that could be read. `check_chunk_info` alone
    fills this."""


def is_absence(error: RafsightError) -> bool:
    """Tell whether an error says that there is no such blob: a name that is no digest names nothing in a registry."""
    return isinstance(error, NotFound | MalformedDigest)
