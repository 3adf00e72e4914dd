"""What a command is, and how the words of a request become its arguments.

This module alone decides which word is which argument, and what a number looks like.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from rafsight.access.session import Image
from rafsight.base.errors import CallerError, ExitStatus

_NUMBER: Final = re.compile(rb"[0-9]{1,20}|0[xX][0-9A-Fa-f]{1,16}")
_LARGEST: Final = (1 << 64) - 1


class WrongArguments(CallerError):
    """A command was given too few or too many words."""

    code = "wrong-arguments"
    template = "`{usage}` {problem}"
    remedy = r"`help {command}` says more; a name with blanks is quoted: 'a b' or a\ b."
    exit_status = ExitStatus.USAGE


class UnknownOption(CallerError):
    """A word begins with a dash, and is neither an option of the command nor a file."""

    code = "unknown-option"
    template = "`{command}` has no option {word}"
    remedy = (
        "`help {command}` says what it takes; a name that begins with a dash is written ./{word}, in a pattern [-]."
    )
    exit_status = ExitStatus.USAGE


class MalformedNumber(CallerError):
    """A word is no number where one is needed."""

    code = "malformed-number"
    template = "{word} is no {what}"
    remedy = "Write a number below 2^64: decimal, or hexadecimal with 0x."
    exit_status = ExitStatus.USAGE


class Kind(Enum):
    """What a word stands for."""

    FLAG = auto()
    """The argument's name itself, or nothing."""
    PATH = auto()
    DIRECTORY = auto()
    FILE = auto()
    NUMBER = auto()
    COUNT = auto()
    """A number; an optional one is left out by a word that is none."""
    BLOB = auto()
    PATTERN = auto()
    SOURCE = auto()
    COMMAND = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """A word that follows a command's name."""

    name: str
    kind: Kind
    is_optional: bool = False

    @property
    def shown(self) -> str:
        """As the usage has it."""
        return f"[{self.name}]" if self.is_optional else self.name


class Place(Protocol):
    """What a command works on."""

    @property
    def image(self) -> Image:
        """The open image."""

    @property
    def directory(self) -> bytes:
        """The current directory: a path as trees have it."""

    @property
    def open_other(self) -> Callable[[str], AbstractContextManager[Image]]:
        """Open another image, by its reference."""

    def resolve(self, path: bytes, *, follow: bool) -> int:
        """Return the row of a path, absolute or from the current directory."""

    def enter(self, row: int) -> None:
        """Make a directory the current one."""


Words = tuple[bytes | None, ...]
"""One for each argument of the command; None for those left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One line of the table."""

    name: str
    summary: str
    run: Callable[[Place, Words], object]
    """Takes the words that `bind` returned; the answer is one of the values of `reports.inspection`."""
    arguments: tuple[Argument, ...] = ()
    aliases: tuple[str, ...] = ()
    details: str = ""

    @property
    def usage(self) -> str:
        """Name and arguments."""
        return " ".join([self.name, *(argument.shown for argument in self.arguments)])


def bind(command: Command, words: Sequence[bytes]) -> Words:
    """Give each argument its word.

    Args:
        command: the command.
        words: what follows its name.
    Raises: WrongArguments.
    """
    bound: list[bytes | None] = []
    rest = list(words)
    for argument, word in _paired(command, rest):
        if word is None and not argument.is_optional:
            raise WrongArguments(command=command.name, usage=command.usage, problem=f"needs {argument.name}")
        bound.append(word)
    if rest:
        problem = "takes no more words than that" if command.arguments else "takes no words"
        raise WrongArguments(command=command.name, usage=command.usage, problem=problem)
    return tuple(bound)


def unknown_options(command: Command, words: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the words that look like options and are none of the command's; where numbers are needed there are none.

    Args:
        command: the command.
        words: what follows its name.
    """
    kinds = {argument.kind for argument in command.arguments}
    if Kind.NUMBER in kinds:
        return  # a dash is a mistake in the number, and said to be one
    flags = {argument.name.encode() for argument in command.arguments if argument.kind is Kind.FLAG}
    yield from (word for word in words if word.startswith(b"-") and len(word) > 1 and word not in flags)


def next_arguments(command: Command, words: Sequence[bytes]) -> Iterator[Argument]:
    """Yield the arguments that one more word could be.

    Args:
        command: the command.
        words: what follows its name already.
    """
    rest = list(words)
    pairs = list(_paired(command, rest))
    if rest:
        return
    last = max((place for place, (_, word) in enumerate(pairs) if word is not None), default=-1)
    for place, (argument, word) in enumerate(pairs):
        if word is not None or (place < last and argument.kind is not Kind.FLAG):
            continue
        yield argument
        if not argument.is_optional:
            return


def _paired(command: Command, rest: list[bytes]) -> Iterator[tuple[Argument, bytes | None]]:
    """Pair arguments and words in order; `rest` keeps what found no place."""
    for argument in command.arguments:
        word = None
        if argument.kind is Kind.FLAG:
            name = argument.name.encode()
            word = name if name in rest else None
        elif rest and not (argument.is_optional and argument.kind is Kind.COUNT and not _NUMBER.fullmatch(rest[0])):
            word = rest[0]
        if word is not None:
            rest.remove(word)
        yield argument, word


def read_number(word: bytes, what: str) -> int:
    """Read a number, decimal or hexadecimal.

    Args:
        word: as it was written.
        what: it is, for the message.
    Raises: MalformedNumber.
    """
    value = int(word, 0 if word[:2] in (b"0x", b"0X") else 10) if _NUMBER.fullmatch(word) else -1
    if not 0 <= value <= _LARGEST:
        raise MalformedNumber(word=word, what=what)
    return value
