"""Policies as people write them: `critical or (high.fixable > 5 and not package("busybox"))`.

    policy     = policy "or" policy | policy "," policy | policy "and" policy | "not" policy | "(" policy ")" | clause
    clause     = words | words comparison | measure comparison | function | function comparison
    words      = WORD { "." WORD }                       counts; without a comparison: more than none
    measure    = [ words "." ] ("epss" | "cvss") | "database-age"
    function   = ("package" | "license" | "id") "(" TEXT { "," TEXT } ")"
    comparison = (">" | ">=" | "<" | "<=" | "==" | "=" | "!=") NUMBER        with a unit of time for an age

`not` binds closest, then `and`, then `or` and the comma. This module alone decides what parses, and says where it does
not. There is no recursion: operators wait on a stack, and the length of the text bounds the work.
"""

import difflib
from dataclasses import dataclass
from typing import Final

from rafsight.base.durations import parse_duration
from rafsight.base.text import escape
from rafsight.reports.policy_tokens import MalformedPolicy, Token, split_policy
from rafsight.reports.policy_words import AGE, ALL_KINDS, FOUND, FUNCTIONS, MEASURES, WORDS

MAX_LENGTH: Final = 2000
"""[characters] of a policy."""
_MAX_PATTERN: Final = 200
_BINDING: Final = {"or": 1, "and": 2, "not": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a number is held against."""

    operator: str
    """`>`, `>=`, `<`, `<=`, `==`, `!=`."""
    value: float
    """For an age in [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One question with the answer yes or no."""

    text: str
    """What is asked about, as it is written: `high.fixable`, `package("busybox")`."""
    comparison: Comparison
    words: tuple[str, ...] = ()
    """Of WORDS: what is counted."""
    kinds: frozenset[str] = frozenset()
    """What the words can be said of."""
    measure: str = ""
    """`epss`, `cvss`, `database-age`; empty: a count."""
    function: str = ""
    """`package`, `license`, `id`; empty: the words are counted."""
    patterns: tuple[str, ...] = ()
    """Arguments of the function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy that parses."""

    text: str
    steps: tuple["Clause | str", ...]
    """In the order in which a stack works them off: clauses, and `and`, `or`, `not` behind what they join."""

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """All questions, in order."""
        return tuple(step for step in self.steps if isinstance(step, Clause))


def parse_policy(text: str) -> Policy:
    """Read a policy.

    Args:
        text: as the module describes it; upper and lower case are alike, but in quotes.
    Raises: MalformedPolicy.
    Cost: linear in the length, which is bounded.
    """
    if len(text) > MAX_LENGTH:
        raise MalformedPolicy(text=text, position=MAX_LENGTH, what=f"it has more than {MAX_LENGTH:,} characters")
    return _Parser(text).parse()


class _Parser:
    """One text on its way to a policy."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(split_policy(text))
        self._next = 0
        self._steps: list[Clause | str] = []
        self._waiting: list[Token] = []
        """Operators and opened parentheses that are not worked off."""

    def parse(self) -> Policy:
        wants_clause = True
        while True:
            token = self._take()
            if wants_clause:
                wants_clause = self._begin(token)
            elif token.kind == "end":
                break
            elif token.text == ")":
                self._close(token)
            elif token.text in ("and", "or", ","):
                operator = token._replace(text="or") if token.text == "," else token
                self._work_off(_BINDING[operator.text])
                self._waiting.append(operator)
                wants_clause = True
            else:
                raise self._wrong(token, f"{token.shown} stands where `and`, `or` or the end could be")
        self._work_off(0)
        if self._waiting:
            raise self._wrong(self._waiting[-1], "this parenthesis is never closed")
        return Policy(text=self._text.strip(), steps=tuple(self._steps))

    def _begin(self, token: Token) -> bool:
        """Take what a clause may begin with; tell whether a clause is still wanted."""
        if token.text in ("(", "not"):
            self._waiting.append(token)
            return True
        if token.kind != "word" or token.text in ("and", "or"):
            raise self._wrong(token, f"{token.shown} stands where a word or a parenthesis could be")
        self._steps.append(self._clause(token))
        return False

    def _close(self, token: Token) -> None:
        self._work_off(0)
        if not self._waiting:
            raise self._wrong(token, "no parenthesis is open here")
        self._waiting.pop()

    def _work_off(self, binding: int) -> None:
        """Append the waiting operators that bind at least so closely, down to an open parenthesis."""
        while self._waiting and self._waiting[-1].text != "(" and _BINDING[self._waiting[-1].text] >= binding:
            self._steps.append(self._waiting.pop().text)

    def _clause(self, token: Token) -> Clause:
        if self._tokens[self._next].text == "(":
            return self._function(token)
        words = token.text.split(".")
        if AGE in words:
            return self._age(token)
        measure = words.pop() if words[-1] in MEASURES else ""
        kinds = self._kinds(token, words, measure)
        if measure:
            comparison = self._comparison(measure) or self._bare(
                token, f"{measure}>0.5" if measure == "epss" else "cvss>=9"
            )
        else:
            comparison = self._comparison("") or Comparison(operator=">", value=0)
        return Clause(text=token.text, comparison=comparison, words=tuple(words), kinds=kinds, measure=measure)

    def _kinds(self, token: Token, words: list[str], measure: str) -> frozenset[str]:
        """Work out what words can be said of, and refuse those that never come together."""
        kinds = frozenset({"vuln"}) if measure else ALL_KINDS
        position = token.start
        for number, word in enumerate(words):
            if word not in WORDS:
                raise MalformedPolicy(text=self._text, position=position, what=_unknown(word))
            kinds &= WORDS[word].kinds
            if not kinds:
                others = ".".join([*words[:number], *([measure] if measure else [])])
                what = f"'{word}' can never be said of '{others}'"
                raise MalformedPolicy(text=self._text, position=position, what=what)
            position += len(word) + 1
        return kinds & FOUND or kinds

    def _age(self, token: Token) -> Clause:
        if token.text != AGE:
            raise self._wrong(token, f"'{AGE}' stands alone, without dots")
        comparison = self._comparison(AGE) or self._bare(token, f"{AGE}>7d")
        return Clause(text=token.text, comparison=comparison, measure=AGE, kinds=frozenset({"vuln"}))

    def _function(self, token: Token) -> Clause:
        if token.text not in FUNCTIONS:
            raise self._wrong(token, f"'{escape(token.text)}' takes nothing in parentheses; {_known(FUNCTIONS)} do")
        patterns: list[str] = []
        separator = self._take()
        while separator.text != ")":
            argument = self._take()
            if argument.kind != "text":
                raise self._wrong(argument, f"{argument.shown} stands where a text in quotes could be")
            if not 2 < len(argument.text) <= _MAX_PATTERN:
                raise self._wrong(argument, f"texts have 1 to {_MAX_PATTERN - 2} characters")
            patterns.append(argument.text[1:-1])
            separator = self._take()
            if separator.text not in (")", ","):
                raise self._wrong(separator, f"{separator.shown} stands where a comma or a parenthesis could be")
        comparison = self._comparison("") or Comparison(operator=">", value=0)
        shown = self._text[token.start : separator.end]
        kinds = FOUND if token.text == "id" else frozenset({"vuln"})
        return Clause(text=shown, comparison=comparison, function=token.text, patterns=tuple(patterns), kinds=kinds)

    def _comparison(self, measure: str) -> Comparison | None:
        """Take a comparison, if there is one."""
        token = self._tokens[self._next]
        if token.kind != "comparator":
            return None
        self._take()
        number = self._take()
        operator = "==" if token.text == "=" else token.text
        if measure == AGE:
            value = parse_duration(number.text) if number.kind == "number" else None
            wanted = "a time, such as 7d, 12h or 2w"
        else:
            value = _number(number.text, percent=measure == "epss") if number.kind == "number" else None
            wanted = "a number"
        if value is None:
            raise self._wrong(number, f"{number.shown} is not {wanted}")
        return Comparison(operator=operator, value=value)

    def _bare(self, token: Token, example: str) -> Comparison:
        raise self._wrong(token, f"'{token.text}' has to be compared with something, for example {example}")

    def _take(self) -> Token:
        """Return the next token; the end is there for ever."""
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _wrong(self, token: Token, what: str) -> MalformedPolicy:
        return MalformedPolicy(text=self._text, position=token.start, what=what)


def _number(text: str, *, percent: bool) -> float | None:
    """Read a number; one in percent only where that makes sense. None if it is none."""
    is_share = percent and text.endswith("%")
    try:
        return float(text.removesuffix("%")) / 100 if is_share else float(text)
    except ValueError:
        return None


def _unknown(word: str) -> str:
    if word in MEASURES:
        return f"'{word}' may only stand last"
    close = difflib.get_close_matches(word, [*WORDS, *MEASURES, AGE], n=1)
    return f"'{escape(word)}' is no word of policies" + (f"; did you mean '{close[0]}'?" if close else "")


def _known(names: dict[str, str]) -> str:
    return ", ".join(names)
