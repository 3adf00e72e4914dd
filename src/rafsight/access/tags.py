"""Images of one place by the names that people give them.

This module alone decides which of several images a name means. The first of these that fits any image counts: a name as
it is written there; the end of one, as `v1` and `app:v1` are of `registry.example/team/app:v1`; the same image of a
registry in another spelling, as `app` is of `docker.io/library/app:latest`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rafsight.access.backend import NoSuchTag
from rafsight.formats.oci.reference import MalformedReference, RegistryReference, parse_reference

_TAGS_SHOWN: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """One image of a place."""

    identity: str
    """Equal for two entries that are the same image."""
    names: tuple[str, ...]
    """What it is called there; the first is what people are told."""


def find_tagged(images: Sequence[Tagged], name: str, place: str) -> int:
    """Find the image that a name means.

    Args:
        images: all images of the place.
        name: what was typed; empty: whichever there is, if that is one.
        place: where they are, for messages.
    Returns: its row.
    Raises: NoSuchTag: none is called so, or several are.
    """
    if not name and len({one.identity for one in images}) == 1:
        return 0
    for fits in _fits(name) if name else ():
        found = [row for row, one in enumerate(images) if any(map(fits, one.names))]
        if len({images[row].identity for row in found}) == 1:
            return found[0]
        if found:
            what = f"single image '{name}' ({len(found)} carry that tag: name one by its digest)"
            raise NoSuchTag(what=what, place=place)
    tags = list(dict.fromkeys(name for one in images for name in one.names[:1]))
    more = "" if len(tags) <= _TAGS_SHOWN else f" and {len(tags) - _TAGS_SHOWN} more"
    wanted = f"tag '{name}'" if name else "single image"
    raise NoSuchTag(what=f"{wanted} (its tags: {', '.join(tags[:_TAGS_SHOWN]) or 'none'}{more})", place=place)


def _fits(name: str) -> Iterator[Callable[[str], bool]]:
    """Give the tests that a name must pass, the strictest first."""
    yield lambda known: known == name
    yield lambda known: known.endswith((f":{name}", f"/{name}"))
    wanted = _whole_name(name)
    if wanted:
        yield lambda known: _whole_name(known) == wanted


def _whole_name(name: str) -> str:
    """Return a name with its host and its tag; nothing if no registry would take it."""
    try:
        parsed = parse_reference(name)
    except MalformedReference:
        return ""
    return str(parsed) if isinstance(parsed, RegistryReference) else ""
