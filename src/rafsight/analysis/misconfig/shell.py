"""Command lines taken apart, as far as checks need it: which programs run with which words, and what feeds what.

This module alone decides how a shell's text is read. It is a reading for people who look for habits, not a shell: no
variable is expanded, and what cannot be told apart is taken as words.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

COMMAND_COUNT: Final = 5_000
_DEPTH: Final = 3
"""`sh -c` in `sh -c`."""
_PIECES: Final = re.compile(
    r"""(?P<comment>(?<![^\s;&|(])\#[^\n]*+)
    |(?P<heredoc><<-?)
    |(?P<end>\|\||&&|;;?|\||(?<!>)&(?!>)|\n|\(|\))
    |(?P<blank>(?:[ \t\r]|\\\n)++)
    |(?P<single>'[^']*+'?)
    |(?P<double>"(?:[^"\\]|\\.)*+"?)
    |(?P<plain>(?:\\.|[^\s'"|&;()\\])++|\\|&)""",
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS: Final = frozenset(
    ("if", "then", "else", "elif", "do", "while", "until", "!", "{", "}", "time", "fi", "done")
)
_WRAPPERS: Final = frozenset(("env", "exec", "command", "nohup", "nice", "xargs", "eatmydata", "stdbuf"))
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*+=")
_SHELLS: Final = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One simple command."""

    program: str
    """Base name of what runs."""
    words: tuple[str, ...]
    """What follows it, unquoted."""
    feeds: str = ""
    """The program that its output is piped to; empty: none."""
    sudo: bool = False
    """It runs by `sudo`."""

    def has(self, *options: str) -> bool:
        """Tell whether one of some words is there, alone or with `=value`."""
        return any(word.partition("=")[0] in options for word in self.words)

    @property
    def verbs(self) -> tuple[str, ...]:
        """The words that are no options."""
        return tuple(word for word in self.words if not word.startswith("-"))


def read_commands(text: str) -> tuple[Command, ...]:
    """Take a command line apart, that of inner shells too.

    Cost: linear. At most `COMMAND_COUNT` commands; what follows is not looked at.
    """
    found: list[Command] = []
    pending = [(text, 0)]
    while pending and len(found) < COMMAND_COUNT:
        line, depth = pending.pop()
        raw = list(_simple_commands(line, COMMAND_COUNT - len(found)))
        for position, (words, is_piped) in enumerate(raw):
            command = _command(words)
            if command is None:
                continue
            following = _command(raw[position + 1][0]) if is_piped and position + 1 < len(raw) else None
            found.append(
                Command(
                    program=command.program,
                    words=command.words,
                    feeds=following.program if following else "",
                    sudo=command.sudo,
                )
            )
            inner = _inner_line(command)
            if inner and depth < _DEPTH:
                pending.append((inner, depth + 1))
    return tuple(found)


def is_shell(program: str) -> bool:
    """Tell whether a program runs what it is fed."""
    return program in _SHELLS


def _simple_commands(text: str, limit: int) -> Iterator[tuple[list[str], bool]]:
    """Yield the words of each simple command, and whether its output is piped on."""
    words: list[str] = []
    word: str | None = None
    for piece in _PIECES.finditer(text):
        kind = piece.lastgroup
        if kind in {"single", "double"}:
            word = (word or "") + piece[0][1:].removesuffix(piece[0][0])
        elif kind == "plain":
            word = (word or "") + piece[0]
        else:
            if word is not None:
                words.append(word)
                word = None
            if kind == "end" and words:
                yield words, piece[0] == "|"
                limit -= 1
                words = []
                if limit <= 0:
                    return
    if word is not None:
        words.append(word)
    if words:
        yield words, False


def _command(words: list[str]) -> Command | None:
    """Find what runs behind keywords, assignments and wrappers."""
    sudo = False
    position = 0
    while position < len(words):
        word = words[position]
        name = word.rpartition("/")[2]
        if name in {"sudo", "doas"}:
            sudo = True
            position = _after_options(words, position + 1, takes=("-u", "-g", "-h", "-p", "-C"))
        elif name in _WRAPPERS:
            position = _after_options(words, position + 1, takes=("-n",))
        elif not name or word in _KEYWORDS or _ASSIGNMENT.match(word):
            position += 1
        else:
            return Command(program=name, words=tuple(words[position + 1 :]), sudo=sudo)
    return Command(program="sudo", words=(), sudo=True) if sudo else None


def _after_options(words: list[str], position: int, takes: tuple[str, ...]) -> int:
    while position < len(words) and words[position].startswith("-"):
        position += 2 if words[position] in takes else 1
    return position


def _inner_line(command: Command) -> str:
    """Return what an inner shell runs."""
    if command.program not in _SHELLS:
        return ""
    for position, word in enumerate(command.words[:-1]):
        if word.startswith("-") and not word.startswith("--") and word.endswith("c"):
            return command.words[position + 1]
    return ""
