"""An inspection: an image, a place in its tree, and requests that are answered one by one.

This module alone decides what a relative path is relative to, and what completes a word.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from rafsight.access.session import Image
from rafsight.base.errors import CallerError, ExitStatus, RafsightError
from rafsight.image.tree import ImageTree, NoSuchPath, TooManyLinks, WrongKind, require_kind
from rafsight.verbs.inspect.arguments import (
    Argument,
    Command,
    Kind,
    UnknownOption,
    bind,
    next_arguments,
    unknown_options,
)
from rafsight.verbs.inspect.commands import COMMANDS, find_command
from rafsight.verbs.inspect.requests import quote, scan, split

CANDIDATES: Final = 1000
"""The most that complete one word; the last one is among them always, so that what all begin with is right."""
_LEADS_TO: Final = {
    Kind.PATH: frozenset[str](),
    Kind.DIRECTORY: frozenset({"directory"}),
    Kind.FILE: frozenset({"directory", "file"}),
}
"""Which kinds of entries complete a word, links followed; none for all."""


_NAMED_BY_PATHS: Final = frozenset({*_LEADS_TO, Kind.PATTERN})
_SHOWS_PATHS: Final = "`ls` shows what there is; paths are relative to the current directory."
_SHOWS_KIND: Final = "`stat` shows what it is, `ls` what is beside it."


class EmptyRequest(CallerError):
    """A request has no words."""

    code = "empty-request"
    template = "the request is empty"
    remedy = "`help` lists the commands."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a word could become."""

    text: bytes
    """Instead of the word, written so that it is read back as it is meant."""
    note: str = ""
    """What it is, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What the last word of a request could become."""

    word: bytes
    """The word as it is written so far; the end of the request."""
    candidates: tuple[Candidate, ...] = ()


