"""Ignore files of lines: `.trivyignore`, and `.rafsightignore`, which can say more.

    # a comment
    CVE-2024-1234
    CVE-2024-2345 exp:2026-12-31
    CVE-2024-3456 purl:pkg:npm/lodash path:srv/app/** exp:2026-12-31 reason: the function is never called
    aws-access-key-id path:test/fixtures/*    # an example key

This module alone decides what a line may say. Words that nobody understands are an error: a date that is written
wrongly must not mean "for ever".
"""

from typing import Final

from rafsight.matching.suppression.purls import parse_purl
from rafsight.matching.suppression.rule import (
    ALL_KINDS,
    IGNORED,
    RULE_COUNT,
    MalformedRules,
    Rule,
    Target,
    day_of,
    fold,
)

_LINE: Final = 4096
_REASON: Final = "reason:"


def parse_ignore_lines(text: str, name: str) -> tuple[Rule, ...]:
    """Read an ignore file of lines.

    Args:
        text: of the file.
        name: of the file, for the report.
    Raises: MalformedRules.
    """
    rules: list[Rule] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        if len(words) > _LINE or len(rules) >= RULE_COUNT:
            raise MalformedRules(name=name, where=f"line {number}", what="it is longer than any real one")
        rules.append(_rule(words, name, f"line {number}"))
    return tuple(rules)


def _rule(line: str, name: str, where: str) -> Rule:
    said, reason = _without_reason(line)
    identity, *words = said.split()
    expires, paths = None, []
    targets: list[Target] = []
    for word in words:
        key, colon, value = word.partition(":")
        if not colon or not value:
            raise MalformedRules(name=name, where=where, what=f"'{word}' is neither exp:, path:, purl: nor reason:")
        if key == "exp":
            expires = day_of(value, name, where)
        elif key == "path":
            paths.append(value)
        elif key == "purl" and (purl := parse_purl(value)):
            targets.append(Target(package=purl))
        else:
            raise MalformedRules(name=name, where=where, what=f"'{word}'")
    return Rule(
        names=frozenset({fold(identity)}),
        kinds=ALL_KINDS,
        status=IGNORED,
        statement=reason,
        source=name,
        paths=tuple(paths),
        targets=tuple(targets),
        expires=expires,
    )


def _without_reason(line: str) -> tuple[str, str]:
    """Split off the reason: what stands behind `reason:`, or behind a mark of a comment."""
    found = [(at, len(mark)) for mark in (f" {_REASON}", "\t" + _REASON, " #", "\t#") if (at := line.find(mark)) > 0]
    if not found:
        return line, ""
    at, size = min(found)
    return line[:at], line[at + size :].strip()
