"""Rules applied to one text: which values in it are secrets?

This module alone decides which of several rules that claim the same bytes counts, and what is tried at all: first the
rules one of whose keywords occurs, then their patterns in a window around it, then what the value has to be.
"""

import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from rafsight.analysis.secrets.checks import CHECKS, Candidate, Verdict
from rafsight.analysis.secrets.filters import FILTERS, entropy, has_stop_word
from rafsight.analysis.secrets.finding import Confidence
from rafsight.analysis.secrets.globs import GlobTable
from rafsight.analysis.secrets.literals import LiteralFinder
from rafsight.analysis.secrets.rule import Rule, RuleKind, RuleSet
from rafsight.analysis.secrets.selection import Care
from rafsight.analysis.secrets.widths import count_ways, pattern_width
from rafsight.base.severity import Severity
from rafsight.base.units import KiB

HIT_COUNT: Final = 500
"""Secrets of one text after which the rest of it is given up."""
_TRIES: Final = 5000
"""Matches of one rule in one text that are looked at."""
_LEAD: Final = 2 * KiB
"""[bytes] the most that may stand between the start of a match and its keyword."""
_REACH: Final = 32 * KiB
"""[bytes] the most that a match may have."""
_MARGIN: Final = 16
"""[bytes] that are seen behind a match, for what must not follow."""
_MANY_WAYS: Final = 100
"""Patterns with more ways to share a text see no more of one text than `_SLOW_SIZE`."""
_SLOW_SIZE: Final = 128 * KiB
"""[bytes]"""
_WORD: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_KINDS: Final = {RuleKind.TOKEN: 0, RuleKind.CONTEXT: 1, RuleKind.GENERIC: 2}
_ALLOWED: Final = re.compile(
    rb"rafsight:allow|gitleaks:allow|pragma: ?allowlist[ -]secret|trufflehog:ignore|trivy:ignore", re.IGNORECASE
)
_ESCAPES: Final = re.compile(rb"\\+[nr]|\\+/|\\+\"")
_EDGES: Final = re.compile(rb"(?:[ \t\r]*+[\"']?(?:[ \t]*+[+,])?[ \t\r]*+\n[ \t\r]*+[\"']?)++")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A secret in a text."""

    rule: Rule
    severity: Severity
    value: bytes = field(repr=False)
    """As whoever uses it needs it, without the escapes of what it stands in. Never leaves this package."""
    start: int
    """[bytes] of what has to be masked."""
    end: int
    order: tuple[int, int]
    """Of the rule: kind, then place in the list. The lowest knows best what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """What rules say about one text."""

    hits: tuple[Hit, ...]
    """Ordered by place; no two share bytes."""
    masked: tuple[tuple[int, int], ...]
    """[bytes] of all that any rule took for a secret: what must not be shown."""
    allowed: int
    """Secrets that a comment on their line allows."""
    is_cut: bool
    """True if there were more than are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """A match that was judged."""

    hit: Hit | None
    """None: it looks like a secret and is none, and whatever else sees one there errs."""
    start: int
    end: int
    order: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiled:
    """A pattern, ready."""

    pattern: re.Pattern[bytes]
    width: int
    """[bytes] it matches at most."""
    size: int
    """[bytes] of one text that it may see."""


class Matcher:
    """A rule set, made ready. Patterns are compiled when their keywords first occur."""

    def __init__(self, rules: RuleSet, *, stop_words: Iterable[bytes] = (), now: int = 0) -> None:
        """Prepare.

        Args:
            rules: that apply.
            stop_words: lower case; a value with one of them is no secret.
            now: [s] since 1970.
        """
        self._rules = rules.rules
        self._stop_words = tuple(stop_words)
        self._now = now
        keywords: dict[bytes, list[int]] = {}
        for number, rule in enumerate(self._rules):
            for keyword in rule.keywords:
                keywords.setdefault(keyword, []).append(number)
        self._owners = list(keywords.values())
        self._finder = LiteralFinder(list(keywords))
        self._by_path = GlobTable((number, rule.paths) for number, rule in enumerate(self._rules) if rule.paths)
        self._without_keywords = [number for number, rule in enumerate(self._rules) if not rule.keywords]
        self._compiled: dict[int, _Compiled] = {}

    def find(self, text: bytes, path: bytes, care: Care) -> Matches:
        """Find the secrets of a text.

        Args:
            text: as `form.open_text` gives it.
            path: of the file, or `config.Env[0]` and the like.
            care: which rules are tried.
        Cost: one pass for the keywords; the patterns see only what lies around these.
        """
        here = set(self._by_path.owners(path))
        places = self._places(text)
        places.update((number, []) for number in self._without_keywords if number in here)
        claims: list[_Claim] = []
        is_cut = False
        for number in sorted(places):
            rule = self._rules[number]
            if _is_tried(rule, care) and (not rule.paths or number in here):
                is_cut |= self._judge(number, rule, text, places[number], claims)
        return _settle(claims, text, is_cut=is_cut)

    def find_all(self, text: bytes) -> tuple[tuple[int, int], ...]:
        """Return the ranges of all that any rule could take for a secret, whatever the file: not to be shown.

        Cost: as `find`.
        """
        claims: list[_Claim] = []
        for number, places in self._places(text).items():
            self._judge(number, self._rules[number], text, places, claims)
        return tuple((claim.hit.start, claim.hit.end) for claim in claims if claim.hit is not None)

    def _places(self, text: bytes) -> dict[int, list[int]]:
        """Find keywords: their offsets, by the rules that have them."""
        places: dict[int, list[int]] = {}
        for literal, offset in self._finder.find(text.lower()):
            for number in self._owners[literal]:
                places.setdefault(number, []).append(offset)
        return places

    def _judge(self, number: int, rule: Rule, text: bytes, places: list[int], claims: list[_Claim]) -> bool:
        """Look at the matches of one rule; tell whether there were more than that."""
        compiled = self._compile(number)
        most, seen = len(claims) + _TRIES, 0
        windows = _windows(places, compiled.width, len(text)) if rule.keywords else ((0, len(text)),)
        for start, end in windows:
            seen += end - start
            if seen > compiled.size:
                return True
            for match in compiled.pattern.finditer(text, start, end):
                claim = self._claim(number, rule, match)
                if claim is not None:
                    claims.append(claim)
                    if len(claims) >= most:
                        return True
        return False

    def _compile(self, number: int) -> "_Compiled":
        if number not in self._compiled:
            pattern = self._rules[number].pattern
            self._compiled[number] = _Compiled(
                pattern=re.compile(pattern),
                width=min(pattern_width(pattern), _REACH),
                size=_SLOW_SIZE if count_ways(pattern) > _MANY_WAYS else sys.maxsize,
            )
        return self._compiled[number]

    def _claim(self, number: int, rule: Rule, match: re.Match[bytes]) -> _Claim | None:
        """Judge one match; None: it means nothing."""
        groups = match.re.groupindex
        start, end = match.span("secret") if "secret" in groups else match.span()
        if start < 0 or _is_inside_word(match, start, end):
            return None
        value = unescape(match.string[start:end])
        order = (_KINDS[rule.kind], number)
        is_claimed = rule.kind is not RuleKind.GENERIC
        nothing = _Claim(hit=None, start=start, end=end, order=order) if is_claimed else None
        if any(FILTERS[name](value) for name in rule.filters) or has_stop_word(value, self._stop_words):
            return nothing
        if rule.min_entropy and entropy(value) < rule.min_entropy:
            return None
        verdicts = [CHECKS[name](Candidate(value=value, match=match, now=self._now)) for name in rule.checks]
        if Verdict.FAKE in verdicts:
            return nothing
        if Verdict.NOT_ONE in verdicts:
            return None
        hidden = match.span("hidden") if "hidden" in groups and match["hidden"] is not None else (start, end)
        severity = Severity.LOW if Verdict.WEAK in verdicts else rule.severity
        hit = Hit(rule=rule, severity=severity, value=value, start=hidden[0], end=hidden[1], order=order)
        return _Claim(hit=hit, start=start, end=end, order=order)


def unescape(raw: bytes) -> bytes:
    r"""Take a value out of what it stands in: `\n` of JSON, the margins of YAML, quotes of pieced texts."""
    if b"\\" in raw:
        raw = _ESCAPES.sub(lambda found: {b"n": b"\n", b"r": b""}.get(found[0][-1:], found[0][-1:]), raw)
    return (_EDGES.sub(b"\n", raw) if b"\n" in raw else raw).strip()


def _is_tried(rule: Rule, care: Care) -> bool:
    if care is Care.TOKENS:
        return rule.kind is RuleKind.TOKEN and rule.confidence is Confidence.HIGH
    return care is Care.ALL or rule.kind is not RuleKind.GENERIC


def _is_inside_word(match: re.Match[bytes], start: int, end: int) -> bool:
    """Tell whether a value is a piece of something longer; where a pattern says what comes before it, that counts."""
    text = match.string
    before = start == match.start() and start > 0 and text[start - 1] in _WORD and text[start] in _WORD
    return before or (end == match.end() and end < len(text) and text[end] in _WORD and text[end - 1] in _WORD)


def _windows(places: list[int], width: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges around keywords in which matches may lie, ordered and apart."""
    lead = min(width, _LEAD)
    start = end = -1
    for place in sorted(places):
        low, high = max(0, place - lead), min(size, place + width + _MARGIN)
        if low <= end:
            end = max(end, high)
            continue
        if end > start:
            yield start, end
        start, end = low, high
    if end > start:
        yield start, end


