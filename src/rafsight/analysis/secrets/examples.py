"""The examples beside rules: texts with random parts, and whether the rules do with them what is written there.

An example holds generators (`{{alnum 36}}`) where a secret has random characters, so that no file of rules has
anything that looks like a secret. This module alone knows them. The parts are the same on every run.
"""

import base64
import json
import random
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from rafsight.analysis.secrets.form import open_text
from rafsight.analysis.secrets.matching import Matcher
from rafsight.analysis.secrets.rule import Rule, RuleExample, RuleSet
from rafsight.analysis.secrets.selection import Care

_UPPER: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER: Final = _UPPER.lower()
_DIGITS: Final = "0123456789"
_BASE62: Final = _DIGITS + _UPPER + _LOWER
_ALPHABETS: Final = {
    "alnum": _BASE62,
    "base32": _UPPER + "234567",
    "base32-lower": _LOWER + "234567",
    "base64": _BASE62 + "+/",
    "base64url": _BASE62 + "_-",
    "bech32": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "digits": _DIGITS,
    "hex": _DIGITS + "abcdef",
    "letters": _UPPER + _LOWER,
    "symbols": _BASE62 + "!#%&()*+,-./:;=?@[]^_|~",
    "upper": _UPPER + _DIGITS,
}
_GENERATOR: Final = re.compile(r"\{\{([a-z0-9\-]+)(?: ([^{}]{1,60}))?\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleOutcome:
    """What became of one example."""

    rule_id: str
    number: int
    """Of the example, from 1, in the rule."""
    is_secret: bool
    """What is written."""
    is_met: bool
    found: tuple[str, ...]
    """Ids of the rules that found something in it."""


def run_examples(rules: RuleSet, *, only: frozenset[str] | None = None) -> Iterator[ExampleOutcome]:
    """Run all examples with all rules together: the rule beside which an example stands has to be the one that speaks.

    Args:
        rules: that apply.
        only: ids of the rules whose examples are run; None: all.
    """
    matcher = Matcher(rules)
    for rule in rules.rules:
        if only is None or rule.id in only:
            for number, example in enumerate(rule.examples, 1):
                yield _run(matcher, rule, number, example)


def expand(text: str, seed: str) -> str:
    """Put random characters in the place of generators.

    Args:
        text: an example; what is in braces and no generator stays.
        seed: the same one gives the same characters.
    """
    source = random.Random(seed)  # noqa: S311 - it makes examples, not keys

    def make(found: re.Match[str]) -> str:
        name, argument = found[1], found[2] or ""
        if name in _ALPHABETS and argument.isdigit():
            return _characters(source, name, min(int(argument), 10_000))
        return _MAKERS[name](source, argument) if name in _MAKERS else found[0]

    return _GENERATOR.sub(make, text)


def _run(matcher: Matcher, rule: Rule, number: int, example: RuleExample) -> ExampleOutcome:
    content = expand(example.text, f"{rule.id} {number}").encode()
    matches = matcher.find(open_text(content).content, example.path.encode(), Care.ALL)
    found = tuple(dict.fromkeys(hit.rule.id for hit in matches.hits))
    is_met = (rule.id in found) if example.is_secret else (rule.id not in found)
    return ExampleOutcome(rule_id=rule.id, number=number, is_secret=example.is_secret, is_met=is_met, found=found)


def _characters(source: random.Random, alphabet: str, count: int) -> str:
    """Make random characters of all kinds that the alphabet has, if there is room."""
    letters = _ALPHABETS[alphabet]
    made = source.choices(letters, k=count)
    kinds = [kind for kind in (_UPPER, _LOWER, _DIGITS) if set(kind) & set(letters)]
    for at, kind in zip(source.sample(range(count), min(len(kinds), count)), kinds, strict=False):
        made[at] = source.choice([letter for letter in kind if letter in letters])
    if made:  # the ends of a token are letters or digits, or a pattern would end elsewhere
        made[0] = source.choice([letter for letter in letters if letter.isalnum()])
        made[-1] = source.choice([letter for letter in letters if letter.isalnum()])
    return "".join(made)


def _crc(source: random.Random, argument: str) -> str:
    """Random characters and their check sum, as GitHub's tokens have it."""
    body = _characters(source, "alnum", int(argument))
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return body + digits


def _uuid(source: random.Random, argument: str) -> str:
    del argument
    return "-".join(_characters(source, "hex", size) for size in (8, 4, 4, 4, 12))


def _basic(source: random.Random, argument: str) -> str:
    del argument
    return base64.b64encode(f"deploy:{_characters(source, 'alnum', 18)}".encode()).decode()


def _jwt(source: random.Random, argument: str) -> str:
    del argument

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")

    claims = {"sub": _characters(source, "digits", 8), "name": "deploy"}
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.{_characters(source, 'base64url', 43)}"


def _discord(source: random.Random, argument: str) -> str:
    del argument
    number = base64.b64encode(("3" + _characters(source, "digits", 17)).encode()).decode().rstrip("=")
    return f"{number}.{_characters(source, 'alnum', 6)}.{_characters(source, 'base64url', 38)}"


def _pem(source: random.Random, label: str) -> str:
    lines = [_characters(source, "base64", 64) for _ in range(4)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"))


def _pem_json(source: random.Random, label: str) -> str:
    return _pem(source, label).replace("\n", "\\n")


def _pem_indented(source: random.Random, label: str) -> str:
    return _pem(source, label).replace("\n", "\n    ")


_MAKERS: Final[dict[str, Callable[[random.Random, str], str]]] = {
    "basic": _basic,
    "crc": _crc,
    "discord": _discord,
    "jwt": _jwt,
    "pem": _pem,
    "pem-indented": _pem_indented,
    "pem-json": _pem_json,
    "uuid": _uuid,
}
