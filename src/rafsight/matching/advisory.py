"""One advisory, as the database keeps it. Values only.

This module alone decides what of an OSV record survives: everything that matching, severity and reports need, with its
ranges already turned into intervals of version keys.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A half-open interval of affected versions, as keys of the ecosystem's scheme."""

    low: bytes
    """The first affected key; `LOWEST` from the beginning."""
    high: bytes
    """The first key that is not affected any more; `HIGHEST` if there is none."""
    fixed: str = ""
    """The version that ends it; empty if none is known."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Vector:
    """A rating as a record states it."""

    type: str
    """`CVSS_V2`, `CVSS_V3`, `CVSS_V4`, `Ubuntu`."""
    score: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFlaw:
    """One of the flaws that an erratum fixes in one of its packages."""

    id: str
    vectors: tuple[Vector, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a record says about one of its packages only."""

    vectors: tuple[Vector, ...] = ()
    """They replace the record's own."""
    urgency: str = ""
    """Debian's word: `unimportant`, `low`, `not yet assigned`, `end-of-life`, ..."""
    binaries: tuple[str, ...] = ()
    """SUSE: the binary packages that contain the flaw, where the package is a source."""
    flaws: tuple[NamedFlaw, ...] = ()
    """Ubuntu: which of the erratum's flaws are in this package of this release; empty if it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """One package in one release, with its affected versions."""

    release: str
    """`12`, `v3.20`, `22.04`, `Pro:18.04`; empty where the ecosystem has no releases."""
    name: str
    """In the ecosystem's normal form."""
    intervals: tuple[Interval, ...]
    facts: Facts = Facts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """What a record says about all its packages."""

    id: str
    aliases: tuple[str, ...] = ()
    """Other ids of the same flaw."""
    upstream: tuple[str, ...] = ()
    """Ids that this record derives from; more than one for a bundle of fixes."""
    related: tuple[str, ...] = ()
    summary: str = ""
    details: str = ""
    published: str = ""
    modified: str = ""
    vectors: tuple[Vector, ...] = ()
    word: str = ""
    """The database's own severity: `MODERATE`, `Critical`, ..."""
    cwe_ids: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRecord:
    """A record with its packages, by ecosystem."""

    advisory: Advisory
    affected: tuple[tuple[str, Affected], ...]
    """(base of the ecosystem, package)."""
    withdrawn_from: tuple[str, ...] = ()
    """Bases of the ecosystems in which the record is withdrawn; `affected` is empty then."""
    unread_ranges: int = 0
    """Ranges (or listed versions) with bounds that their scheme refuses: nothing is matched against them."""
