"""One generation of an index, with its tables at hand.

Tables are checked against the digests in the document before anybody reads them; those of a distant index are copied
once, and kept in the cache. A table never changes, so that the copies are always right. This module alone decides where
copies lie, and what becomes of a table that is missing or damaged.
"""

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from rafsight.base.errors import CallerError, ExitStatus, RafsightError
from rafsight.hunt.index.generations import read_newest
from rafsight.hunt.index.manifest import DamagedIndex, Manifest, StoredFile, StoredPart
from rafsight.hunt.index.places import IndexPlace
from rafsight.hunt.index.tables import ImageRow, TreeRow, read_images, read_trees

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FOLDER: Final = "index"
"""Below the cache folder."""
Result = TypeVar("Result")

_UNUSED: Final = 30 * 24 * 3600
"""[s] after which a copy is removed."""


class NoSuchIndex(CallerError):
    """There is no index where one is named."""

    code = "no-such-index"
    template = "there is no index at {place}"
    remedy = "Check the URL, or build one: rafsight index build --index URL --registry HOST."
    exit_status = ExitStatus.NOT_FOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class LostPart:
    """A part that cannot be read."""

    part: StoredPart
    why: str


class Shelf:
    """Tables of an index on this machine. Not safe to share between threads."""

    def __init__(self, place: IndexPlace, cache_dir: Path | None, scratch: Path) -> None:
        """Prepare.

        Args:
            place: of the index.
            cache_dir: where copies are kept; None keeps nothing.
            scratch: a folder for what is not kept.
        """
        self._place = place
        self._folder = scratch if cache_dir is None else cache_dir / FOLDER
        self._is_kept = cache_dir is not None
        self._scratch = scratch
        self._known: dict[str, Path] = {}

    def get(self, file: StoredFile) -> Path:
        """Return where a table lies, once it has proven to be what the document says.

        Raises: DamagedIndex: it is missing or is another; IndexUnreachable.
        Cost: a pass over it; the first time also the way to a distant index.
        """
        if file.name not in self._known:
            near = self._place.path(file.name)
            self._known[file.name] = self._near(file, near) if near is not None else self._copy(file)
        return self._known[file.name]

    def _near(self, file: StoredFile, path: Path) -> Path:
        """Check a table where it lies; its name must mean no other files to DuckDB."""
        self._check(file, path)
        path = path.absolute()
        if not any(letter in str(path) for letter in "*?["):
            return path
        link = self._scratch / f"{file.digest}.parquet"
        link.symlink_to(path)
        return link

    def _copy(self, file: StoredFile) -> Path:
        """Fetch a table, unless it is there already."""
        copy = self._folder / f"{file.digest}.parquet"
        with suppress(DamagedIndex):
            self._check(file, copy)
            with suppress(OSError):
                os.utime(copy)
            return copy
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = copy.with_name(f".{secrets.token_hex(8)}-{copy.name}")
        try:
            if not self._place.fetch(file.name, draft):
                raise DamagedIndex(place=self._place.name, what=f"{file.name} is missing")
            self._check(file, draft)
            draft.replace(copy)
        finally:
            draft.unlink(missing_ok=True)
        if self._is_kept:
            self._sweep()
        return copy

    def _check(self, file: StoredFile, path: Path) -> None:
        try:
            size = path.stat().st_size
            digest = digest_file(path) if size == file.size else ""
        except OSError as error:
            what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
            raise DamagedIndex(place=self._place.name, what=f"{file.name} {what}") from error
        if digest != file.digest:
            raise DamagedIndex(place=self._place.name, what=f"{file.name} is not what was written")

    def _sweep(self) -> None:
        """Remove copies that nobody has used for long."""
        before = time.time() - _UNUSED
        for path in self._folder.iterdir():
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What an index knows."""

    manifest: Manifest
    images: list[ImageRow]
    trees: list[tuple[TreeRow, ...] | None]
    """Of each part; None for a part that is lost."""
    lost: tuple[LostPart, ...]
    are_images_lost: bool = False
    """The table of images is damaged, and none of them is known: of an index that is being mended."""

    @property
    def known_trees(self) -> set[str]:
        """The trees that can be asked."""
        return {row.tree for rows in self.trees for row in rows or ()}

    @property
    def live_images(self) -> list[ImageRow]:
        """The images that are not gone, those among them that could not be looked at, too."""
        return [row for row in self.images if not row.gone_at]


def read_snapshot(
    place: IndexPlace,
    shelf: Shelf,
    connection: "DuckDBPyConnection",
    manifest: Manifest,
    *,
    entries: bool,
    mends: bool = False,
) -> Snapshot:
    """Read the images and trees of a generation.

    Args:
        place: of the index.
        shelf: gets the tables.
        connection: reads them.
        manifest: of the generation.
        entries: whether the entries will be read, too: a part without them is lost then.
        mends: do without images that cannot be read.
    Raises: DamagedIndex: there are no images; IndexUnreachable.
    Cost: all tables that are needed are fetched, if they are not at hand.
    """
    images: list[ImageRow] | None = None
    try:
        images = guarded(place, lambda: read_images(connection, shelf.get(manifest.images)))
    except DamagedIndex:
        if not mends:
            raise
    trees: list[tuple[TreeRow, ...] | None] = []
    lost: list[LostPart] = []
    for part in manifest.parts:
        try:
            rows = _part_trees(place, shelf, connection, part, entries=entries)
        except DamagedIndex as error:
            lost.append(LostPart(part=part, why=str(error)))
            trees.append(None)
        else:
            trees.append(rows)
    return Snapshot(
        manifest=manifest, images=images or [], trees=trees, lost=tuple(lost), are_images_lost=images is None
    )


def open_newest(place: IndexPlace, shelf: Shelf, connection: "DuckDBPyConnection", *, entries: bool) -> Snapshot:
    """Read the newest generation; arguments and errors as of `read_snapshot`.

    Raises: NoSuchIndex.
    """
    manifest = read_newest(place)
    if manifest is None:
        raise NoSuchIndex(place=place.name)
    return read_snapshot(place, shelf, connection, manifest, entries=entries)


def digest_file(path: Path) -> str:
    """Return the BLAKE3 of a file, in hex.

    Raises: OSError.
    """
    from blake3 import blake3

    running = blake3(max_threads=blake3.AUTO)
    running.update_mmap(path)
    return running.hexdigest()


def guarded(place: IndexPlace, read: Callable[[], Result], *, columns: bool = True) -> Result:
    """Read a table; what DuckDB cannot read is damage.

    Args:
        place: of the index, for the error.
        read: reads it.
        columns: whether columns of other names or types than ours are damage, too.
    Raises: DamagedIndex.
    """
    import duckdb

    strange = (TypeError, ValueError, KeyError) if columns else ()
    try:
        return read()
    except (duckdb.Error, *strange) as error:
        if isinstance(error, RafsightError):
            raise
        raise DamagedIndex(place=place.name, what=str(error).partition("\n")[0]) from error


def check_spans(place: str, spans: NDArray[np.uint32], trees: int) -> None:
    """Refuse spans that lie outside the trees of their part.

    Raises: DamagedIndex.
    """
    if len(spans) and ((spans[:, 1] > spans[:, 2]) | (spans[:, 2] >= trees)).any():
        raise DamagedIndex(place=place, what="a table of spans names trees that are not there")


def _part_trees(
    place: IndexPlace, shelf: Shelf, connection: "DuckDBPyConnection", part: StoredPart, *, entries: bool
) -> tuple[TreeRow, ...]:
    rows = guarded(place, lambda: read_trees(connection, shelf.get(part.trees)))
    if entries:
        shelf.get(part.entries)
        shelf.get(part.spans)
    return rows
