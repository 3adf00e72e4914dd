"""Show an image to an engine: as a slim archive in a file, or as a mounted tree.

This module alone decides what the archive is called inside, and which losses of either the report names.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.access.session import Image
from rafsight.analysis.inventory import Gap, GapReason
from rafsight.base.events import Listener
from rafsight.base.text import escape
from rafsight.engines.engine import Target, Via
from rafsight.engines.scratch import ScratchFailed
from rafsight.views.mount.mounting import Wish, mounted
from rafsight.views.mount.supervisor import supervised
from rafsight.views.mount.view import View, ViewTerms
from rafsight.views.slim.archive import SlimArchive, archive_tag, write_slim
from rafsight.views.slim.rules import rules_for

_ARCHIVE: Final = "image.tar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What an engine is shown."""

    target: Target
    what: str
    """For the report: `slim archive`, `mounted tree`."""
    gaps: tuple[Gap, ...]
    """What of the image it cannot see."""
    find_losses: Callable[[], tuple[Gap, ...]] = tuple
    """Says, once the engine has ended, what it wanted to read and did not get."""


def show_archive(image: Image, engine: str, scratch: Path, listener: Listener) -> Shown:
    """Write the archive that an engine gets.

    Args:
        image: the open image.
        engine: by name.
        scratch: where to.
        listener: told how many bytes are written.
    Raises: ScratchFailed; MalformedImage, MalformedDocument.
    Cost: what `write_slim` costs, and as much space as it writes.
    """
    place = scratch / _ARCHIVE
    with place.open("xb", buffering=0) as file:  # write_slim hands over large pieces

        def sink(content: bytes) -> None:
            rest = memoryview(content)
            try:
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError as error:
                raise ScratchFailed(where=str(scratch), why=error.strerror or str(error)) from error

        archive = write_slim(image, rules_for(engine), sink, tag=archive_tag(image.identity), listener=listener)
    return Shown(
        target=Target(via=Via.ARCHIVE, place=place, scratch=scratch),
        what="slim archive",
        gaps=tuple(_gaps(image, archive)),
    )


@contextmanager
def show_mount(image: Image, cache: Path, scratch: Path, listener: Listener) -> Iterator[Shown]:
    """Mount an image for an engine, in a folder inside the cache; it is unmounted at the end.

    Args:
        image: the open image.
        cache: rafsight's cache folder, where chunks are kept.
        scratch: for the engine's own files.
        listener: told of reads that fail.
    Raises: what `mounted` raises.
    """
    wish = Wish(
        reference=image.identity.reference,
        open_image=lambda: nullcontext(image),
        cache=cache,
        directory=None,
        terms=ViewTerms(),
        hears_signals=False,
    )
    with supervised() as supervisor, mounted(wish, supervisor, listener) as view:
        yield Shown(
            target=Target(via=Via.MOUNT, place=view.directory, scratch=scratch),
            what="mounted tree",
            gaps=tuple(_gaps_of_image(image)),
            find_losses=lambda: tuple(_losses(view)),
        )


def _losses(view: View) -> Iterator[Gap]:
    failed = view.statistics.failed
    if failed:
        detail = f"{failed:,} chunks that it wanted to read could not be had; the warnings say why"
        yield Gap(reason=GapReason.UNREADABLE, subject="mounted files", detail=detail)


def _gaps(image: Image, archive: SlimArchive) -> Iterator[Gap]:
    for lost in archive.unreadable:
        yield Gap(reason=GapReason.UNREADABLE, subject=escape(lost.path), detail=lost.why)
    yield from _gaps_of_image(image)


def _gaps_of_image(image: Image) -> Iterator[Gap]:
    for part in image.unread:
        if not part.is_missing:
            yield Gap(reason=GapReason.UNSUPPORTED, subject=part.what, detail=part.why)
