"""A user's `rafsight.yaml` (the part about secrets), or a `trivy-secret.yaml`: what applies to a search.

This module alone decides how the two are joined with the rules of the package. `docs/secrets.md` describes the keys.
"""

import re
from dataclasses import replace
from typing import Final

from rafsight.analysis.secrets.fields import Fields, read_fields
from rafsight.analysis.secrets.globs import compile_globs
from rafsight.analysis.secrets.rule import RuleSet
from rafsight.analysis.secrets.rule_file import (
    check_pattern,
    read_file_rule,
    read_rule,
    severity_named,
    severity_names,
    shipped_rules,
)
from rafsight.analysis.secrets.settings import Allowance, SecretSettings, adjust_rules
from rafsight.analysis.secrets.trivy_rules import KEYS, read_trivy_allowance, read_trivy_rule

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}\Z")
_FILE_NAME: Final = "rafsight.yaml"
_PARTS: Final = ("secrets", "checks", "misconfig")


def default_settings() -> SecretSettings:
    """Return what applies without a configuration."""
    return SecretSettings(rules=shipped_rules())


def read_settings(content: bytes, file: str = _FILE_NAME) -> SecretSettings:
    """Read a configuration, and join it with the rules of the package.

    Args:
        content: of the file.
        file: its name, for messages.
    Raises: MalformedConfiguration.
    """
    document = read_document(content, file)
    if _is_trivys(document):
        return _read_trivy(document)
    return _read_own(document.mapping("secrets"))  # other parts of the file are for others to read


def read_document(content: bytes, file: str) -> Fields:
    """Read a configuration as far as its parts: a misspelt one must not be passed over.

    Args:
        content: of the file.
        file: its name, for messages.
    Raises: MalformedConfiguration.
    """
    document = read_fields(content, file)
    strange = [key for key in document.keys() if key not in _PARTS]  # noqa: SIM118 - no dictionary
    if strange and not _is_trivys(document):
        raise document.fault(what=f"there is no part {', '.join(strange)}; there are {', '.join(_PARTS)}")
    return document


def _is_trivys(document: Fields) -> bool:
    return "secrets" not in document and not KEYS.isdisjoint(document.keys())


def _read_own(entry: Fields) -> SecretSettings:
    shipped = shipped_rules() if entry.flag("built-in", default=True) else RuleSet(rules=(), file_rules=())
    rules = tuple(read_rule(rule, source=f"{rule.file}, line {rule.line}") for rule in entry.mappings("rules"))
    file_rules = tuple(
        read_file_rule(rule, source=f"{rule.file}, line {rule.line}") for rule in entry.mappings("files")
    )
    joined = _join(shipped, RuleSet(rules=rules, file_rules=file_rules))
    disabled = entry.texts("disable")
    severities = entry.mapping("severity")
    names = severities.keys()
    levels = [(name, severities.choice(name, severity_named, severity_names())) for name in names]
    _require_known(entry, joined, [*disabled, *names])
    allowances = tuple(_read_allowance(allowed, joined) for allowed in entry.mappings("allow"))
    settings = SecretSettings(
        rules=adjust_rules(joined, disabled=disabled, severities=levels),
        allowances=allowances,
        stop_words=tuple(word.lower().encode() for word in entry.texts("stop-words")),
        skips=tuple(path.encode() for path in entry.texts("skip")),
        salt=entry.text("salt", "").encode(),
    )
    entry.finish()
    return settings


def _read_allowance(entry: Fields, known: RuleSet) -> Allowance:
    paths, values = entry.texts("paths"), entry.texts("values")
    fingerprints, rules = entry.texts("fingerprints"), entry.texts("rules")
    if not (paths or values or fingerprints or rules):
        raise entry.fault("an entry of allow needs paths, values, fingerprints or rules")
    _require_known(entry, known, rules)
    for text in fingerprints:
        if not _FINGERPRINT.match(text):
            raise entry.fault(what=f"'{text}' is no fingerprint: 64 hex digits, as reports show them")
    allowance = Allowance(
        rules=frozenset(rules),
        paths=compile_globs(path.encode() for path in paths) if paths else None,
        values=tuple(check_pattern(entry, value.encode()) for value in values),
        fingerprints=frozenset(fingerprints),
        reason=entry.text("reason", ""),
    )
    entry.finish()
    return allowance


def _read_trivy(document: Fields) -> SecretSettings:
    shipped = shipped_rules()
    enabled = document.texts("enable-builtin-rules")
    _require_known(document, shipped, enabled)
    if enabled:
        shipped = RuleSet(
            rules=tuple(rule for rule in shipped.rules if rule.id in enabled),
            file_rules=tuple(rule for rule in shipped.file_rules if rule.id in enabled),
        )
    read = [read_trivy_rule(rule, source=f"{rule.file}, line {rule.line}") for rule in document.mappings("rules")]
    joined = _join(shipped, RuleSet(rules=tuple(rule for rule, _ in read), file_rules=()))
    disabled = document.texts("disable-rules")
    _require_known(document, joined, disabled)
    allowances = [allowance for _, allowances in read for allowance in allowances]
    allowances += [read_trivy_allowance(allowed) for allowed in document.mappings("allow-rules")]
    document.finish()
    return SecretSettings(rules=adjust_rules(joined, disabled=disabled, severities=()), allowances=tuple(allowances))


def _join(shipped: RuleSet, own: RuleSet) -> RuleSet:
    """A rule of one's own comes before those of the package, and replaces one of the same id."""
    ids = {rule.id for rule in own.rules} | {rule.id for rule in own.file_rules}
    return replace(
        shipped,
        rules=(*own.rules, *(rule for rule in shipped.rules if rule.id not in ids)),
        file_rules=(*own.file_rules, *(rule for rule in shipped.file_rules if rule.id not in ids)),
    )


def _require_known(entry: Fields, rules: RuleSet, ids: list[str] | tuple[str, ...]) -> None:
    known = {rule.id for rule in rules.rules} | {rule.id for rule in rules.file_rules}
    for one in ids:
        if one not in known:
            raise entry.fault(what=f"there is no rule '{one}'; `rafsight rules list` shows all")
