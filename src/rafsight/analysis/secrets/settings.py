"""What applies to one search: rules, and what the user said about them. Values only."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from rafsight.analysis.secrets.rule import RuleSet
from rafsight.base.severity import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Secrets that are no findings: those that meet each condition that is stated."""

    rules: frozenset[str] = frozenset()
    paths: re.Pattern[bytes] | None = None
    """Matches whole paths, or places such as `config.Env[0]`."""
    within: re.Pattern[bytes] | None = None
    """Is found somewhere in the path."""
    outside: re.Pattern[bytes] | None = None
    """Is found nowhere in the path."""
    values: tuple[re.Pattern[bytes], ...] = ()
    fingerprints: frozenset[str] = frozenset()
    reason: str = ""

    def covers(self, rule_id: str, path: bytes, value: bytes | None, fingerprint: str) -> bool:
        """Tell whether a finding is allowed.

        Args:
            rule_id: of its rule.
            path: of its file, or its place.
            value: the secret; None for files that are findings by their names.
            fingerprint: of the value.
        """
        if self.rules and rule_id not in self.rules:
            return False
        if self.paths is not None and not self.paths.fullmatch(path):
            return False
        if self.within is not None and not self.within.search(path):
            return False
        if self.outside is not None and self.outside.search(path):
            return False
        if self.values and (value is None or not any(pattern.search(value) for pattern in self.values)):
            return False
        return not self.fingerprints or fingerprint in self.fingerprints


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSettings:
    """Everything that decides what is a finding."""

    rules: RuleSet
    allowances: tuple[Allowance, ...] = ()
    stop_words: tuple[bytes, ...] = ()
    """Lower case: values with one of them are no secrets."""
    skips: tuple[bytes, ...] = ()
    """Patterns of paths that are not looked at."""
    salt: bytes = b""
    """For fingerprints that are the same on all machines; empty: each machine has its own."""


def adjust_rules(rules: RuleSet, *, disabled: Iterable[str], severities: Iterable[tuple[str, Severity]]) -> RuleSet:
    """Leave rules out, and change how bad they are.

    Args:
        rules: all.
        disabled: ids.
        severities: (id, severity).
    """
    off, levels = set(disabled), dict(severities)
    return RuleSet(
        rules=tuple(
            replace(rule, severity=levels.get(rule.id, rule.severity)) for rule in rules.rules if rule.id not in off
        ),
        file_rules=tuple(
            replace(rule, severity=levels.get(rule.id, rule.severity))
            for rule in rules.file_rules
            if rule.id not in off
        ),
    )
