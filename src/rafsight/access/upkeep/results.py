"""Results of scans as a part of the cache folder."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from rafsight.access.results.contract import ResultKind
from rafsight.access.results.files import DamagedFile, begin_file, find_file, open_file, remove_files
from rafsight.access.results.room import make_room, remove_unused, shrink
from rafsight.access.results.sealing import unseal
from rafsight.access.upkeep.contract import PartFacts, Verified, disk_size

Answer = TypeVar("Answer")

_PATIENCE: Final = 10.0
_UNITS: Final = {ResultKind.IMAGE.value: "about_images", ResultKind.FILE.value: "about_files"}


class ResultsPart:
    """A `Part`: rows of a database, none of which is an item."""

    name = "results"
    title = "results of scans"

    def __init__(self, folder: Path) -> None:
        """Open nothing yet.

        Args:
            folder: of the results.
        """
        self._folder = folder

    def facts(self) -> PartFacts:
        """Tell how much there is; nothing of a file that cannot be read."""
        nothing: dict[bytes, int] = {}
        found = self._ask(_count_kinds, nothing)
        return PartFacts(
            name=self.name,
            title=self.title,
            size=disk_size(self._folder),
            counts=tuple((unit, found.get(kind, 0)) for kind, unit in _UNITS.items()),
        )

    def forget(self, before: float) -> int:
        """Remove rows that were not used after a moment [s since 1970]; return how many bytes went."""
        return self._shrink(lambda connection: remove_unused(connection, int(before)))

    def shrink(self, size: int) -> int:
        """Remove rows that were used longest ago, until the rest takes less [bytes]; return how many bytes went."""
        return self._shrink(lambda connection: make_room(connection, size))

    def verify(self) -> Verified:
        """Compare each row with its checksum, and the file with itself; a damaged one is begun anew."""
        path = find_file(self._folder)
        if path is None:
            return Verified(name=self.name, checked=0, damaged=0)
        checked = damaged = 0
        try:
            with closing(open_file(path, patience=_PATIENCE)) as connection:
                for key, value in connection.execute("SELECT key, value FROM result"):
                    checked += 1
                    damaged += not isinstance(key, bytes) or unseal(key, value) is None
                is_sound = connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
        except (sqlite3.DatabaseError, DamagedFile, UnicodeDecodeError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                return Verified(name=self.name, checked=checked, damaged=damaged, unchecked=1)
            is_sound = False
        if damaged or not is_sound:
            begin_file(self._folder, instead_of=path)
            return Verified(name=self.name, checked=max(checked, 1), damaged=max(damaged, 1))
        return Verified(name=self.name, checked=checked, damaged=0)

    def clear(self) -> int:
        """Remove the files."""
        size = disk_size(self._folder)
        remove_files(self._folder)
        return size - disk_size(self._folder)

    def _shrink(self, action: Callable[[sqlite3.Connection], int]) -> int:
        size = disk_size(self._folder)

        def act(connection: sqlite3.Connection) -> int:
            removed = action(connection)
            if removed:
                shrink(connection)
            return removed

        self._ask(act, 0)
        return max(size - disk_size(self._folder), 0)

    def _ask(self, action: Callable[[sqlite3.Connection], Answer], otherwise: Answer) -> Answer:
        path = find_file(self._folder)
        if path is None:
            return otherwise
        try:
            with closing(open_file(path, patience=_PATIENCE)) as connection:
                return action(connection)
        except (sqlite3.Error, DamagedFile):
            return otherwise


def _count_kinds(connection: sqlite3.Connection) -> dict[bytes, int]:
    return dict(connection.execute("SELECT substr(key, 1, 1), count(*) FROM result GROUP BY 1").fetchall())
