"""A registry asked in the name of others: their requests go on with their own Authorization, its answers come back.

This module alone decides whose secret goes where. What a client shows is for the registry and is sent to its own host
only, never to where a redirect leads; what this machine is logged in with is used where a client shows nothing, and
only if that was asked for.
"""

import binascii
import re
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final

from rafsight.access.backend import Backend
from rafsight.access.connect import find_registry
from rafsight.access.counting import Meter
from rafsight.access.options import Offline, Options
from rafsight.access.registry.client import RegistryBackend
from rafsight.access.registry.credentials import FindCredentials, fixed_credentials, no_credentials
from rafsight.access.registry.endpoint import Endpoint
from rafsight.access.registry.errors import RegistryMisbehaves, UntrustedRedirect
from rafsight.access.registry.flows import Conversation
from rafsight.access.registry.line import Line, open_line
from rafsight.access.registry.messages import Headers, Request, Response, host_of
from rafsight.access.registry.redirects import MOST_REDIRECTS, check_target, same_origin
from rafsight.access.registry.transport import Reply, Transport
from rafsight.access.retry import Retrier, RetryPolicy
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.limits import Limits
from rafsight.base.units import KiB
from rafsight.formats.oci.reference import RegistryReference, parse_reference

_ANY: Final = "catalog"
"""A repository that stands for the whole registry, where one is needed."""
_EVERY_STATUS: Final = tuple(range(201, 600))
"""All answers are the client's business."""
_ANY_HTTP: Final = tuple(status for status in _EVERY_STATUS if status != 400)
"""Answers by which a registry shows that it was spoken to as it wants; 400 is what HTTP to a TLS server gets."""
_AUTHORIZATION: Final = re.compile(r"(?P<scheme>[A-Za-z]{1,16}) +(?P<value>[!-~]+)\Z")
_LONGEST_AUTHORIZATION: Final = 32 * KiB
_MOST_LINES: Final = 64
"""Repositories whose tokens are remembered, of those that this machine's logins are used for."""
_CONNECTIONS: Final = 32
"""Connections to the registry that are kept open."""
_POLICY: Final = RetryPolicy(attempts=3, longest_delay=1.0, budget=5.0)
"""The client waits, and tries again by itself."""


class UnusableUpstream(CallerError):
    """What should be a registry is not written as one."""

    code = "unusable-upstream"
    template = "'{host}' cannot be the registry whose images are shown: {why}"
    remedy = "Name the host, and its port if need be: registry.example.com, 127.0.0.1:5000, docker.io."
    exit_status = ExitStatus.REFERENCE