def _settle(claims: list[_Claim], text: bytes, *, is_cut: bool) -> Matches:
    """Of claims on the same bytes the one that knows best counts."""
    masked = sorted({(claim.hit.start, claim.hit.end) for claim in claims if claim.hit is not None})
    taken = _Spans()
    hits, allowed = [], 0
    for claim in sorted(claims, key=lambda one: (one.order[0], one.order[1], one.start)):
        if not taken.take(claim.start, claim.end) or claim.hit is None:
            continue
        if _is_allowed(text, claim.start, claim.end):
            allowed += 1
        else:
            hits.append(claim.hit)
    hits.sort(key=lambda hit: (hit.start, hit.end))
    return Matches(
        hits=tuple(hits[:HIT_COUNT]),
        masked=tuple(masked),
        allowed=allowed,
        is_cut=is_cut or len(hits) > HIT_COUNT,
    )


class _Spans:
    """Ranges that are apart."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def take(self, start: int, end: int) -> bool:
        """Add a range unless it shares bytes with one that is there."""
        at = bisect_right(self._starts, start)
        if (at and self._ends[at - 1] > start) or (at < len(self._starts) and self._starts[at] < end):
            return False
        self._starts.insert(at, start)
        self._ends.insert(at, end)
        return True


def _is_allowed(text: bytes, start: int, end: int) -> bool:
    """Tell whether a comment on the first or last line of a secret allows it."""
    first = text.rfind(b"\n", 0, start) + 1
    last = text.find(b"\n", end)
    last = len(text) if last < 0 else last
    return any(
        _ALLOWED.search(text, low, high) is not None
        for low, high in ((max(first, start - KiB), start), (end, min(last, end + KiB)))
    )
