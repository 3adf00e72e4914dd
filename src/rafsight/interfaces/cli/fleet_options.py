"""The options that name many images, and say how they are reached: one set for all commands.

This module alone decides what they are called. A command is decorated with `fleet_options` and gets a `fleet`.
"""

import functools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rafsight.interfaces.cli.cluster_options import cluster_options
from rafsight.interfaces.cli.lazy import SectionOption
from rafsight.interfaces.cli.options import Function

if TYPE_CHECKING:
    from rafsight import Cluster, Hunts, Options
    from rafsight.interfaces.cli.ui import Ui

_option = functools.partial(click.option, cls=SectionOption, section="Images")
_ALL_PLATFORMS: Final = _option("--all-platforms", is_flag=True, help="Every image of an index, not one.")
_OPTIONS: Final = (
    _option("--images", "lists", multiple=True, metavar="FILE", help="A list, one REF a line; - is standard input."),
    _option("--registry", "registries", multiple=True, metavar="HOST", help="All images of a registry."),
    _option("--repos", metavar="GLOB", default="**", help="Of the registry only these repositories: 'team/**'."),
    _option("--tags", metavar="GLOB", default="**", help="Of each repository only these tags: 'v1.*'."),
    _option(
        "--jobs",
        type=click.IntRange(1, 256),
        metavar="N",
        default=8,
        show_default=True,
        help="So many images at the same time.",
    ),
    _option(
        "--rate",
        type=click.FloatRange(min=0.01, max=100_000),
        metavar="N",
        help="Requests a second to one host at most.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetChoice:
    """The images that somebody has named, and how they are reached."""

    references: tuple[str, ...]
    lists: tuple[str, ...]
    registries: tuple[str, ...]
    repos: str
    tags: str
    jobs: int
    rate: float | None
    all_platforms: bool
    cluster: "Cluster | None"

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is named."""
        return not (self.references or self.lists or self.registries)

    def hunts(self, options: "Options", ui: "Ui") -> "Hunts":
        """Make what asks them.

        Raises: click.UsageError, UnreadableList, MalformedCluster.
        """
        import rafsight

        if "-" in self.lists and options.password:
            raise click.UsageError("--images - and --password-stdin both want standard input.")
        hunts = rafsight.Hunts(
            options=options,
            listener=ui.listener,
            jobs=self.jobs,
            rate=self.rate,
            all_platforms=self.all_platforms,
            cluster=self.cluster,
        )
        hunts.add(*self.references)
        for name in self.lists:
            _add_list(hunts, name)
        for host in self.registries:
            hunts.add_registry(host, repositories=self.repos, tags=self.tags)
        return hunts


def fleet_options(function: Function) -> Function:
    """Add the options, and hand the command a `fleet` made from them."""
    return known_fleet_options(_ALL_PLATFORMS(function))


def known_fleet_options(function: Function) -> Function:
    """Add all but those that were decided when a fleet was taken into an index."""

    @functools.wraps(function)
    def run(
        *,
        references: tuple[str, ...],
        lists: tuple[str, ...],
        registries: tuple[str, ...],
        repos: str,
        tags: str,
        jobs: int,
        rate: float | None,
        cluster: "Cluster | None",
        all_platforms: bool = False,
        **kwargs: Any,
    ) -> Any:
        if not registries and (repos, tags) != ("**", "**"):
            raise click.UsageError("--repos and --tags need --registry.")
        fleet = FleetChoice(
            references=references,
            lists=lists,
            registries=registries,
            repos=repos,
            tags=tags,
            jobs=jobs,
            rate=rate,
            all_platforms=all_platforms,
            cluster=cluster,
        )
        return function(fleet=fleet, **kwargs)

    decorated: Function = run
    for decorator in reversed((click.argument("references", metavar="[REF]...", nargs=-1), *_OPTIONS, cluster_options)):
        decorated = decorator(decorated)
    return decorated


def _add_list(hunts: "Hunts", name: str) -> None:
    if name == "-":
        hunts.add_list(sys.stdin.buffer, "standard input")
        return
    try:
        with Path(name).open("rb") as stream:
            hunts.add_list(stream, name)
    except OSError as error:
        message = f"--images {name}: {error.strerror or error}"
        raise click.UsageError(message) from error