class UnusableAuthorization(CallerError):
    """A client shows something that is neither a password nor a token."""

    code = "unusable-authorization"
    template = "the Authorization header cannot be used: {why}"
    remedy = "Send `Basic` with user and password, or `Bearer` with a token."
    exit_status = ExitStatus.DENIED


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a client asks a registry."""

    method: str
    path: str
    """With its query, from the slash on: `/v2/REPO/...`."""
    headers: Headers = ()
    repository: str = ""
    """Which one it is about; empty: none."""


class Relay:
    """The way to one registry. Thread-safe."""

    def __init__(self, host: str, options: Options, *, own_login: bool) -> None:
        """Ask nothing yet.

        Args:
            host: of the registry, with its port.
            options: how it is reached; who we are there, if `own_login`.
            own_login: use this machine's logins for clients that show nothing.
        Raises: UnusableUpstream, Offline.
        """
        self.host = _check_host(host)
        if options.offline:
            raise Offline(reference=host)
        self.meter = Meter()
        self._options = options
        self._own_login = own_login
        self._limits = Limits()
        self._retrier = Retrier(policy=_POLICY)
        endpoint, self._logins = find_registry(
            RegistryReference(host=self.host, repository=_ANY, tag=None, digest=None), options
        )
        self._endpoint = replace(endpoint, connections=_CONNECTIONS)
        self._transports: dict[str, Transport] = {}
        self._common = self._line(self._endpoint, no_credentials)
        self._own: OrderedDict[str, Line] = OrderedDict()
        self._settled = False
        self._lock = Lock()

    @property
    def origin(self) -> str:
        """`https://HOST[:PORT]`, as the registry is asked now."""
        return self._common.origin

    def settle(self) -> None:
        """Find out how the registry is spoken to, if that is not known yet.

        Raises: RegistryFault: it does not answer.
        Cost: one request, the first time.
        """
        if self._settled:
            return

        def ask() -> None:
            with self._common.begin(lambda talk: talk.ping(), "its API", *_ANY_HTTP) as reply:
                reply.discard()

        self._retrier.run(ask)
        self._settled = True

    def ask(self, question: Question, authorization: str | None) -> Reply:
        """Ask the registry, and return whatever it answers; the body of an error is in `head.body`.

        Args:
            question: what the client asks.
            authorization: what the client shows; None: nothing.
        Raises: RegistryFault: no answer, or one that leads nowhere; UnusableAuthorization; what our logins raise.
        Cost: one request; more if there are redirects, or if we have to log in.
        """
        self.settle()
        request = Request(method=question.method, url=self.origin + question.path, headers=question.headers)
        line, ask = self._way(request, question.repository, authorization)
        return self._retrier.run(lambda: line.begin(ask, question.path.partition("?")[0], *_EVERY_STATUS))

    def read(self, reply: Reply, limit: int) -> bytes:
        """Read a body that must not have more than `limit` [bytes].

        Raises: RegistryMisbehaves, RegistryUnreachable.
        """
        if reply.head.status >= 400:
            return reply.head.body
        content = b"" if (reply.head.size or 0) > limit else reply.read_up_to(limit + 1)
        if len(content) > limit or (reply.head.size or 0) > limit:
            raise RegistryMisbehaves(host=host_of(reply.head.url), why=f"it answers more than {limit} bytes")
        return content

    def backend(self, repository: str, authorization: str | None, meter: Meter) -> Backend:
        """Return a repository as a client may see it; who asks for it closes it.

        Args:
            repository: its name.
            authorization: what the client shows; None: nothing.
            meter: counts what is fetched.
        Raises: UnusableAuthorization.
        """
        credentials = self._logins if self._own_login else no_credentials
        if authorization is not None:
            credentials = credentials_of(authorization)
        endpoint = replace(self._at(repository), connections=self._options.connections)
        return RegistryBackend(endpoint, credentials=credentials, meter=meter)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            for transport in self._transports.values():
                transport.close()

    def _way(
        self, request: Request, repository: str, authorization: str | None
    ) -> "tuple[Line, Callable[..., Conversation]]":
        """Choose in whose name a request is made."""
        if authorization is None and self._own_login:
            return self._own_line(repository), lambda talk: talk.ask(request)
        if authorization is not None:
            check_authorization(authorization)
        plain = self._endpoint.plain_http is True
        return self._common, lambda talk: _passed_on(request, authorization, talk.origin, plain_http=plain)

    def _own_line(self, repository: str) -> Line:
        """Return the line to a repository by which we ask with our own logins: it remembers the token."""
        with self._lock:
            line = self._own.pop(repository, None)
            if line is None:
                line = self._line(self._at(repository or _ANY), self._logins)
            self._own[repository] = line
            if len(self._own) > _MOST_LINES:
                self._own.popitem(last=False)
            return line

    def _at(self, repository: str) -> Endpoint:
        """Return a repository of the registry, spoken to as was found out."""
        return replace(self._endpoint, repository=repository, plain_http=self.origin.startswith("http:"))

    def _line(self, endpoint: Endpoint, credentials: FindCredentials) -> Line:
        return open_line(
            endpoint,
            credentials=credentials,
            meter=self.meter,
            limits=self._limits,
            connect=self._transport,
            place=self.host if endpoint.repository == _ANY else "",
        )

    def _transport(self, endpoint: Endpoint) -> Transport:
        """Return the connections, which know no repository; all lines share them."""
        known = self._transports.get(endpoint.origin)
        if known is None:
            known = self._transports[endpoint.origin] = Transport(endpoint, self.meter)
        return known


def check_authorization(value: str) -> "re.Match[str]":
    """Return the parts of what a client shows, `scheme` and `value`.

    Raises: UnusableAuthorization.
    """
    if len(value) > _LONGEST_AUTHORIZATION:
        raise UnusableAuthorization(why=f"it is longer than {_LONGEST_AUTHORIZATION} characters")
    match = _AUTHORIZATION.match(value)
    if match is None or match["scheme"].lower() not in ("basic", "bearer"):
        raise UnusableAuthorization(why="it is neither Basic nor Bearer")
    return match


def credentials_of(authorization: str) -> FindCredentials:
    """Return what a client shows as credentials, for conversations that show them when they are asked to.

    Raises: UnusableAuthorization.
    """
    match = check_authorization(authorization)
    if match["scheme"].lower() == "bearer":
        return fixed_credentials("", match["value"], source="the client")
    try:
        user, colon, password = b64decode(match["value"], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise UnusableAuthorization(why="its Basic is not the base64 of USER:PASSWORD") from None
    if not user or not colon:
        raise UnusableAuthorization(why="its Basic has no user")
    return fixed_credentials(user, password, source="the client")


def _passed_on(request: Request, authorization: str | None, origin: str, *, plain_http: bool) -> Conversation:
    """Make a client's request as it is; follow redirects, to other hosts without what the client shows.

    Raises: UntrustedRedirect.
    """
    answer: Response = yield request.with_authorization(authorization)
    for _ in range(MOST_REDIRECTS):
        if not answer.redirects:
            return answer
        hop = request.at(check_target(answer.url, answer.header("location") or "", plain_http=plain_http))
        answer = yield hop.with_authorization(authorization if same_origin(hop.url, origin) else None)
    if answer.redirects:
        why = f"that is redirect {MOST_REDIRECTS + 1}"
        raise UntrustedRedirect(host=host_of(origin), target=host_of(answer.url), why=why)
    return answer


def _check_host(host: str) -> str:
    """Return the host of a registry as references have it.

    Raises: UnusableUpstream.
    """
    try:
        parsed = parse_reference(f"{host}/{_ANY}")
    except CallerError as error:
        raise UnusableUpstream(host=host, why=str(error)) from None
    if not isinstance(parsed, RegistryReference) or parsed.host != host or "/" in host:
        raise UnusableUpstream(host=host, why="it is not written as hosts are")
    return parsed.host
