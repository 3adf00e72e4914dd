"""The options that name many images, and how many are asked at a time.

This module alone decides what they are called. A command is decorated with `corpus_options` and gets a `corpus`, and
with `pace_options` and gets `jobs` and `rate`.
"""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rafsight.interfaces.cli.lazy import SectionOption

if TYPE_CHECKING:
    from rafsight import FleetIndex, Hunts, Options

Function = Callable[..., Any]

_corpus = functools.partial(click.option, cls=SectionOption, section="Images")
_CORPUS_OPTIONS: Final = (
    _corpus("--images", "lists", multiple=True, metavar="FILE", help="A list, one REF a line; - is standard input."),
    _corpus("--registry", "registries", multiple=True, metavar="HOST", help="All images of a registry."),
    _corpus("--repos", metavar="GLOB", default="**", help="Of the registry only these repositories: 'team/**'."),
    _corpus("--tags", metavar="GLOB", default="**", help="Of each repository only these tags: 'v1.*'."),
)
_RATE_OPTION: Final = click.option(
    "--rate",
    type=click.FloatRange(min=0.01, max=100_000),
    metavar="N",
    help="Requests a second to one host at most.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusChoice:
    """The images that somebody has named."""

    references: tuple[str, ...]
    lists: tuple[str, ...]
    registries: tuple[str, ...]
    repos: str
    tags: str

    def check(self) -> None:
        """Refuse options that would be ignored.

        Raises: click.UsageError.
        """
        if not self.registries and (self.repos, self.tags) != ("**", "**"):
            raise click.UsageError("--repos and --tags need --registry.")

    def name_to(self, asked: "Hunts | FleetIndex", options: "Options") -> None:
        """Name them to whoever asks them.

        Raises: click.UsageError, UnreadableList.
        """
        if "-" in self.lists and options.password:
            raise click.UsageError("--images - and --password-stdin both want standard input.")
        self.check()
        asked.add(*self.references)
        for name in self.lists:
            _add_list(asked, name)
        for host in self.registries:
            asked.add_registry(host, repositories=self.repos, tags=self.tags)


def corpus_options(function: Function) -> Function:
    """Add the options that name images, and hand the command a `corpus` made from them."""

    @functools.wraps(function)
    def run(
        references: tuple[str, ...],
        *,
        lists: tuple[str, ...],
        registries: tuple[str, ...],
        repos: str,
        tags: str,
        **kwargs: Any,
    ) -> Any:
        corpus = CorpusChoice(references=references, lists=lists, registries=registries, repos=repos, tags=tags)
        return function(corpus=corpus, **kwargs)

    return click.argument("references", metavar="[REF]...", nargs=-1)(_decorated(run, _CORPUS_OPTIONS))


def pace_options(function: Function) -> Function:
    """Add the options that say how many images are asked at a time, and how often."""
    return _decorated(function, (jobs_option(), _RATE_OPTION))


def jobs_option(section: str = "Options") -> Callable[[Function], Function]:
    """Return the option that says how many images are asked at a time.

    Args:
        section: of the help.
    """
    return click.option(
        "--jobs",
        cls=SectionOption,
        section=section,
        type=click.IntRange(1, 256),
        default=8,
        show_default=True,
        help="Images at the same time.",
    )


def _add_list(asked: "Hunts | FleetIndex", name: str) -> None:
    if name == "-":
        asked.add_list(sys.stdin.buffer, "standard input")
        return
    try:
        with Path(name).open("rb") as stream:
            asked.add_list(stream, name)
    except OSError as error:
        message = f"--images {name}: {error.strerror or error}"
        raise click.UsageError(message) from error


def _decorated(function: Function, decorators: tuple[Callable[[Function], Function], ...]) -> Function:
    for decorator in reversed(decorators):
        function = decorator(function)
    return function
