"""Answers about the inspection itself: where it is, what it can do, and what is in a file.

This module alone decides what a file's content looks like on a terminal and in JSON.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rafsight.base.text import escape
from rafsight.reports.inspection.renderer import Renderer, Sheet
from rafsight.reports.names import named
from rafsight.reports.paint import Line, Span, Style, beside, styled, wrap

_LEAST_SUMMARY: Final = 24
"""[columns] that a summary needs to stand beside the usage; else it stands below."""
_QUOTING: Final = r"Paths are absolute, or relative to the current directory. Quote as in a shell: 'a b', a\ b, \xff."


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentDirectory:
    """Where the inspection is, or would be."""

    path: bytes
    """Relative to the root, without a leading slash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeFile:
    """A file's content, whole."""

    path: bytes
    """Of the file itself, all links followed; relative to the root."""
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHelp:
    """What one command is for."""

    name: str
    aliases: tuple[str, ...]
    usage: str
    summary: str
    details: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """What can be asked."""

    commands: tuple[CommandHelp, ...]
    is_whole: bool
    """All commands, not those that somebody asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """The user wants to leave."""


def _directory_json(answer: CurrentDirectory) -> Any:
    return named("path", b"/" + answer.path)


def _directory_lines(answer: CurrentDirectory, sheet: Sheet) -> Iterator[Line]:
    yield (Span(sheet.painter.own(escape(b"/" + answer.path))),)


def _content_json(answer: WholeFile) -> Any:
    described: dict[str, Any] = {**named("path", b"/" + answer.path), "size": len(answer.content)}
    try:
        described["content"] = answer.content.decode()
    except UnicodeDecodeError:
        described["content_b64"] = base64.b64encode(answer.content).decode()
    return described


def _content_lines(answer: WholeFile, sheet: Sheet) -> Iterator[Line]:
    """Yield the lines of a file; tabs stay, all else that would act on a terminal is escaped."""
    for line in answer.content.removesuffix(b"\n").split(b"\n") if answer.content else ():
        yield (Span("\t".join(sheet.painter.own(escape(part)) for part in line.split(b"\t"))),)


def _help_json(answer: Help) -> Any:
    return [
        {
            "name": command.name,
            "aliases": list(command.aliases),
            "usage": command.usage,
            "summary": command.summary,
            "details": command.details,
        }
        for command in answer.commands
    ]


def _help_lines(answer: Help, sheet: Sheet) -> Iterator[Line]:
    left = max(len(_usage(command)) for command in answer.commands)
    room = sheet.width - left - 2
    for command in answer.commands:
        usage = styled([_usage(command)], Style.BOLD)
        texts = [command.summary, *([command.details] if command.details and not answer.is_whole else [])]
        if room < _LEAST_SUMMARY:
            yield from usage
            yield from styled([f"    {part}" for text in texts for part in wrap(text, max(sheet.width - 4, 8))])
        else:
            wrapped = styled([part for text in texts for part in wrap(text, room)])
            yield from beside([(left, usage), (room, wrapped)])
    if answer.is_whole:
        yield ()
        yield from styled(wrap(_QUOTING, sheet.width), Style.DIM)


def _usage(command: CommandHelp) -> str:
    return ", ".join([command.usage, *command.aliases])


def _nothing(answer: Leave, sheet: Sheet) -> Iterator[Line]:
    del answer, sheet
    return iter(())


RENDERERS: Final[Mapping[type, Renderer]] = {
    CurrentDirectory: Renderer(to_json=_directory_json, to_lines=_directory_lines),
    WholeFile: Renderer(to_json=_content_json, to_lines=_content_lines),
    Help: Renderer(to_json=_help_json, to_lines=_help_lines),
    Leave: Renderer(to_json=lambda _: None, to_lines=_nothing),
}
"""How each kind of answer of this module is written."""
