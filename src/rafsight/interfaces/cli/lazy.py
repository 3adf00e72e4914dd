"""A group of commands that are imported when they are called, and help in sections.

This module alone decides how click is bent: everything else uses it as it is.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import click


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEntry:
    """One command; the module beside this one, and the command in it, have its name."""

    name: str
    summary: str
    """One line for the help of the whole, so that the module need not be imported for it."""


class UnknownCommand(click.UsageError):
    """A word that stands where a command should."""

    def __init__(self, word: str, close: Sequence[str], ctx: click.Context) -> None:
        """Take the word, and the commands that are written alike."""
        hint = f" Did you mean '{close[0]}'?" if close else ""
        super().__init__(f"No such command '{word}'.{hint}", ctx)
        self.word = word


class LazyGroup(click.Group):
    """Knows its commands' names and summaries; imports a command when it is asked for."""

    def __init__(self, *args: Any, entries: Sequence[CommandEntry] = (), **kwargs: Any) -> None:
        """Take the commands in the order of the help."""
        super().__init__(*args, **kwargs)
        self.entries = tuple(entries)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the list."""
        del ctx
        return [entry.name for entry in self.entries]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = import_module(f"rafsight.interfaces.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of an argument list; a mistyped one is told what comes closest.

        `help` is no command: it asks for the help of the whole, or of the command behind it.
        """
        if args[0] == "help" and not ctx.resilient_parsing:
            args = [*args[1:], "--help"]
            if len(args) == 1:
                click.echo(ctx.get_help())
                ctx.exit()
        name = args[0]
        if not ctx.resilient_parsing and name not in self.list_commands(ctx) and not name.startswith("-"):
            from rafsight.interfaces.cli.familiar import command_advice

            close = () if command_advice(name) else difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            raise UnknownCommand(name, close, ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write names and summaries without importing a command."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.summary) for entry in self.entries])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands first: who asks for help wants a verb."""
        self.format_commands(ctx, formatter)
        write_sections(self, ctx, formatter)


class SectionOption(click.Option):
    """An option that the help lists under a heading of its own."""

    def __init__(self, *args: Any, section: str = "Options", **kwargs: Any) -> None:
        """Take the heading."""
        super().__init__(*args, **kwargs)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose help lists options under headings."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; whatever is wrong with it is told with the command's name."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each heading."""
        write_sections(self, ctx, formatter)


_LAST: Final = {"Registry options": 1, "Global options": 2}


def write_sections(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write a command's options, each under its heading: its own come first, those of many commands last."""
    sections: dict[str, list[tuple[str, str]]] = {"Options": []}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if isinstance(parameter, click.Option) and record is not None:
            sections.setdefault(getattr(parameter, "section", "Options"), []).append(record)
    for heading, records in sorted(sections.items(), key=lambda section: _LAST.get(section[0], 0)):
        if records:
            with formatter.section(heading):
                formatter.write_dl(records)
