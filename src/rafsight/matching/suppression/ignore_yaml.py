"""Trivy's ignore file in YAML, `.trivyignore.yaml`.

This module alone knows its members. Licences are passed over: nobody here looks for them. A member that is unknown, or
of another shape, is an error: a misspelt `paths` must not mean "everywhere", nor an odd `expired_at` "for ever".
"""

from collections.abc import Mapping
from typing import Final

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.yaml_text import Node, read_documents
from rafsight.matching.suppression.purls import parse_purl
from rafsight.matching.suppression.rule import (
    IGNORED,
    MISCONFIGURATIONS,
    RULE_COUNT,
    SECRETS,
    VULNERABILITIES,
    MalformedRules,
    Rule,
    Target,
    day_of,
    fold,
)

_SECTIONS: Final = {"vulnerabilities": VULNERABILITIES, "misconfigurations": MISCONFIGURATIONS, "secrets": SECRETS}
_KNOWN: Final = frozenset({*_SECTIONS, "licenses"})
_MEMBERS: Final = frozenset({"id", "paths", "purls", "expired_at", "statement"})


def parse_ignore_yaml(content: bytes, name: str) -> tuple[Rule, ...]:
    """Read an ignore file in YAML.

    Args:
        content: of the file.
        name: of the file, for the report.
    Raises: MalformedRules.
    """
    try:
        documents = list(read_documents(content))
    except MalformedFile as error:
        raise MalformedRules(name=name, where=str(error.details["where"]), what=str(error.details["what"])) from error
    rules: list[Rule] = []
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict) or not _KNOWN.issuperset(document):
            raise MalformedRules(name=name, where="its top", what=f"members other than {', '.join(sorted(_KNOWN))}")
        for section, kind in _SECTIONS.items():
            entries = document.get(section) or []
            if not isinstance(entries, list):
                raise MalformedRules(name=name, where=section, what="no list")
            rules += [_rule(entry, kind, name, f"{section}[{number}]") for number, entry in enumerate(entries)]
        if len(rules) > RULE_COUNT:
            raise MalformedRules(name=name, where="its end", what=f"more than {RULE_COUNT} rules")
    return tuple(rules)


def _rule(entry: Node, kind: str, name: str, where: str) -> Rule:
    if not isinstance(entry, dict) or not _MEMBERS.issuperset(entry):
        raise MalformedRules(name=name, where=where, what=f"members other than {', '.join(sorted(_MEMBERS))}")
    identity = _text(entry, "id", name, where)
    if not identity:
        raise MalformedRules(name=name, where=where, what="an entry without an id")
    targets = []
    for text in _texts(entry, "purls", name, where):
        purl = parse_purl(text)
        if purl is None:
            raise MalformedRules(name=name, where=where, what=f"'{text}' is no package URL")
        targets.append(Target(package=purl))
    expires = _text(entry, "expired_at", name, where)
    return Rule(
        names=frozenset({fold(identity)}),
        kinds=frozenset({kind}),
        status=IGNORED,
        statement=_text(entry, "statement", name, where),
        source=name,
        paths=_texts(entry, "paths", name, where),
        targets=tuple(targets),
        expires=day_of(expires, name, where) if expires else None,
    )


def _text(entry: Mapping[str, Node], key: str, name: str, where: str) -> str:
    """Return a member that is a text; empty if it is not there."""
    value = entry.get(key)
    if value is None or isinstance(value, str):
        return (value or "").strip()
    raise MalformedRules(name=name, where=where, what=f"'{key}' is no text")


def _texts(entry: Mapping[str, Node], key: str, name: str, where: str) -> tuple[str, ...]:
    """Return a member that is a list of texts; empty if it is not there."""
    values = entry.get(key)
    if values is None:
        return ()
    if isinstance(values, list) and all(isinstance(value, str) and value.strip() for value in values):
        return tuple(str(value) for value in values)
    raise MalformedRules(name=name, where=where, what=f"'{key}' is no list of texts")
