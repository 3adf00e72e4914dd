"""Results in a PostgreSQL database, for several machines at once.

Whoever can write there can say what scans find; values are sealed all the same, so that damage is no answer. This
module alone knows the statements. A server that cannot be reached or fails costs time once: it is not asked again by
the same scan.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from rafsight.access.results.sealing import seal, unseal
from rafsight.base.errors import CallerError, ExitStatus, HostLimit
from rafsight.base.events import Listener, Noticed, silent
from rafsight.base.units import GiB

if TYPE_CHECKING:
    import psycopg

Answer = TypeVar("Answer")

ROOM: Final = 16 * GiB
"""[bytes] that results may take if nobody says otherwise."""
TABLE: Final = "rafsight_result_v1"
"""Other layouts have other names, so that an older and a newer release share a database."""
SCHEMES: Final = ("postgresql", "postgres")

_CREATE: Final = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} (key bytea PRIMARY KEY, used bigint NOT NULL, value bytea NOT NULL)",
    f"ALTER TABLE {TABLE} ALTER COLUMN value SET STORAGE EXTERNAL",
    f"CREATE INDEX IF NOT EXISTS {TABLE}_used ON {TABLE} (used)",
)
_LOCK: Final = 0x5246_5352
"""Of the server's advisory locks: whoever makes the table holds it."""
_CONNECT: Final = 5
"""[s]"""
_STATEMENT: Final = 10
"""[s] after which the server gives a statement up."""
_TOUCH_AFTER: Final = 24 * 3600
_BATCH: Final = 500
_LOOK_EVERY: Final = 32
"""One of so many writers looks how much there is."""
_ROW: Final = 120
"""[bytes] of a row beside its value."""


class NotACache(CallerError):
    """The address of a shared cache is none."""

    code = "not-a-cache"
    template = "'{address}' is not the address of a cache that machines can share"
    remedy = "Write postgresql://HOST/DATABASE; user and password may stand in it, in PGPASSWORD or in ~/.pgpass."
    exit_status = ExitStatus.USAGE


class NoPostgresDriver(HostLimit):
    """The package that speaks to PostgreSQL is missing."""

    code = "no-postgres-driver"
    template = "a cache in PostgreSQL needs a package that is not installed: {why}"
    remedy = "Install it: `pip install 'rafsight[postgres]'`."


