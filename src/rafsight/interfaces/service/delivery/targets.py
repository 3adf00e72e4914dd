"""Which addresses the service calls of its own accord.

A URL is taken apart here, its host is compared with a list, its name is resolved once, and every address is looked at.
Who calls gets those addresses, and calls no other: no second resolution, no redirect. This module alone decides that.
"""

import re
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

from rafsight.interfaces.service.delivery.addresses import PRIVATE, Network, is_permitted, parse_address
from rafsight.interfaces.service.delivery.faults import MalformedTarget, TargetForbidden, TargetUnreachable

Resolve = Callable[[str, int], Sequence[str]]
"""From a host and a port to addresses, as text. Raises OSError and UnicodeError."""

_LONGEST: Final = 2048
"""[characters] of a URL."""
_VISIBLE: Final = re.compile(r"[!-~]+\Z")
_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_-]{1,63})*\Z")
_PORTS: Final = {"http": 80, "https": 443}
_MOST_ADDRESSES: Final = 32
"""Of one name; a name with more is not called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL, taken apart."""

    scheme: str
    host: str
    """In lower case, without brackets."""
    port: int
    path: str
    """With the query; may hold a secret."""

    @property
    def origin(self) -> str:
        """`https://HOST[:PORT]`: what people are told."""
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.authority}{port}"

    @property
    def authority(self) -> str:
        """The host as URLs have it."""
        return f"[{self.host}]" if ":" in self.host else self.host


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRules:
    """What may be called."""

    hosts: tuple[str, ...] = ()
    """Names or addresses, in lower case; `*.example.com` means all names that end so, `*` all; none: nothing."""
    networks: tuple[Network, ...] = ()
    """Addresses that may be called although they are not of the public internet."""
    plain_http: bool = False
    """Also without TLS."""

    def check(self, target: Target) -> None:
        """See that a URL may be called, as far as it tells itself.

        Raises: TargetForbidden.
        """
        if target.scheme == "http" and not self.plain_http:
            raise TargetForbidden(target=target.origin, why="it is not HTTPS")
        if not any(_is_named(target.host, name) for name in self.hosts):
            raise TargetForbidden(target=target.origin, why="its host is not on the list")

    def addresses(self, target: Target, *, resolve: Resolve, patience: float) -> tuple[str, ...]:
        """Resolve a target's name, once, and see that all its addresses may be called.

        Args:
            target: that was checked.
            resolve: looks a name up.
            patience: [s] that this may take.
        Raises: TargetUnreachable, TargetForbidden: one of them may not be; a name that has both a harmless and a
            forbidden address is not trusted at all.
        """
        found = tuple(dict.fromkeys(_resolved(target, resolve, patience)))
        if not found:
            raise TargetUnreachable(target=target.origin, why="its name has no address")
        if len(found) > _MOST_ADDRESSES:
            raise TargetForbidden(target=target.origin, why=f"its name has more than {_MOST_ADDRESSES} addresses")
        for text in found:
            address = parse_address(text)
            if address is None or not is_permitted(address, self.networks):
                raise TargetForbidden(target=target.origin, why="its name leads to an address that may not be called")
        return found


def parse_target(url: str) -> Target:
    """Take a URL apart.

    Raises: MalformedTarget.
    """
    if len(url) > _LONGEST or not _VISIBLE.match(url):
        raise MalformedTarget(target="a URL", why=f"it has other than ASCII characters, or more than {_LONGEST}")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower().rstrip("."), parts.port
    except ValueError:
        raise MalformedTarget(target="a URL", why="it is not written as URLs are") from None
    if parts.scheme not in _PORTS:
        raise MalformedTarget(target="a URL", why="it begins neither with https:// nor with http://")
    if not _NAME.match(host) and (parse_address(host) is None or ":" not in host):
        raise MalformedTarget(target="a URL", why="it names no host")
    if "@" in parts.netloc:
        raise MalformedTarget(target=host, why="the URL holds a user name")
    if port == 0 or "\\" in parts.netloc:
        raise MalformedTarget(target=host, why="there is no such port")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme=parts.scheme, host=host, port=port or _PORTS[parts.scheme], path=path)


def rules_for(target: Target, *, is_private: bool = False, networks: Sequence[str] = ()) -> TargetRules:
    """Return the rules for a target that whoever runs the service has named: its host, and no other.

    Args:
        target: of the settings; without TLS if that is how it was named.
        is_private: it may lie on this machine, or in a network of one's own.
        networks: more addresses that may be called, such as `10.1.0.0/16`.
    Raises: MalformedTarget: a network is none.
    """
    return TargetRules(
        hosts=(target.host,),
        networks=(*(PRIVATE if is_private else ()), *map(_network, networks)),
        plain_http=target.scheme == "http",
    )


def ask_system(host: str, port: int) -> list[str]:
    """Look a name up as the system does."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(entry[4][0]) for entry in found]


def _resolved(target: Target, resolve: Resolve, patience: float) -> Sequence[str]:
    """Look a name up, in a thread, since the system's resolver cannot be told how long it may take."""
    answers: list[Sequence[str]] = []
    faults: list[Exception] = []

    def look() -> None:
        try:
            answers.append(resolve(target.host, target.port))
        except (OSError, UnicodeError) as fault:  # UnicodeError: a label of a length that no name has
            faults.append(fault)

    thread = threading.Thread(target=look, name="rafsight-resolve", daemon=True)
    thread.start()
    thread.join(max(patience, 0))
    if answers:
        return answers[0]
    why = "its name has no address" if faults else "the name server does not answer in time"
    raise TargetUnreachable(target=target.origin, why=why)


def _is_named(host: str, name: str) -> bool:
    if name == "*":
        return True
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise MalformedTarget(target=text, why="it is no network") from None
