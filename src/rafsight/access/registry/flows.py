"""The conversations with a registry, as generators: they yield requests, are sent responses, and return the last one.

This module alone decides who is told a secret, in which order things are tried, and when to stop. It knows no socket:
the client drives it over HTTP, the tests with lists.

    ask      anonymous -> 401 -> Basic, or a token -> again; a token that went stale is renewed once; redirects followed
    fetch    as `ask`, but a blob that was found elsewhere before is asked for there, without Authorization
    borrow   as `ask`, with a token that also opens another repository of the registry, if there is such a token
    ping     GET /v2/, only for its challenge
"""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from rafsight.access.registry.challenge import Challenge, parse_challenges
from rafsight.access.registry.credentials import Credentials
from rafsight.access.registry.errors import RegistryDenied, RegistryUnreachable, UntrustedRedirect
from rafsight.access.registry.messages import Request, Response, host_of
from rafsight.access.registry.redirects import MOST_REDIRECTS, Locations, check_target, same_origin
from rafsight.access.registry.tokens import TokenServer, basic_authorization, token_flow, widen_scope
from rafsight.access.retry import TryLater
from rafsight.base.limits import Limits

Conversation = Generator[Request, Response, Response]

_STALE_LOCATION: Final = frozenset((400, 401, 403, 404, 410))
"""How storages answer to a URL whose signature has expired, or whose object has moved."""
_HIDDEN: Final = frozenset((403, 404))
"""How some registries answer to strangers instead of 401."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What the registry was shown last, and accepted or not."""

    header: str = field(repr=False)
    until: float
    """[s] on the clock; infinite for what does not expire."""
    realm: str = ""
    """Where a token came from, so that it can be renewed before it is refused."""
    challenge: Challenge | None = None


