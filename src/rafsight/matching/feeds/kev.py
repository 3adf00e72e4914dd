"""CISA's catalogue of known exploited vulnerabilities.

This module alone knows its shape, and how it is told from an OSV record.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from rafsight.base.errors import CallerError, ExitStatus

ENTRY_COUNT: Final = 200_000


class MalformedCatalogue(CallerError):
    """A file that should be CISA's catalogue is none."""

    code = "malformed-kev"
    template = "{name} is not CISA's catalogue of known exploited vulnerabilities: {reason}"
    remedy = "Download known_exploited_vulnerabilities.json again, or leave it out."
    exit_status = ExitStatus.DATABASE


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownExploited:
    """One entry of the catalogue."""

    id: str
    date_added: str
    due_date: str
    ransomware: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The whole catalogue."""

    released: str
    """RFC 3339."""
    entries: tuple[KnownExploited, ...]


class _Entry(msgspec.Struct, rename="camel"):
    cve_id: str = msgspec.field(name="cveID")
    date_added: str = ""
    due_date: str = ""
    known_ransomware_campaign_use: str = ""


class _Catalogue(msgspec.Struct, rename="camel"):
    vulnerabilities: list[_Entry]
    date_released: str = ""


def looks_like_catalogue(head: bytes) -> bool:
    """Tell from the first bytes of a JSON file whether it is the catalogue rather than an advisory."""
    return b'"catalogVersion"' in head or b'"vulnerabilities"' in head[:256]


def parse_catalogue(content: bytes, name: str) -> Catalogue:
    """Parse the catalogue.

    Raises: MalformedCatalogue.
    """
    try:
        catalogue = msgspec.json.decode(content, type=_Catalogue)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedCatalogue(name=name, reason=str(error)) from error
    if len(catalogue.vulnerabilities) > ENTRY_COUNT:
        raise MalformedCatalogue(name=name, reason="it has too many entries")
    entries = {
        entry.cve_id: KnownExploited(
            id=entry.cve_id,
            date_added=entry.date_added,
            due_date=entry.due_date,
            ransomware=entry.known_ransomware_campaign_use == "Known",
        )
        for entry in catalogue.vulnerabilities
    }
    return Catalogue(released=catalogue.date_released, entries=tuple(entries[name] for name in sorted(entries)))
