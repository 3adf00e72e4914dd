"""The words, numbers and signs that a policy is made of, and how a mistake in one is shown.

This module alone decides where one ends and the next begins.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.text import escape

_WINDOW: Final = 60
"""[characters] of a policy that are shown on each side of a mistake."""
_TOKEN: Final = re.compile(
    r"""(?P<text>"[^"]*"|'[^']*')"""
    r"""|(?P<number>[0-9]+(?:\.[0-9]+)?[A-Za-z%]*)"""
    r"""|(?P<word>[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z][A-Za-z0-9_-]*)*)"""
    r"""|(?P<comparator>>=|<=|==|!=|=|>|<)"""
    r"""|(?P<mark>[(),])"""
)


class MalformedPolicy(CallerError):
    """A policy that does not parse; `picture` shows the place."""

    code = "malformed-policy"
    template = "the policy cannot be understood at column {column}: {what}"
    remedy = "docs/pipelines.md has the words of policies, for example `critical or high.fixable > 5`."
    exit_status = ExitStatus.USAGE

    def __init__(self, *, text: str, position: int, what: str) -> None:
        """Take the place.

        Args:
            text: the policy.
            position: of the first character that is wrong.
            what: is wrong there.
        """
        super().__init__(column=position + 1, what=what)
        start = max(position - _WINDOW, 0)
        before, after = escape(text[start:position]), escape(text[position : position + _WINDOW])
        self.picture = (f"{before}{after}", f"{' ' * len(before)}^")
        """The policy, or a part of it, and below it a caret."""


class Token(NamedTuple):
    """One of them, with its place."""

    kind: str
    """`text`, `number`, `word`, `comparator`, `mark`, `end`."""
    text: str
    start: int
    end: int

    @property
    def shown(self) -> str:
        """For messages."""
        return "the end" if self.kind == "end" else f"'{escape(self.text)}'"


def split_policy(text: str) -> Iterator[Token]:
    """Yield what a policy is made of, and its end; all but texts in quotes in lower case.

    Raises: MalformedPolicy.
    """
    position = 0
    while True:
        while text[position : position + 1].isspace():
            position += 1
        if position == len(text):
            break
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            shown = escape(text[position])
            what = "this quote is never closed" if shown in "\"'" else f"'{shown}' means nothing here"
            raise MalformedPolicy(text=text, position=position, what=what)
        yield Token(found.lastgroup, found[0] if found.lastgroup == "text" else found[0].lower(), *found.span())
        position = found.end()
    yield Token("end", "", position, position)
