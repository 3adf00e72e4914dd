"""Options that would be ignored, since nothing asks for what they are about. This module alone lists them."""

from collections.abc import Collection
from typing import Final

import click
from click.core import ParameterSource

_OF_IMAGES: Final = {"declared": "--declared", "config": "--config", "secret_budget": "--secret-budget"}
"""Parameter, option: they say how an image is looked into, which a bill of materials is not."""
_OF_SCANNERS: Final = {
    "config": ("--config", ("secret", "misconfig"), "secrets and misconfiguration"),
    "secret_budget": ("--secret-budget", ("secret",), "secrets"),
}
"""Parameter, option, the scanners that it is for, what they look for."""


def check_bill(reference: str | None, context: click.Context) -> None:
    """Refuse options that would be ignored where a bill of materials is scanned.

    Args:
        reference: what is scanned; None: several things.
        context: of the command.
    Raises: click.UsageError.
    """
    if reference is None or not reference.startswith("sbom:"):
        return
    for parameter, option in _OF_IMAGES.items():
        if context.get_parameter_source(parameter) is ParameterSource.COMMANDLINE:
            message = f"{option} does not go with sbom:FILE."
            raise click.UsageError(message)


def check_scanners(scanners: Collection[str], context: click.Context) -> None:
    """Refuse options of scanners that nobody asked for.

    Args:
        scanners: what is looked for.
        context: of the command.
    Raises: click.UsageError.
    """
    for parameter, (option, needed, matter) in _OF_SCANNERS.items():
        given = context.get_parameter_source(parameter) is ParameterSource.COMMANDLINE
        if given and not set(needed) & set(scanners):
            message = f"{option} is about {matter}: it needs --scanners {' or '.join(needed)}."
            raise click.UsageError(message)
