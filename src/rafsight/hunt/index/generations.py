"""Generations of an index: a reader sees one, whole; a writer adds one, and never takes back another writer's.

A writer makes its tables first, under names that nobody knows. Then it creates the document of the next generation. If
another writer was faster, its document is read, and the change is made again on top of it: what a change says is
always applied to the newest generation. Files that no generation names any more stay for a while, for readers that
came earlier. This module alone decides that.
"""

import random
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from rafsight.base.errors import RegistryFault
from rafsight.hunt.index.manifest import (
    DamagedIndex,
    Manifest,
    Retired,
    manifest_name,
    parse_generation,
    read_manifest,
    write_manifest,
)
from rafsight.hunt.index.places import IndexPlace

GRACE: Final = 3600
"""[s] that a file stays when no generation names it any more."""
_ABANDONED: Final = 24 * 3600
"""[s] after which a file that no generation has ever named was left by a writer that is no more."""
_KEPT: Final = 64
"""Documents that stay: more than others can add while one adds his."""
_ATTEMPTS: Final = 50
_NAME: Final = re.compile(r"([0-9a-f]{8})-[0-9a-f]{16}[-a-z]*\.parquet\Z")

Change = Callable[[Manifest | None], Manifest | None]
"""Makes the next generation of the newest one; its number, writer and time are filled in. None: there is nothing to
change, which only an index that exists can say."""


class BusyIndex(RegistryFault):
    """Too many others write the same index."""

    code = "busy-index"
    template = "the index at {place} was changed by others {count} times while this change was to be written"
    remedy = "Try again; let fewer processes update one index."
    permanent = False


def new_name() -> str:
    """Return a name for files that nobody else has; it begins with the time, for those who clean up."""
    return f"{int(time.time()):08x}-{secrets.token_hex(8)}"


def read_newest(place: IndexPlace) -> Manifest | None:
    """Read the newest generation; None if there is none.

    Raises: IndexUnreachable, DamagedIndex, NewerIndex.
    Cost: a listing and a small file.
    """
    damage: DamagedIndex | None = None
    for number in sorted(_numbers(place), reverse=True):
        content = place.read(manifest_name(number))
        if content is None:  # removed since it was listed: there are newer ones, or will be
            continue
        try:
            manifest = read_manifest(content, place.name)
        except DamagedIndex as error:  # where files come into being piece by piece, a killed writer leaves such
            damage = damage or error
            continue
        if manifest.generation == number:
            return manifest
        damage = DamagedIndex(place=place.name, what=f"document {number} says it is {manifest.generation}")
    if damage is not None:
        raise damage
    return None


def commit(place: IndexPlace, change: Change, *, attempts: int = _ATTEMPTS) -> Manifest:
    """Add a generation.

    Args:
        place: of the index.
        change: called again each time somebody else was faster; may write files, and may raise.
        attempts: how often, at most.
    Returns: the generation that was added; the newest one if there was nothing to change.
    Raises: IndexUnreachable, DamagedIndex, NewerIndex; BusyIndex; what `change` raises.
    """
    for attempt in range(attempts):
        numbers = _numbers(place)  # before the newest is read: who comes after this has a higher number
        newest = read_newest(place)
        changed = change(newest)
        if changed is None:
            assert newest is not None  # or there would be something to change
            return newest
        number = 1 + max([*numbers, newest.generation if newest else 0])
        manifest = replace(
            changed,
            generation=number,
            writer=secrets.token_hex(8),
            written_at=int(time.time()),
            retired=_retired(newest, changed),
        )
        if place.create(manifest_name(number), write_manifest(manifest)):
            _clean(place, manifest)
            return manifest
        time.sleep(random.uniform(0, 0.02 * min(attempt + 1, 25)))  # noqa: S311 - so that writers do not meet again
    raise BusyIndex(place=place.name, count=attempts)


def file_names(manifest: Manifest) -> set[str]:
    """Return the names of all tables of a generation."""
    return {manifest.images.name, *(file.name for part in manifest.parts for file in part.files)}


def _retired(before: Manifest | None, after: Manifest) -> tuple[Retired, ...]:
    """Note what is not needed any more, and forget what is gone by now."""
    if before is None:
        return ()
    now = int(time.time())
    stays = [retired for retired in before.retired if retired.since > now - GRACE]
    gone = sorted(file_names(before) - file_names(after) - {retired.name for retired in stays})
    return (*stays, *(Retired(name=name, since=now) for name in gone))


def _clean(place: IndexPlace, manifest: Manifest) -> None:
    """Remove old documents, and files that nobody needs; what cannot be removed stays for the next one.

    Two writers may clean at once: neither removes what a generation names.
    """
    needed = file_names(manifest) | {retired.name for retired in manifest.retired}
    try:
        for number in _numbers(place):
            if number <= manifest.generation - _KEPT:
                place.remove(manifest_name(number))
        for folder in ("images", "parts"):
            for name in place.listing(folder):
                if f"{folder}/{name}" not in needed and _is_abandoned(name):
                    place.remove(f"{folder}/{name}")
    except RegistryFault:
        return


def _is_abandoned(name: str) -> bool:
    found = _NAME.match(name)
    return found is not None and int(found[1], 16) < time.time() - _ABANDONED


def _numbers(place: IndexPlace) -> list[int]:
    found = (parse_generation(name) for name in place.listing("generations"))
    return [number for number in found if number is not None]