class Inspector:
    """Answers requests about one image, as `stats`, `cd usr` or `stat "a b"`. Not for several threads at once."""

    def __init__(self, image: Image, open_other: Callable[[str], AbstractContextManager[Image]]) -> None:
        """Begin at the root.

        Args:
            image: an open image; opened lazily, the tree is read by the first request that needs it.
            open_other: opens the image that `diff` or `dedupe` compare with, by its reference.
        """
        self.image = image
        self.open_other = open_other
        self._directory = b""

    @property
    def directory(self) -> bytes:
        """The current directory: relative to the root, without a leading slash."""
        return self._directory

    def ask(self, request: bytes) -> object:
        r"""Answer a request.

        Args:
            request: a command and its arguments: `ls /usr`, `cat a\ b`.

        Returns: One of the values of `reports.inspection`, which `reports.inspection.render` writes.
        Raises: MalformedRequest, and what `ask_words` raises.
        Cost: that of the question. `stats`, `superblock` and `blobs` need no tree.
        """
        return self.ask_words(split(request))

    def ask_words(self, words: Sequence[bytes]) -> object:
        """Answer a request that is in words already.

        Raises: CallerError: there is no such command or path, or the words are not for it; ImageFault, RegistryFault.
        """
        if not words:
            raise EmptyRequest
        command = find_command(words[0])
        try:
            self._refuse_options(command, words[1:])
            return command.run(self, bind(command, words[1:]))
        except NoSuchPath as error:
            error.advise(_SHOWS_PATHS)
            raise
        except WrongKind as error:
            error.advise(_SHOWS_KIND)
            raise

    def _refuse_options(self, command: Command, words: Sequence[bytes]) -> None:
        """Refuse what looks like an option, but for the name of a file.

        Raises: UnknownOption.
        """
        takes_paths = any(argument.kind in _NAMED_BY_PATHS for argument in command.arguments)
        for word in unknown_options(command, words):
            if not (takes_paths and self._exists(word)):
                raise UnknownOption(command=command.name, word=word)

    def _exists(self, path: bytes) -> bool:
        try:
            self.resolve(path, follow=False)
        except (NoSuchPath, TooManyLinks):
            return False
        return True

    def resolve(self, path: bytes, *, follow: bool) -> int:
        """Return the row of a path, absolute or from the current directory.

        Raises: NoSuchPath, TooManyLinks.
        """
        whole = path if path.startswith(b"/") else self._directory + b"/" + path
        return self.image.tree.lookup(whole, follow=follow)

    def enter(self, row: int) -> None:
        """Make a directory the current one.

        Raises: WrongKind.
        """
        tree = self.image.tree
        self._directory = tree.path(require_kind(tree, row, "directory"))

    def complete(self, request: bytes) -> Completion:
        """Say what the last word of an unfinished request could become.

        Args:
            request: what is written up to the cursor.
        Cost: the first path needs the tree; a directory is searched by halves.
        """
        try:
            scanned = scan(request)
            begun = scanned.partial or b""
            if scanned.words:
                command = find_command(scanned.words[0])
                arguments = next_arguments(command, scanned.words[1:])
                found = [one for argument in arguments for one in self._candidates(argument, begun)]
            else:
                found = _fixed(((command.name, command.summary) for command in COMMANDS), begun)
        except RafsightError:
            return Completion(word=b"")  # who presses Enter will be told
        if scanned.tail:
            written = (quote(begun) if begun else b"") + scanned.tail
            found = [one for one in found if one.text.startswith(written)]
        return Completion(word=request[scanned.start :], candidates=tuple(found))

    def _candidates(self, argument: Argument, begun: bytes) -> Sequence[Candidate]:
        if argument.kind in _LEADS_TO:
            return list(self._paths(argument.kind, begun))
        if argument.kind is Kind.FLAG:
            return _fixed([(argument.name, "")], begun)
        if argument.kind is Kind.COMMAND:
            return _fixed(((command.name, command.summary) for command in COMMANDS), begun)
        if argument.kind is Kind.BLOB:
            return _fixed(((blob.blob_id, "") for blob in self.image.head.blobs), begun)
        return []

    def _paths(self, kind: Kind, begun: bytes) -> Iterator[Candidate]:
        """Yield the paths that a word could become, by name."""
        tree = self.image.tree
        above, slash, beginning = begun.rpartition(b"/")
        above += slash
        row = self.resolve(above, follow=True)
        rows = _beginning_with(tree, tree.children(row), beginning)
        for child in _bounded(child for child in rows if _leads_to(tree, child, _LEADS_TO[kind])):
            is_directory = tree.is_directory(child)
            yield Candidate(
                text=quote(above + tree.name(child)) + (b"/" if is_directory else b""),
                note="" if tree.is_file(child) else tree.kind(child),
            )


def _fixed(words: Iterable[tuple[str, str]], begun: bytes) -> list[Candidate]:
    """Return the words that begin so, each with its note."""
    return [Candidate(text=quote(word.encode()), note=note) for word, note in words if word.encode().startswith(begun)]


def _beginning_with(tree: ImageTree, rows: range, beginning: bytes) -> range:
    """Return the neighbouring rows whose names begin so. Cost: logarithmic; names are in order."""
    size = len(beginning)
    low = bisect_left(rows, beginning, key=tree.name)
    high = bisect_right(rows, beginning, lo=low, key=lambda row: tree.name(row)[:size])
    return rows[low:high]


def _bounded(rows: Iterable[int]) -> list[int]:
    """Keep the first ones, and the last."""
    kept = list(rows)
    return kept if len(kept) <= CANDIDATES else [*kept[: CANDIDATES - 1], kept[-1]]


def _leads_to(tree: ImageTree, row: int, kinds: frozenset[str]) -> bool:
    """Tell whether an entry, or what a symbolic link leads to, is of one of the kinds; no kinds are all."""
    if not kinds:
        return True
    target = tree.find(tree.path(row)) if tree.is_symlink(row) else row
    return target is not None and tree.kind(target) in kinds