@dataclass(slots=True, kw_only=True)
class Conversations:
    """What one repository's conversations share: the grant, and where blobs lie. Thread-safe."""

    origin: str
    """`https://HOST:PORT` of the registry."""
    repository: str
    credentials: Callable[[], Credentials | None]
    """Asked at most once, when the registry first wants to know who we are."""
    pushes: bool = False
    """Tokens shall allow to push, also where the registry only asks for one to pull: it spares a second one."""
    plain_http: bool = False
    """Plain HTTP may be followed even from HTTPS."""
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], float] = time.monotonic
    locations: Locations = field(init=False)
    _grant: Grant | None = None
    _known: Credentials | None = None
    _looked_up: bool = False
    _shown: bool = False
    _pinged: bool = False
    _borrowed: tuple[str, ...] = ()
    """Scopes of other repositories that tokens shall open, too."""
    _unborrowable: tuple[str, ...] = ()
    """Those for which there is no token."""
    _server: TokenServer = field(default_factory=TokenServer)
    _lock: Lock = field(default_factory=Lock)
    """Held while a grant is made, so that threads which are refused together ask for one token."""

    def __post_init__(self) -> None:
        self.locations = Locations(clock=self.clock)

    @property
    def sent(self) -> str:
        """Say which credentials the registry has been shown, never what they are."""
        if self._known is None or not self._shown:
            return "no credentials were sent"
        return f"the credentials sent were those from {self._known.source}"

    def ping(self) -> Conversation:
        """Ask whether there is a registry, and what it wants to see."""
        return (yield Request(method="GET", url=f"{self.origin}/v2/"))

    def ask(self, request: Request) -> Conversation:
        """Make a request to the registry, or to where it sends us: authorized as it wants, redirects followed.

        Raises: RegistryDenied, UntrustedRedirect, RegistryMisbehaves, TryLater.
        """
        answer = yield from self._at(request)
        for _ in range(MOST_REDIRECTS):
            if not answer.redirects:
                return answer
            location = answer.header("location") or ""
            target = check_target(answer.url or request.url, location, plain_http=self.plain_http)
            answer = yield from self._at(request.at(target))
        if answer.redirects:
            host = host_of(self.origin)
            raise UntrustedRedirect(host=host, target=host_of(answer.url), why=f"that is redirect {MOST_REDIRECTS + 1}")
        return answer

    def fetch(self, request: Request, digest: str) -> Conversation:
        """Make a GET for a blob, directly to where it was found before if that is known.

        Raises: As `ask`.
        """
        known = self.locations.find(digest)
        if known is not None:
            hop = request.at(known)
            try:
                answer = yield hop
            except (RegistryUnreachable, TryLater):
                self.locations.forget(digest, known)  # another attempt starts at the registry again
                raise
            if answer.status not in _STALE_LOCATION and not answer.redirects:
                return answer
            self.locations.forget(digest, known)
        answer = yield from self.ask(request)
        if answer.status in (200, 206, 416) and not same_origin(answer.url, self.origin):
            self.locations.learn(digest, answer.url)
        return answer

    def borrow(self, request: Request, repository: str) -> Conversation:
        """Make a request that takes something from another repository of the registry.

        Raises: As `ask`.
        """
        yield from self._open_to(f"repository:{repository}:pull")
        return (yield from self.ask(request))

    def _open_to(self, scope: str) -> Generator[Request, Response, None]:
        """Get a token that covers another scope, too; without it, registries only ignore what was to be taken there."""
        with self._lock:
            grant = self._grant
            if grant is None or grant.challenge is None or scope in (*self._borrowed, *self._unborrowable):
                return
            kept = self._borrowed
            self._borrowed = (*kept, scope)
            try:
                self._grant = yield from self._token(grant.realm, grant.challenge)
            except BaseException as error:
                self._borrowed = kept
                if not isinstance(error, RegistryDenied):
                    raise
                self._unborrowable = (*self._unborrowable, scope)

    def _at(self, request: Request) -> Conversation:
        """Make one request. Another origin gets no Authorization, nor does it get to ask for any."""
        return (yield from (self._authorized(request) if same_origin(request.url, self.origin) else _only(request)))

    def _authorized(self, request: Request) -> Conversation:
        used = yield from self._current()
        answer = yield request.with_authorization(used)
        renewed: str | None = None
        if answer.status == 401:
            renewed = yield from self._renew(used, answer, request)
        elif answer.status in _HIDDEN and used is None and self._worth_a_ping():
            challenge = yield from self.ping()
            if challenge.status == 401:
                renewed = yield from self._renew(None, challenge, request)
        if renewed is None:
            return answer
        return (yield request.with_authorization(renewed))

    def _worth_a_ping(self) -> bool:
        """Tell whether showing credentials might change a 403 or 404 that came without a challenge."""
        if self._pinged:
            return False
        self._pinged = True
        return self._credentials() is not None

    def _current(self) -> Generator[Request, Response, str | None]:
        """Return the Authorization to use; a token that has run out is renewed before it is refused."""
        grant = self._grant
        if grant is None:
            return None
        if self.clock() < grant.until or grant.challenge is None:
            return grant.header
        with self._lock:
            current = self._grant
            if current is grant:
                current = self._grant = yield from self._token(grant.realm, grant.challenge)
            return current.header if current else None

    def _renew(self, used: str | None, answer: Response, request: Request) -> Generator[Request, Response, str | None]:
        """Make a new grant after a 401; None if there is nothing new to show, empty if nothing shall be shown."""
        with self._lock:
            if self._grant is not None and self._grant.header != used:
                return self._grant.header  # another thread was faster
            challenges = parse_challenges(answer.every("www-authenticate"))
            if (
                used is not None
                and used.startswith("Bearer ")
                and not any(challenge.scheme == "bearer" for challenge in challenges)
            ):
                # Harbor answers `Basic` to a stale token: ask as a stranger for what it really wants
                self._grant = None
                anonymous = yield request
                if anonymous.status != 401:
                    return ""  # strangers may come in now
                challenges = parse_challenges(anonymous.every("www-authenticate"))
            grant = yield from self._answer(challenges)
            self._grant = grant
            return None if grant is None or grant.header == used else grant.header

    def _answer(self, challenges: tuple[Challenge, ...]) -> Generator[Request, Response, Grant | None]:
        """Choose among what a registry offers: a token if it can be had, else user and password."""
        credentials = self._credentials()
        if credentials and credentials.registry_token:
            self._shown = True
            return Grant(header=f"Bearer {credentials.registry_token}", until=float("inf"))
        for challenge in challenges:
            if challenge.scheme == "bearer" and challenge.realm:
                realm = check_target(self.origin, challenge.realm, plain_http=self.plain_http)
                return (yield from self._token(realm, challenge))
        if credentials and credentials.username and any(challenge.scheme == "basic" for challenge in challenges):
            self._shown = True
            return Grant(header=basic_authorization(credentials), until=float("inf"))
        return None

    def _token(self, realm: str, challenge: Challenge) -> Generator[Request, Response, Grant]:
        credentials = self._credentials()
        self._shown = credentials is not None
        asked_at = self.clock()
        token = yield from token_flow(
            realm=realm,
            challenge=challenge,
            scope=widen_scope(challenge.scope or f"repository:{self.repository}:pull", self._needed()),
            credentials=credentials,
            server=self._server,
            limits=self.limits,
        )
        margin = min(10.0, token.lifetime / 10)  # so that it does not run out on the way
        return Grant(
            header=f"Bearer {token.value}", until=asked_at + token.lifetime - margin, realm=realm, challenge=challenge
        )

    def _needed(self) -> tuple[str, ...]:
        """Return what tokens have to cover whatever the registry asks for."""
        return (f"repository:{self.repository}:pull,push", *self._borrowed) if self.pushes else ()

    def _credentials(self) -> Credentials | None:
        if not self._looked_up:
            self._known = self.credentials()
            self._looked_up = True
        return self._known


def _only(request: Request) -> Conversation:
    return (yield request)
