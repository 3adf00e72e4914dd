"""Rules in the form of Trivy's `trivy-secret.yaml`.

This module alone knows those keys. What cannot be done as it is meant is refused, never ignored: Go's patterns are
Python's with few exceptions, `exclude-block` and `statistics` are not known here.
"""

import re
from typing import Final

from rafsight.analysis.secrets.fields import Fields
from rafsight.analysis.secrets.finding import Confidence
from rafsight.analysis.secrets.rule import Rule, RuleKind
from rafsight.analysis.secrets.rule_file import check_pattern, severity_named, severity_names
from rafsight.analysis.secrets.settings import Allowance

KEYS: Final = frozenset(("rules", "disable-rules", "enable-builtin-rules", "allow-rules", "disable-allow-rules"))
"""A document with one of these at its top is one of Trivy's, unless it has `secrets`."""
_CLASSES: Final = {
    "alnum": "A-Za-z0-9",
    "alpha": "A-Za-z",
    "digit": "0-9",
    "lower": "a-z",
    "space": r"\s",
    "upper": "A-Z",
    "word": r"\w",
    "xdigit": "0-9A-Fa-f",
}


def read_trivy_rule(entry: Fields, *, source: str) -> tuple[Rule, tuple[Allowance, ...]]:
    """Read one of Trivy's rules, and what it allows itself.

    Raises: MalformedConfiguration.
    """
    identity = entry.text("id")
    group = entry.text("secret-group-name", "")
    text = go_pattern(entry.text("regex"))
    if group and group != "secret":
        text = text.replace(f"(?P<{group}>", "(?P<secret>")
    paths = (entry.text("path"),) if "path" in entry else ()
    keywords = tuple(word.lower().encode() for word in entry.texts("keywords"))
    if not keywords:
        raise entry.fault("keywords are needed here: they keep the pattern from being tried on every byte")
    pattern = text.encode()
    check_pattern(entry, pattern)
    rule = Rule(
        id=identity,
        category=entry.text("category", "Own rules"),
        title=entry.text("title", identity),
        severity=entry.choice("severity", severity_named, severity_names()),
        confidence=Confidence.MEDIUM,
        kind=RuleKind.CONTEXT,
        keywords=keywords,
        pattern=pattern,
        min_entropy=0,
        checks=(),
        filters=(),
        paths=(),
        remedy="Revoke it where it was issued, and hand a new one over at run time, not in the image.",
        examples=(),
        source=source,
    )
    allowances = [read_trivy_allowance(allowed, rule=identity) for allowed in entry.mappings("allow-rules")]
    if paths:
        outside = check_pattern(entry, go_pattern(paths[0]).encode())
        allowances.append(Allowance(rules=frozenset((identity,)), outside=outside, reason="outside its paths"))
    entry.finish()
    return rule, tuple(allowances)


def read_trivy_allowance(entry: Fields, *, rule: str = "") -> Allowance:
    """Read one of Trivy's allow-rules.

    Args:
        entry: as written.
        rule: id of the rule that it belongs to; empty: it holds for all.
    Raises: MalformedConfiguration.
    """
    entry.text("id", "")
    reason = entry.text("description", "")
    value, path = entry.text("regex", ""), entry.text("path", "")
    entry.finish()
    if not value and not path:
        raise entry.fault("an allow-rule needs regex or path")
    return Allowance(
        rules=frozenset((rule,)) if rule else frozenset(),
        within=check_pattern(entry, go_pattern(path).encode()) if path else None,
        values=(check_pattern(entry, go_pattern(value).encode()),) if value else (),
        reason=reason,
    )


def go_pattern(text: str) -> str:
    r"""Write a pattern of Go for Python: `[[:alnum:]]`, `\z`, `(?i)` in the middle."""
    text = re.sub(r"\[:(\w+):\]", lambda found: _CLASSES.get(found[1], found[0]), text)
    text = text.replace(r"\z", r"\Z")
    flags = re.search(r"\(\?([ims]+)\)", text)
    while flags is not None:
        text = f"{text[: flags.start()]}(?{flags[1]}:{text[flags.end() :]})"
        flags = re.search(r"\(\?([ims]+)\)", text)
    return text
