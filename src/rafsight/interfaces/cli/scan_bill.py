"""What does not go with `sbom:FILE`: options that say how an image is looked into. This module alone lists them."""

from typing import Final

import click
from click.core import ParameterSource

_OF_IMAGES: Final = {"declared": "--declared", "config": "--config", "secret_budget": "--secret-budget"}
"""Parameter, option."""


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
