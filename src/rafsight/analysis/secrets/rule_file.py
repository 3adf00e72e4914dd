"""Rules as they are written in YAML: those that come with the package, and those of users.

This module alone decides what may stand in a rule. A pattern has to be valid, and fast on any text (`widths.py`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

from rafsight.analysis.secrets.checks import CHECKS
from rafsight.analysis.secrets.fields import Fields, read_fields
from rafsight.analysis.secrets.filters import FILTERS, GENERIC_FILTERS, TOKEN_FILTERS
from rafsight.analysis.secrets.finding import Confidence
from rafsight.analysis.secrets.magic import MAGIC
from rafsight.analysis.secrets.rule import FileRule, Rule, RuleExample, RuleKind, RuleSet
from rafsight.analysis.secrets.widths import WAYS, count_ways
from rafsight.base.severity import Severity

_SHIPPED: Final = ("cloud.yaml", "code.yaml", "services.yaml", "keys.yaml", "files.yaml")
"""In the order in which their rules count."""
_ID: Final = re.compile(r"[a-z0-9][a-z0-9._\-]{1,63}\Z")
_REMEDY: Final = "Revoke it where it was issued, and hand a new one over at run time, not in the image."
_SEVERITIES: Final = {severity.name.lower(): severity for severity in Severity}
_CONFIDENCES: Final = {
    RuleKind.TOKEN: Confidence.HIGH,
    RuleKind.CONTEXT: Confidence.HIGH,
    RuleKind.GENERIC: Confidence.LOW,
}
_NEAR: Final = (
    rb"""(?i:%s)[A-Za-z0-9_.\-]{0,40}+["'\])]{0,3}+[ \t]{0,8}+(?:=>|:=|[=:,>])[ \t]{0,8}+["'`]?"""
    rb"""(?P<secret>%s)(?![A-Za-z0-9_+/\-])"""
)
_EXAMPLE_PATH: Final = "srv/app/.env"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """What the rules of a group have in common."""

    category: str
    severity: Severity | None
    confidence: Confidence | None
    kind: RuleKind | None
    remedy: str


_NO_GROUP: Final = _Group(category="Own rules", severity=Severity.HIGH, confidence=None, kind=None, remedy=_REMEDY)


@lru_cache(maxsize=1)
def shipped_rules() -> RuleSet:
    """Return the rules that come with the package.

    Cost: reads five files of the package, once.
    """
    folder = files("rafsight.analysis.secrets") / "rules"
    rules: list[Rule] = []
    file_rules: list[FileRule] = []
    for name in _SHIPPED:
        document = read_fields((folder / name).read_bytes(), name)
        for group in document.mappings("groups"):
            rules += _read_group(group)
        file_rules += [read_file_rule(entry, source="built in") for entry in document.mappings("files")]
        document.finish()
    return RuleSet(rules=tuple(rules), file_rules=tuple(file_rules))


def read_rule(entry: Fields, *, source: str, group: _Group = _NO_GROUP, is_checked: bool = True) -> Rule:
    """Read one rule.

    Args:
        entry: as written.
        source: where; for people.
        group: what it takes over.
        is_checked: look whether the pattern is valid and fast (those of the package are, a test says so).
    Raises: MalformedConfiguration.
    """
    identity = _identity(entry)
    near, value = entry.texts("near"), entry.text("value", "")
    kind = entry.choice("kind", RuleKind, list(RuleKind), group.kind or (RuleKind.CONTEXT if near else RuleKind.TOKEN))
    if near:
        names = b"|".join(re.escape(name.encode()) for name in near)
        pattern = _NEAR % (names, value.encode())
        keywords = entry.texts("keywords", near)
    else:
        pattern = entry.text("pattern").encode()
        keywords = entry.texts("keywords")
    paths = tuple(path.encode() for path in entry.texts("paths"))
    if not keywords and not paths:
        raise entry.fault("a rule needs keywords, or paths where it is tried on every file")
    rule = Rule(
        id=identity,
        category=entry.text("category", group.category),
        title=entry.text("title"),
        severity=_severity(entry, group.severity),
        confidence=entry.choice("confidence", Confidence, list(Confidence), group.confidence or _CONFIDENCES[kind]),
        kind=kind,
        keywords=tuple(dict.fromkeys(keyword.lower().encode() for keyword in keywords)),
        pattern=pattern,
        min_entropy=float(entry.number("entropy", 0)),
        checks=_known(entry, "checks", CHECKS, ()),
        filters=_known(entry, "filters", FILTERS, GENERIC_FILTERS if kind is RuleKind.GENERIC else TOKEN_FILTERS),
        paths=paths,
        remedy=entry.text("remedy", group.remedy),
        examples=(*_examples(entry, "found", is_secret=True), *_examples(entry, "ignored", is_secret=False)),
        source=source,
    )
    if is_checked:
        check_pattern(entry, rule.pattern)
        if "assigned" in rule.checks and b"(?P<name>" not in rule.pattern:
            raise entry.fault("the check assigned needs a group (?P<name>...) in the pattern")
    entry.finish()
    return rule


