"""Platforms: how they are written, and which one serves when another was asked for.

This module alone decides what matches what. Names are brought to those of Go (`amd64`, `arm64`); where no variant is
written, `arm64` means v8, `arm` v7 and `amd64` v1.
"""

import re
from dataclasses import dataclass
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus

_ARCHITECTURES: Final = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "i386": "386",
    "i486": "386",
    "i586": "386",
    "i686": "386",
    "armhf": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
    "armel": "arm/v6",
    "armv6l": "arm/v6",
    "armv5l": "arm/v5",
    "loongarch64": "loong64",
    "mips64el": "mips64le",
}
_KNOWN: Final = frozenset(
    (
        "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le",
        "riscv64", "s390x", "wasm", *_ARCHITECTURES,
    )
)  # fmt: skip
"""Architectures that may be written alone: those of Go that images are made for."""
_DEFAULT_VARIANTS: Final = {"arm64": "v8", "arm": "v7", "amd64": "v1"}
_NUMBERED: Final = re.compile(r"v([0-9]{1,3})\Z")
_WORD: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\Z")


class MalformedPlatform(CallerError):
    """A text that should be a platform is none."""

    code = "malformed-platform"
    template = "'{text}' is not a platform"
    remedy = "Write OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, for example linux/arm64 or linux/arm/v6."
    exit_status = ExitStatus.REFERENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What an image runs on."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part) or "(unnamed platform)"


def parse_platform(text: str) -> Platform:
    """Parse `OS/ARCHITECTURE[/VARIANT]`, or an architecture alone, which means Linux and has to be a known one.

    Raises: MalformedPlatform.
    """
    parts = text.split("/")
    if len(parts) > 3 or not all(_WORD.match(part) for part in parts):
        raise MalformedPlatform(text=text)
    if len(parts) == 1:
        if text.lower() not in _KNOWN:
            raise MalformedPlatform(text=text)
        parts = ["linux", *parts]
    os, architecture, variant = [*parts, ""][:3]
    return _named(os, architecture, variant)


def match_rank(wanted: Platform, offered: Platform) -> int | None:
    """Tell how well an offer serves: 0 exactly, then the closer the smaller; None: not at all.

    A variant that was not asked for is accepted, a lower one serves (`arm/v7` runs `arm/v6`), a higher one does not.
    """
    ask = _named(wanted.os, wanted.architecture, wanted.variant)
    offer = _named(offered.os, offered.architecture, offered.variant)
    if (ask.os, ask.architecture) != (offer.os, offer.architecture):
        return None
    default = _DEFAULT_VARIANTS.get(ask.architecture, "")
    asked, got = ask.variant or default, offer.variant or default
    if asked == got:
        return 0
    asked_number, got_number = _number(asked), _number(got)
    if asked_number is None or got_number is None:
        return None if ask.variant else 2000
    if got_number < asked_number:
        return asked_number - got_number
    return None if ask.variant else 1000 + got_number


def differs(wanted: Platform, os: str, architecture: str, variant: str) -> bool:
    """Tell whether what an image's config says is not what was wanted; what it leaves open does not differ."""
    offered = Platform(
        os=os or wanted.os, architecture=architecture or wanted.architecture, variant=variant or wanted.variant
    )
    return match_rank(wanted, offered) is None


def _number(variant: str) -> int | None:
    match = _NUMBERED.match(variant)
    return int(match[1]) if match else None


def _named(os: str, architecture: str, variant: str) -> Platform:
    """Bring the names to those of Go."""
    architecture, _, implied = _ARCHITECTURES.get(architecture.lower(), architecture.lower()).partition("/")
    return Platform(os=os.lower(), architecture=architecture, variant=variant.lower() or implied)
