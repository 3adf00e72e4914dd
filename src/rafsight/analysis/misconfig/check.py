"""Checks: what each is called, why it matters, what helps, and the function that makes it. Values only.

This module alone decides what a check consists of. A new one is an entry in one of the tables in `checks/`, a function
beside it, and a test.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from rafsight.analysis.misconfig.finding import Evidence
from rafsight.analysis.misconfig.subject import Subject
from rafsight.base.severity import Severity
from rafsight.image.selection import RowArray

CIS: Final = "https://www.cisecurity.org/benchmark/docker"
BUILDING: Final = "https://docs.docker.com/build/building/best-practices/"
DOCKERFILE: Final = "https://docs.docker.com/reference/dockerfile/"
OCI_CONFIG: Final = "https://github.com/opencontainers/image-spec/blob/main/config.md"
CAPABILITIES: Final = "https://man7.org/linux/man-pages/man7/capabilities.7.html"
LOADER: Final = "https://man7.org/linux/man-pages/man8/ld.so.8.html"
SYMLINKS: Final = "https://man7.org/linux/man-pages/man7/symlink.7.html"
INODES: Final = "https://man7.org/linux/man-pages/man7/inode.7.html"
SSHD: Final = "https://man.openbsd.org/sshd_config"
SHADOW: Final = "https://man7.org/linux/man-pages/man5/shadow.5.html"
_FORMS: Final = re.compile(r"\[([^|\]]*)\|([^\]]*)\]")


class Need(Enum):
    """What has to be known of an image for a check to be made."""

    TREE = "tree"
    CONFIG = "config"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spots:
    """Places of the tree where a check failed."""

    rows: RowArray
    """(k,) each once, in any order."""
    detail: Callable[[int], str] | None = None
    """What to say about a row; None: its mode and its owner."""
    message: str = ""
    """In place of the check's own."""


Found = Spots | Iterable[Evidence]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check."""

    id: str
    title: str
    severity: Severity
    category: str
    description: str
    """Why it matters."""
    message: str
    """What is wrong where it fails; may use `{count}`, and `[one|many]` for words that depend on it."""
    resolution: str
    references: tuple[str, ...]
    """The first is an address."""
    find: Callable[[Subject], Found]
    aliases: tuple[str, ...] = ()
    need: Need = Need.TREE


def phrase(message: str, count: int) -> str:
    """Fill a message in: `{count} file[|s] [is|are] open`."""
    text = _FORMS.sub(lambda match: match[1 if count == 1 else 2], message)
    return text.replace("{count}", f"{count:,}")


def trivy(number: int) -> tuple[str, ...]:
    """Return the spellings of one of Trivy's Dockerfile checks that ignore files use."""
    return (f"DS-{number:04}", f"AVD-DS-{number:04}", f"DS{number:03}")


def cis(number: int) -> str:
    """Name a recommendation of chapter 4 of the CIS benchmark, the chapter about images."""
    return f"CIS Docker Benchmark 1.7.0, 4.{number}"
