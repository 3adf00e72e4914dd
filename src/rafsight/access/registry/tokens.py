"""Bearer tokens: how they are asked for, and what an answer may hold.

This module alone knows the token protocol (distribution-spec: token authentication, and its OAuth2 form). The
conversation is a generator: it yields requests and is sent responses; no socket here.
"""

import base64
import re
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from rafsight.access.registry.answers import fault_of
from rafsight.access.registry.challenge import Challenge
from rafsight.access.registry.credentials import Credentials
from rafsight.access.registry.errors import RegistryDenied, RegistryMisbehaves
from rafsight.access.registry.messages import Request, Response, host_of
from rafsight.base.limits import Limits

CLIENT_ID: Final = "rafsight"
_TRY_GET: Final = frozenset((408, 429, 502, 503, 504))
"""Answers to a POST that say nothing about POST: the whole call is tried again instead."""
_DEFAULT_LIFETIME: Final = 60.0
"""[s] if the answer has no `expires_in` (distribution-spec)."""
_LONGEST_LIFETIME: Final = 24 * 3600.0
_SAFE: Final = re.compile(r"[!-~]+\Z")
_FORM: Final = ("Content-Type", "application/x-www-form-urlencoded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token."""

    value: str = field(repr=False)
    lifetime: float
    """[s] from when it was asked for."""


@dataclass(slots=True, kw_only=True)
class TokenServer:
    """What is known about the habits of a realm."""

    refuses_post: bool = False
    """A form was refused before; GET is asked at once."""


def token_flow(
    *,
    realm: str,
    challenge: Challenge,
    scope: str,
    credentials: Credentials | None,
    server: TokenServer,
    limits: Limits,
) -> Generator[Request, Response, Token]:
    """Ask a realm for a token: yield requests, be sent responses with their bodies.

    An identity token is exchanged by OAuth2. A password is offered with a form first, as nydusd does, then by GET;
    without credentials GET comes first, since then almost no registry takes a form.

    Args:
        realm: checked URL of the token server.
        credentials: None asks as a stranger.
        server: what was learnt about the realm before; kept up to date.
        limits: bounds the token.
        challenge: what the registry wrote.
        scope: `repository:NAME:pull`, or what the challenge says.
    Raises: RegistryDenied, RegistryMisbehaves, TryLater.
    """
    fields = [("service", challenge.service)] if challenge.service else []
    if credentials and credentials.identity_token:
        answer = yield _exchange(realm, fields, scope, credentials.identity_token)
    else:
        basic = basic_authorization(credentials) if credentials and credentials.username else None
        form = _form(realm, [*fields, ("scope", scope), ("client_id", CLIENT_ID)]).with_authorization(basic)
        get = _query(realm, fields, scope, account=credentials.username if credentials else "").with_authorization(
            basic
        )
        if basic is not None and not server.refuses_post:
            answer = yield form
            if answer.status != 200 and answer.status not in _TRY_GET:
                server.refuses_post = True
                answer = yield get
        else:
            answer = yield get
            if answer.status in (404, 405) and basic is None:
                answer = yield form
    if answer.status in (400, 401, 403):
        raise RegistryDenied(
            place=host_of(realm),
            what=f"a token for {scope}",
            reason=f"status {answer.status}",
            sent=f"the credentials sent were those from {credentials.source}"
            if credentials
            else "no credentials were sent",
            host=host_of(realm),
        )
    if answer.status != 200:
        raise fault_of(answer, answer.body)
    return read_token(answer, limits)


def basic_authorization(credentials: Credentials) -> str:
    """Write the value of an Authorization header for a user name and a password."""
    pair = f"{credentials.username}:{credentials.password}".encode()
    return "Basic " + base64.b64encode(pair).decode("ascii")


def widen_scope(scope: str, needed: tuple[str, ...]) -> str:
    """Return a scope that covers others, too: `repository:app:pull` and `repository:app:pull,push` are the latter."""
    actions: dict[str, dict[str, None]] = {}
    for one in (*scope.split(" "), *needed) if needed else ():
        name, _, listed = one.rpartition(":")
        if name:
            actions.setdefault(name, {}).update(dict.fromkeys(listed.split(",")))
    return " ".join(f"{name}:{','.join(listed)}" for name, listed in actions.items()) or scope


def read_token(answer: Response, limits: Limits) -> Token:
    """Read the token out of an answer.

    Raises: RegistryMisbehaves.
    """
    import msgspec

    from rafsight.access.registry import wire

    host = host_of(answer.url)
    try:
        content = msgspec.json.decode(answer.body, type=wire.Token)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise RegistryMisbehaves(host=host, why="its token is not the JSON that a token server answers") from None
    value = content.token or content.access_token or ""
    if not _SAFE.match(value) or len(value) > limits.token_size:
        raise RegistryMisbehaves(host=host, why="its answer holds no token that fits into a header")
    lifetime = _DEFAULT_LIFETIME if content.expires_in is None else content.expires_in
    if not lifetime > 0.0:  # zero, negative: usable once
        lifetime = 0.0
    return Token(value=value, lifetime=min(lifetime, _LONGEST_LIFETIME))


def _exchange(realm: str, fields: list[tuple[str, str]], scope: str, identity_token: str) -> Request:
    return _form(
        realm,
        [
            ("grant_type", "refresh_token"),
            ("refresh_token", identity_token),
            *fields,
            ("scope", scope),
            ("client_id", CLIENT_ID),
        ],
    )


def _form(realm: str, fields: list[tuple[str, str]]) -> Request:
    body = urlencode(fields).encode("ascii")
    return Request(method="POST", url=realm, headers=(_FORM,), body=body, wants_body=True)


def _query(realm: str, fields: list[tuple[str, str]], scope: str, *, account: str) -> Request:
    """Write the GET form: one `scope` each, and the account by name, as docker does."""
    pairs = [*fields, *(("scope", one) for one in scope.split(" ") if one), ("client_id", CLIENT_ID)]
    if account:
        pairs.append(("account", account))
    separator = "&" if "?" in realm else "?"
    return Request(method="GET", url=f"{realm}{separator}{urlencode(pairs)}", wants_body=True)
