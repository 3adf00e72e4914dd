"""Replicas, turns, marks and tokens: small rows that replicas share."""
# ruff: noqa: S608 - columns and conditions are constants of this package, values are parameters

from collections.abc import Sequence
from typing import Final

from rafsight.interfaces.service.jobs.contract import REPLICA_TIMEOUT, new_id
from rafsight.interfaces.service.jobs.model import NOTE_LENGTH, Token, check_text
from rafsight.interfaces.service.jobs.sql.database import Cursor
from rafsight.interfaces.service.jobs.sql.rows import TOKEN, columns, text_of, token_of

_TOKEN: Final = columns(TOKEN)
_MINUTE: Final = 60_000
_DAY: Final = 24 * 3600_000


def beat(cursor: Cursor, replica: str) -> None:
    """See `JobStore.beat`."""
    cursor.run(
        "INSERT INTO replica (id, seen) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET seen = excluded.seen",
        replica,
        cursor.now,
    )
    cursor.run("DELETE FROM replica WHERE seen < ?", cursor.now - _DAY)


def leave(cursor: Cursor, replica: str) -> None:
    """See `JobStore.leave`."""
    cursor.run("DELETE FROM replica WHERE id = ?", replica)
    cursor.run("DELETE FROM turn WHERE replica = ?", replica)


def alive(cursor: Cursor) -> int:
    """Return how many replicas were heard of lately."""
    row = cursor.row("SELECT count(*) FROM replica WHERE seen > ?", cursor.now - REPLICA_TIMEOUT)
    return int(row[0]) if row else 0


def take_turn(cursor: Cursor, chore: str, replica: str, *, lease: int) -> bool:
    """See `JobStore.take_turn`."""
    row = cursor.row(
        "INSERT INTO turn (chore, replica, until) VALUES (?, ?, ?) ON CONFLICT (chore) DO UPDATE SET "
        "replica = excluded.replica, until = excluded.until WHERE turn.replica = excluded.replica OR turn.until < ? "
        "RETURNING replica",
        chore,
        replica,
        cursor.now + lease,
        cursor.now,
    )
    return row is not None


def end_turn(cursor: Cursor, chore: str, replica: str) -> None:
    """See `JobStore.end_turn`."""
    cursor.run("DELETE FROM turn WHERE chore = ? AND replica = ?", chore, replica)


def mark(cursor: Cursor, key: str) -> str:
    """See `JobStore.mark`."""
    row = cursor.row("SELECT value FROM mark WHERE key = ?", key)
    return str(row[0]) if row else ""


def set_mark(cursor: Cursor, key: str, value: str) -> None:
    """See `JobStore.set_mark`.

    Raises: MalformedOrder.
    """
    check_text("value", value, NOTE_LENGTH)
    cursor.run(
        "INSERT INTO mark (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value
    )


def add_token(cursor: Cursor, digest: bytes, *, name: str, scopes: Sequence[str], expires: int | None) -> Token:
    """See `JobStore.add_token`.

    Raises: MalformedOrder.
    """
    check_text("name", name, 200)
    row = cursor.row(
        f"INSERT INTO token (id, digest, name, scopes, created, expires) VALUES (?, ?, ?, ?, ?, ?) RETURNING {_TOKEN}",
        new_id(),
        digest,
        name,
        text_of(scopes),
        cursor.now,
        expires,
    )
    assert row is not None
    return token_of(row)


def find_token(cursor: Cursor, digest: bytes) -> Token | None:
    """Return the token with a digest."""
    row = cursor.row(f"SELECT {_TOKEN} FROM token WHERE digest = ?", digest)
    return None if row is None else token_of(row)


def wants_touch(cursor: Cursor, token: Token) -> bool:
    """Tell whether it should be written down that a token was used."""
    return token.used is None or token.used < cursor.now - _MINUTE


def touch_token(cursor: Cursor, token_id: str) -> None:
    """Write down that a token was used."""
    cursor.run("UPDATE token SET used = ? WHERE id = ?", cursor.now, token_id)


def tokens(cursor: Cursor) -> list[Token]:
    """See `JobStore.tokens`."""
    return [token_of(row) for row in cursor.rows(f"SELECT {_TOKEN} FROM token ORDER BY created DESC, id")]


def revoke_token(cursor: Cursor, token_id: str) -> bool:
    """See `JobStore.revoke_token`."""
    return cursor.run("UPDATE token SET revoked = ? WHERE id = ? AND revoked IS NULL", cursor.now, token_id) > 0
