"""Tokens: who may ask the service for what.

A token is `rafsight_` and 32 random bytes; the store keeps its SHA-256 and nothing else, so that whoever reads the
store can use none of them. This module alone decides which scopes there are, and what shows a token.
"""

import base64
import binascii
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.interfaces.service.jobs.contract import JobStore
from rafsight.interfaces.service.jobs.model import Token

SCOPES: Final = {
    "read": "see scans, images, reports and the state of the service",
    "scan:write": "ask for scans, and take them back",
    "hunt": "ask many images one question",
    "harbor": "all that Harbor does: ask for scans, and fetch their reports",
    "metrics": "read the metrics",
    "admin": "all of that, and matching everything again",
}
"""What a token may be used for."""
API_KEY: Final = "x-scanneradapter-api-key"
"""The header in which Harbor sends an API key."""

_PREFIX: Final = "rafsight_"
_BYTES: Final = 32
_LENGTH: Final = 200
"""[characters] of what is looked at as a token at all."""
_REMEMBERED: Final = 5.0
"""[s] that a token is known without asking the store: how long a revoked one may still work."""
_MOST: Final = 1000


class UnknownScope(CallerError):
    """A token is wanted for something that there is not."""

    code = "unknown-scope"
    template = "there is no scope '{scope}'"
    remedy = "Scopes are read, scan:write, hunt, harbor, metrics and admin."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who asks."""

    name: str
    """Of the token, for logs; `anonymous` without any."""
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Tell whether something is allowed."""
        return scope in self.scopes or "admin" in self.scopes


def new_token() -> str:
    """Make a token."""
    return _PREFIX + secrets.token_urlsafe(_BYTES)


def token_digest(token: str) -> bytes:
    """Return what the store keeps of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def check_scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """Return scopes in their order, each once.

    Raises: UnknownScope.
    """
    for scope in scopes:
        if scope not in SCOPES:
            raise UnknownScope(scope=scope)
    return tuple(scope for scope in SCOPES if scope in scopes)


def is_live(token: Token, now: float) -> bool:
    """Tell whether a token may be used.

    Args:
        token: of the store.
        now: [s since 1970]
    """
    return token.revoked is None and (token.expires is None or token.expires > now * 1000)


def shown_token(headers: Mapping[str, str]) -> str:
    """Find the token that a request shows: as bearer, as the password of Basic, or as Harbor's API key; else empty.

    Args:
        headers: by their names in lower case.
    """
    if key := headers.get(API_KEY, ""):
        return key[:_LENGTH].strip()
    kind, _, value = headers.get("authorization", "").partition(" ")
    value = value.strip()
    if kind.lower() == "bearer":
        return value[:_LENGTH]
    if kind.lower() == "basic" and len(value) <= 2 * _LENGTH:
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2][:_LENGTH]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


class Tokens:
    """The tokens of a store, with a short memory. Blocks as the store does; safe to use from several threads."""

    def __init__(self, store: JobStore, *, clock: Callable[[], float] = time.time) -> None:
        """Know none yet.

        Args:
            store: that keeps them.
            clock: [s since 1970].
        """
        self._store = store
        self._clock = clock
        self._known: dict[bytes, tuple[float, Token]] = {}
        self._any: tuple[float, bool] = (0.0, False)

    def remembered(self, token: str) -> Token | None:
        """Return a live token that was looked up a moment ago, without asking the store."""
        found = self._known.get(token_digest(token))
        if found is None or self._clock() - found[0] > _REMEMBERED:
            return None
        return found[1] if is_live(found[1], self._clock()) else None

    def find(self, token: str) -> Token | None:
        """Look a token up; None if nobody made it, or it is over."""
        digest = token_digest(token)
        found = self._store.find_token(digest)
        if found is None or not is_live(found, self._clock()):
            self._known.pop(digest, None)
            return None
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[digest] = (self._clock(), found)
        return found

    def are_any(self) -> bool:
        """Tell whether tokens were ever made, as of the last seconds: whoever revokes the last one opens no door."""
        asked, answer = self._any
        if self._clock() - asked > _REMEMBERED:
            answer = bool(self._store.tokens())
            self._any = (self._clock(), answer)
        return answer

    def are_live(self) -> bool:
        """Tell whether there is a token that may be used."""
        return any(is_live(token, self._clock()) for token in self._store.tokens())

    @property
    def any_remembered(self) -> bool | None:
        """What `are_any` would say without asking the store; None: it has to be asked."""
        asked, answer = self._any
        return None if self._clock() - asked > _REMEMBERED else answer
