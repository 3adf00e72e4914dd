"""Trivy's ignore file in YAML, `.trivyignore.yaml`.

This module alone knows its members. Licences are passed over: nobody here looks for them.
"""

from typing import Final

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.yaml_text import Node, list_in, read_documents, text_at
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
            entries = list_in(document, section)
            rules += [_rule(entry, kind, name, f"{section}[{number}]") for number, entry in enumerate(entries)]
        if len(rules) > RULE_COUNT:
            raise MalformedRules(name=name, where="its end", what=f"more than {RULE_COUNT} rules")
    return tuple(rules)


def _rule(entry: Node, kind: str, name: str, where: str) -> Rule:
    identity = text_at(entry, "id")
    if not identity:
        raise MalformedRules(name=name, where=where, what="an entry without an id")
    targets = []
    for text in list_in(entry, "purls"):
        purl = parse_purl(text) if isinstance(text, str) else None
        if purl is None:
            raise MalformedRules(name=name, where=where, what=f"'{text}' is no package URL")
        targets.append(Target(package=purl))
    expires = text_at(entry, "expired_at")
    return Rule(
        names=frozenset({fold(identity)}),
        kinds=frozenset({kind}),
        status=IGNORED,
        statement=text_at(entry, "statement"),
        source=name,
        paths=tuple(text for text in list_in(entry, "paths") if isinstance(text, str)),
        targets=tuple(targets),
        expires=day_of(expires, name, where) if expires else None,
    )