def read_file_rule(entry: Fields, *, source: str) -> FileRule:
    """Read one rule about names of files.

    Raises: MalformedConfiguration.
    """
    identity = _identity(entry)
    paths = entry.texts("paths")
    if not paths:
        raise entry.fault("a rule about files needs paths")
    magic = entry.texts("magic")
    for digits in magic:
        if not MAGIC.match(digits):
            raise entry.fault(what=f"magic '{digits}' has to be hex digits in lower case, ? for any")
    rule = FileRule(
        id=identity,
        category=entry.text("category", "Own rules"),
        title=entry.text("title"),
        severity=_severity(entry, Severity.MEDIUM),
        confidence=entry.choice("confidence", Confidence, list(Confidence), Confidence.MEDIUM),
        paths=tuple(path.encode() for path in paths),
        exceptions=tuple(path.encode() for path in entry.texts("except")),
        min_size=int(entry.number("min-size", 1)),
        is_confirmed_by_secret=entry.choice(
            "confirm", {"secret": True, "name": False}.__getitem__, ["secret", "name"], default=False
        ),
        magic=magic,
        remedy=entry.text("remedy", _REMEDY),
        source=source,
    )
    entry.finish()
    return rule


def check_pattern(entry: Fields, pattern: bytes) -> re.Pattern[bytes]:
    """Compile a pattern that is valid and fast on any text.

    Raises: MalformedConfiguration.
    """
    try:
        compiled = re.compile(pattern)
        ways = count_ways(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise entry.fault(what=f"the pattern is no regular expression of Python: {error}") from None
    if ways > WAYS:
        raise entry.fault(
            "the pattern can take very long on some texts; bound its repetitions, or let them keep what "
            "they took: {1,40}+ or ++"
        )
    return compiled


def severity_named(word: str) -> Severity:
    """Return a severity by its name.

    Raises: KeyError.
    """
    return _SEVERITIES[word.lower()]


def severity_names() -> list[str]:
    """Return the names of all severities."""
    return list(_SEVERITIES)


def _read_group(entry: Fields) -> list[Rule]:
    group = _Group(
        category=entry.text("category"),
        severity=_severity(entry, Severity.MEDIUM),
        confidence=Confidence(entry.text("confidence")) if "confidence" in entry else None,
        kind=RuleKind(entry.text("kind")) if "kind" in entry else None,
        remedy=entry.text("remedy", _REMEDY),
    )
    rules = [read_rule(rule, source="built in", group=group, is_checked=False) for rule in entry.mappings("rules")]
    entry.finish()
    return rules


def _identity(entry: Fields) -> str:
    identity = entry.text("id")
    if not _ID.match(identity):
        raise entry.fault(what=f"id '{identity}' has to be lower-case letters, digits, dots and dashes")
    return identity


def _severity(entry: Fields, default: Severity | None) -> Severity:
    return entry.choice("severity", severity_named, severity_names(), default)


def _known(entry: Fields, key: str, names: Iterable[str], default: tuple[str, ...]) -> tuple[str, ...]:
    """Take names of functions."""
    given = entry.texts(key, default) if key in entry else default
    for name in given:
        if name not in names:
            raise entry.fault(what=f"{key} has '{name}', not one of {', '.join(names)}")
    return given


def _examples(entry: Fields, key: str, *, is_secret: bool) -> list[RuleExample]:
    """Take example texts: each a text, or a mapping with the path of its file."""
    value = entry.raw(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise entry.fault(what=f"{key} has to be a list")
    examples = []
    for item in value:
        if isinstance(item, dict):
            fields = Fields(item, entry.file)
            path, text = fields.text("path"), fields.text("text")
            fields.finish()
        elif isinstance(item, str):
            path, text = _EXAMPLE_PATH, item
        else:
            raise entry.fault(what=f"{key} has to be a list of texts, or of mappings with path and text")
        examples.append(RuleExample(text=text, path=path, is_secret=is_secret))
    return examples
