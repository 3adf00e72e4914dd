"""A group of commands that are imported when they are called, and help in sections.

This module alone decides how click is bent: everything else uses it as it is.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEntry:
    """One command; the module beside this one, and the command in it, have its name."""

    name: str
    summary: str
    """One line for the help of the whole, so that the module need not be imported for it."""


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
        """Find the command of an argument list; a mistyped one is told what comes closest."""
        name = args[0]
        if not ctx.resilient_parsing and name not in self.list_commands(ctx) and not name.startswith("-"):
            close = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            ctx.fail(f"No such command '{name}'.{hint}")
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

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each heading."""
        write_sections(self, ctx, formatter)


def write_sections(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write a command's options, each under its heading; the command's own come first."""
    sections: dict[str, list[tuple[str, str]]] = {"Options": []}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if isinstance(parameter, click.Option) and record is not None:
            sections.setdefault(getattr(parameter, "section", "Options"), []).append(record)
    for heading, records in sections.items():
        if records:
            with formatter.section(heading):
                formatter.write_dl(records)
