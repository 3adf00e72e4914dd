"""Stanzas of dpkg: fields with their values, as control files and the status file have them.

This module alone decides their form: the order in which dpkg writes fields, and how it spells relations. Names of
fields count whatever their case; values keep their lines.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_ORDER: Final = (
    b"Package", b"Essential", b"Protected", b"Status", b"Priority", b"Section", b"Installed-Size", b"Origin",
    b"Maintainer", b"Bugs", b"Architecture", b"Multi-Arch", b"Source", b"Version", b"Config-Version", b"Replaces",
    b"Provides", b"Depends", b"Pre-Depends", b"Recommends", b"Suggests", b"Breaks", b"Conflicts", b"Enhances",
    b"Conffiles", b"Description", b"Triggers-Pending", b"Triggers-Awaited",
)  # fmt: skip
_RELATIONS: Final = frozenset(
    {
        b"replaces", b"provides", b"depends", b"pre-depends", b"recommends", b"suggests", b"breaks", b"conflicts",
        b"enhances",
    }
)  # fmt: skip
_RELATION: Final = re.compile(
    rb"\s*([a-zA-Z0-9][a-zA-Z0-9+.-]*)(:[a-z0-9-]+)?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s()]+)\s*\))?\s*"
)

Stanza = dict[bytes, tuple[bytes, bytes]]
"""Name as written and value, by the name in small letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """One alternative of a relation."""

    name: str
    architecture: str
    """With its colon; mostly empty."""
    operator: str
    """`<<`, `<=`, `=`, `>=`, `>>`; empty for any version."""
    version: str

    def __str__(self) -> str:
        """Write it as dpkg does."""
        return f"{self.name}{self.architecture}" + (f" ({self.operator} {self.version})" if self.operator else "")


def parse_stanza(lines: Iterable[bytes]) -> Stanza:
    """Read the fields of one stanza; of a field that comes twice the first counts, a line that is none is passed over.

    Args:
        lines: with or without their ends.
    """
    fields: Stanza = {}
    last = b""
    for line in lines:
        text = line.rstrip(b"\r\n")
        if text[:1] in (b" ", b"\t"):
            if last in fields:
                name, value = fields[last]
                fields[last] = name, value + b"\n" + text
            continue
        name, colon, value = text.partition(b":")
        last = name.strip().lower() if colon and not text.startswith(b"#") else b""
        if last and last not in fields:
            fields[last] = name.strip(), value.strip()
        else:
            last = b""
    return fields


def value_of(stanza: Stanza, name: bytes) -> str:
    """Return the first line of a field as text; empty if it is not there."""
    return stanza.get(name, (b"", b""))[1].partition(b"\n")[0].decode("utf-8", "replace").strip()


def format_stanza(stanza: Stanza) -> bytes:
    """Write a stanza as dpkg writes its status: fields in its order, then all others as they came."""
    known = {name.lower(): name for name in _ORDER}
    ordered = [name for name in known if name in stanza] + [name for name in stanza if name not in known]
    lines = []
    for name in ordered:
        written, value = stanza[name]
        value = spelled(value) if name in _RELATIONS else value
        gap = b"" if value.startswith(b"\n") else b" "
        lines.append(known.get(name, written) + b":" + gap + value + b"\n")
    return b"".join(lines)


def spelled(value: bytes) -> bytes:
    """Spell relations as dpkg does: `a (>= 1), b | c`; what does not parse stays as it is."""
    relations = parse_relations(value)
    if relations is None:
        return value
    return ", ".join(" | ".join(map(str, alternatives)) for alternatives in relations).encode()


def parse_relations(value: bytes) -> list[list[Relation]] | None:
    """Read relations: all of the outer list, one of each inner one. None if they are not of that form."""
    found = []
    for group in value.split(b","):
        if not group.strip():
            continue
        alternatives = []
        for text in group.split(b"|"):
            match = _RELATION.fullmatch(text)
            if match is None:
                return None
            name, architecture, operator, version = (
                (part or b"").decode("utf-8", "replace") for part in match.groups()
            )
            operator = {"<": "<=", ">": ">="}.get(operator, operator)
            alternatives.append(Relation(name=name, architecture=architecture, operator=operator, version=version))
        found.append(alternatives)
    return found


def with_fields(stanza: Mapping[bytes, tuple[bytes, bytes]], **values: bytes) -> Stanza:
    """Set fields; an empty value takes one out. Underscores in names stand for hyphens."""
    changed = dict(stanza)
    for key, value in values.items():
        name = key.replace("_", "-").title().encode()
        if value:
            changed[name.lower()] = name, value
        else:
            changed.pop(name.lower(), None)
    return changed