class PostgresResults:
    """A `ResultStore` in a database that machines share."""

    def __init__(
        self, address: str, *, limit: int = ROOM, listener: Listener = silent, clock: Callable[[], float] = time.time
    ) -> None:
        """Connect to nothing yet.

        Args:
            address: `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?OPTIONS`, all parts optional.
            limit: [bytes] that results may take; what was used longest ago goes.
            listener: told what fails.
            clock: [s since 1970].
        Raises: NotACache, NoPostgresDriver.
        """
        check_address(address)
        try:
            import psycopg
        except ImportError as error:
            raise NoPostgresDriver(why=str(error)) from error
        self._driver = psycopg
        self._address = address
        self._limit = limit
        self._listener = listener
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._is_usable = True
        self._touched: set[bytes] = set()

    def fetch(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """Return what is there; see `ResultStore`. Cost: a round trip for each 500 keys."""
        return self._do(lambda connection: self._fetch(connection, keys), {}) if keys else {}

    def keep(self, values: Mapping[bytes, bytes]) -> None:
        """Keep results; see `ResultStore`. Cost: a few round trips."""
        used = int(self._clock())
        rows = [(key, used, packed) for key, value in values.items() if (packed := seal(key, value)) is not None]
        if rows:
            self._do(lambda connection: self._write(connection, sorted(rows)), None)

    def close(self) -> None:
        """Mark what was used, and disconnect."""
        if self._touched:
            self._do(self._touch, None)
        with self._lock:
            self._is_usable = False
            self._disconnect()

    def make_room(self, size: int) -> int:
        """Remove what was used longest ago, until the rest takes less than a size [bytes]; return how many went."""
        return self._do(lambda connection: _make_room(connection, size), 0)

    def _fetch(self, connection: "psycopg.Connection[tuple[Any, ...]]", keys: Collection[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        old = int(self._clock()) - _TOUCH_AFTER
        for batch in _batches(keys):
            rows = connection.execute(
                f"SELECT key, used, value FROM {TABLE} WHERE key = ANY(%s)",  # noqa: S608
                (batch,),
                binary=True,
            )
            damaged = []
            for key, used, sealed in rows:
                value = unseal(key, sealed)
                if value is None:
                    damaged.append(key)
                    continue
                found[key] = value
                if used < old:
                    self._touched.add(key)
            if damaged:
                connection.execute(f"DELETE FROM {TABLE} WHERE key = ANY(%s)", (damaged,))  # noqa: S608
                self._listener(Noticed(message=f"{len(damaged)} results of earlier scans were damaged: left out"))
        return found

    def _write(self, connection: "psycopg.Connection[tuple[Any, ...]]", rows: list[tuple[bytes, int, bytes]]) -> None:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {TABLE} (key, used, value) VALUES (%s, %s, %s) "  # noqa: S608
                "ON CONFLICT (key) DO UPDATE SET used = excluded.used, value = excluded.value",
                rows,
            )
        if rows[0][0][-1] % _LOOK_EVERY == 0:  # keys are hashes
            _make_room(connection, self._limit)

    def _touch(self, connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
        for batch in _batches(sorted(self._touched)):
            connection.execute(
                f"UPDATE {TABLE} SET used = %s WHERE key = ANY(%s)",  # noqa: S608
                (int(self._clock()), batch),
            )
        self._touched.clear()

    def _do(self, action: "Callable[[psycopg.Connection[tuple[Any, ...]]], Answer]", otherwise: Answer) -> Answer:
        """Do something with the database; what fails is said once."""
        with self._lock:
            if not self._is_usable:
                return otherwise
            try:
                if self._connection is None:
                    self._connection = self._connect()
                return action(self._connection)
            except (self._driver.Error, OSError, ValueError) as error:
                self._is_usable = False
                self._disconnect()
                why = " ".join(str(error).split()) or type(error).__name__
                self._listener(Noticed(message=f"results of scans are not shared by {self._place}: {why}"))
                return otherwise

    def _connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        connection = self._driver.connect(
            self._address,
            autocommit=True,
            connect_timeout=_CONNECT,
            application_name="rafsight",
            options=f"-c statement_timeout={_STATEMENT * 1000} -c lock_timeout={_STATEMENT * 1000}",
        )
        try:
            if connection.execute("SELECT to_regclass(%s)", (TABLE,)).fetchone() == (None,):
                with connection.transaction():
                    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                    for statement in _CREATE:
                        connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def _place(self) -> str:
        """What people call the database: never with a password."""
        parts = urlsplit(self._address)
        return f"{parts.hostname or 'the local server'}{parts.path}"

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(self._driver.Error):
                connection.close()


def check_address(address: str) -> None:
    """Make sure that a text is the address of a database.

    Raises: NotACache.
    """
    try:
        parts = urlsplit(address)
        is_one = parts.scheme in SCHEMES and (parts.port is None or parts.port > 0)
    except ValueError:
        is_one = False
    if not is_one:
        raise NotACache(address=address.partition("://")[0][:40])


def _make_room(connection: "psycopg.Connection[tuple[Any, ...]]", limit: int) -> int:
    """Remove rows, the longest unused first, until the rest takes less than a limit, with an eighth to spare."""
    row = connection.execute(
        f"SELECT count(*), coalesce(sum(octet_length(value) + {_ROW}), 0)::bigint FROM {TABLE}"  # noqa: S608
    ).fetchone()
    count, used = row or (0, 0)
    if used <= limit:
        return 0
    excess = (used - (limit - limit // 8)) * count // used + 1
    return connection.execute(
        f"DELETE FROM {TABLE} WHERE key IN (SELECT key FROM {TABLE} ORDER BY used, key LIMIT %s)",  # noqa: S608
        (excess,),
    ).rowcount


def _batches(keys: Collection[bytes]) -> Iterator[list[bytes]]:
    remaining = iter(keys)
    while batch := list(islice(remaining, _BATCH)):
        yield batch
