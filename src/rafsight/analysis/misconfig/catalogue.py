"""All checks that come with the package, in the order of their ids within a group."""

from typing import Final

from rafsight.analysis.misconfig.check import Check
from rafsight.analysis.misconfig.checks import (
    access,
    accounts,
    build,
    combined,
    distribution,
    downloads,
    environment,
    exposure,
    leftovers,
    names,
    packages,
    rights,
    services,
    start,
    writing,
)

CATALOGUE: Final[tuple[Check, ...]] = (
    *start.CHECKS,
    *exposure.CHECKS,
    *environment.CHECKS,
    *build.CHECKS,
    *downloads.CHECKS,
    *packages.CHECKS,
    *rights.CHECKS,
    *writing.CHECKS,
    *access.CHECKS,
    *leftovers.CHECKS,
    *names.CHECKS,
    *accounts.CHECKS,
    *services.CHECKS,
    *distribution.CHECKS,
    *combined.CHECKS,
)
