"""The registry behind, as its clients are let through to it.

This module alone decides which headers pass in which direction, and what an answer has to be before it is believed: a
document has the digest that it was asked by, a next page lies in the same registry.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from rafsight.access.backend import DigestMismatch, Document
from rafsight.access.registry.messages import Response
from rafsight.access.registry.relay import Question, Relay
from rafsight.access.registry.transport import Reply
from rafsight.base.digest import digest_of, hasher_for, is_digest
from rafsight.base.limits import Limits
from rafsight.formats.oci import media_types
from rafsight.verbs.present.answers import VERSION, Answer, Headers, Memory, Passing

ACCEPTED: Final = ", ".join(media_types.ACCEPTED)
_MANIFESTS: Final = ", ".join(media_types.MANIFESTS)
_PASSED_BACK: Final = (
    *("content-type", "content-length", "content-range", "accept-ranges", "etag", "last-modified", "cache-control"),
    *("docker-content-digest", "docker-distribution-api-version", "oci-filters-applied", "oci-subject"),
    *("www-authenticate", "retry-after", "ratelimit-limit", "ratelimit-remaining", "warning"),
)
"""Headers of the registry that clients get; `link` is written anew."""
_PASSED_ON: Final = ("accept", "range", "if-range", "if-none-match", "if-modified-since")
"""Headers of clients that the registry gets, beside Authorization."""
_LONGEST_HEADER: Final = 8192
_VALUE: Final = re.compile(r"[\t -~]*\Z")
_LINK: Final = re.compile(r'\s*<([^<>]{1,4096})>\s*;\s*rel="?next"?\s*\Z')


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks, and how."""

    method: str
    """GET or HEAD."""
    headers: Headers
    """Names in lower case."""
    query: str = ""

    @property
    def is_head(self) -> bool:
        """True if nothing but headers is wanted."""
        return self.method == "HEAD"

    @property
    def authorization(self) -> str | None:
        """What the client shows; None: nothing."""
        return self.header("authorization")

    def header(self, name: str) -> str | None:
        """Return the first header of a (lower-case) name."""
        return next((value for key, value in self.headers if key == name), None)


class Upstream:
    """The registry behind. Thread-safe."""

    def __init__(self, relay: Relay) -> None:
        """Take the way there."""
        self._relay = relay
        self._limits = Limits()

    def pass_on(self, client: Client, path: str, repository: str = "") -> Answer:
        """Ask what the client asks, and return what comes.

        Args:
            client: who asks.
            path: without the query.
            repository: which one it is about; empty: none.
        Raises: RegistryFault; what the relay raises.
        """
        headers = tuple((name, value) for name, value in client.headers if name in _PASSED_ON and _fits(value))
        query = f"?{client.query}" if client.query else ""
        question = Question(method=client.method, path=path + query, headers=headers, repository=repository)
        return _passed_back(self._relay.ask(question, client.authorization), is_head=client.is_head)

    def document(self, client: Client, repository: str, name: str) -> Document | Answer:
        """Fetch a manifest or an index; an answer if the registry does not give it.

        Raises: DigestMismatch: it is another one. RegistryFault; what the relay raises.
        Cost: one request.
        """
        path = f"/v2/{repository}/manifests/{name}"
        headers = (("Accept", _accepted(client.header("accept"))),)
        question = Question(method="GET", path=path, headers=headers, repository=repository)
        reply = self._relay.ask(question, client.authorization)
        if reply.head.status != 200:
            return _passed_back(reply, is_head=client.is_head)
        with reply:
            content = self._relay.read(reply, self._limits.index_size)
        digest = self._verified(content, name, reply.head)
        return Document(media_type=reply.head.header("content-type") or "", digest=digest, content=content)

    def admits(self, client: Client, repository: str, digest: str) -> bool | Answer:
        """Ask whether a client may have a manifest; an answer if the registry says something else than yes or no.

        Raises: RegistryFault; what the relay raises.
        Cost: one small request.
        """
        path = f"/v2/{repository}/manifests/{digest}"
        question = Question(method="HEAD", path=path, headers=(("Accept", ACCEPTED),), repository=repository)
        reply = self._relay.ask(question, client.authorization)
        status = reply.head.status
        if status == 405:  # no HEAD at all
            reply.discard()
            found = self.document(client, repository, digest)
            return found if isinstance(found, Answer) else True
        if status in (200, 404):
            reply.discard()
            return status == 200
        return _passed_back(reply, is_head=client.is_head)

    def _verified(self, content: bytes, name: str, head: Response) -> str:
        """Return the digest of a document.

        Raises: DigestMismatch.
        """
        digest = digest_of(content)
        for expected in (name, head.header("docker-content-digest") or ""):
            if is_digest(expected):
                hasher = hasher_for(expected)
                hasher.update(content)
                actual = f"{expected.partition(':')[0]}:{hasher.hexdigest()}"
                if actual != expected:
                    place = self._relay.host
                    raise DigestMismatch(what=f"manifest {name}", place=place, expected=expected, actual=actual)
        return name if is_digest(name) else digest


def _accepted(said: str | None) -> str:
    """Return what is accepted for a client: what it says, and what can be shown to it as something that it takes."""
    if not said or "*/*" in said or not _fits(said):
        return ACCEPTED
    return f"{said}, {_MANIFESTS}"


def _fits(value: str) -> bool:
    return len(value) <= _LONGEST_HEADER and _VALUE.match(value) is not None


def _passed_back(reply: Reply, *, is_head: bool) -> Answer:
    """Return what a registry answered as an answer of ours."""
    head = reply.head
    headers = [(name, value) for name, value in head.headers if name in _PASSED_BACK]
    headers += [("link", link) for link in (_local_link(value) for value in head.every("link")) if link]
    if not any(name == VERSION[0].lower() for name, _ in headers):
        headers.append(VERSION)
    if head.status >= 400:  # the body was read with the head
        reply.close()
        headers = [pair for pair in headers if pair[0] != "content-length"]
        headers.append(("content-length", str(len(head.body))))
        return Answer(status=head.status, headers=tuple(headers), body=Memory(content=b"" if is_head else head.body))
    if is_head:
        reply.discard()
        return Answer(status=head.status, headers=tuple(headers))
    return Answer(status=head.status, headers=tuple(headers), body=Passing(reply=reply))


def _local_link(value: str) -> str:
    """Write the way to a next page so that it leads through us; empty if it leads nowhere."""
    match = _LINK.match(value)
    if match is None:
        return ""
    try:
        parts = urlsplit(match[1])
    except ValueError:
        return ""
    if not parts.path.startswith("/v2/"):
        return ""
    query = f"?{parts.query}" if parts.query else ""
    return f'<{parts.path}{query}>; rel="next"'
