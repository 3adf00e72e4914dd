"""Which proxy stands between us and a host.

This module alone knows HTTP_PROXY, HTTPS_PROXY and NO_PROXY, with the meanings that docker and the Go tools give them:
loopback is never asked through a proxy; lower case wins over upper case.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from rafsight.access.registry.errors import UnusableEndpoint

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A forward proxy."""

    url: str
    """`http://HOST:PORT`, without a user."""
    user: str = ""
    """`USER:PASSWORD`, or empty."""

    def __repr__(self) -> str:
        return f"Proxy(url={self.url!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """The proxies for both schemes, and who is asked directly."""

    http: Proxy | None = None
    https: Proxy | None = None
    direct: tuple[str, ...] = field(default=())
    """Entries of NO_PROXY in lower case: `*`, `HOST`, `.DOMAIN`, `*.DOMAIN`, `HOST:PORT`, an address, a CIDR block."""

    def find(self, scheme: str, host: str, port: int | None) -> Proxy | None:
        """Return the proxy for a host; None: ask it directly."""
        proxy = self.https if scheme == "https" else self.http
        if proxy is None or is_loopback(host):
            return None
        host, port = host.lower().rstrip("."), port or _DEFAULT_PORTS[scheme]
        return None if any(_matches(entry, host, port) for entry in self.direct) else proxy


def proxies_from_environment(environ: Mapping[str, str]) -> Proxies:
    """Read the proxy variables.

    Args:
        environ: HTTP_PROXY, HTTPS_PROXY, NO_PROXY, or the same in lower case.
    Raises: UnusableEndpoint.
    """

    def read(name: str) -> str:
        return (environ.get(name.lower()) or environ.get(name) or "").strip()

    # in a CGI program HTTP_PROXY is the client's header `Proxy:`
    http = "" if "REQUEST_METHOD" in environ and not environ.get("http_proxy") else read("HTTP_PROXY")
    return Proxies(
        http=_parse_proxy(http, "HTTP_PROXY"),
        https=_parse_proxy(read("HTTPS_PROXY"), "HTTPS_PROXY"),
        direct=tuple(entry.strip().lower() for entry in read("NO_PROXY").split(",") if entry.strip()),
    )


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its name alone: `localhost`, 127.0.0.0/8, ::1."""
    bare = host.strip("[]").lower().rstrip(".")
    if bare == "localhost":
        return True
    address = _address(bare)
    return address is not None and address.is_loopback


def _parse_proxy(text: str, name: str) -> Proxy | None:
    if not text:
        return None
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:
        raise UnusableEndpoint(what=name, why="it is not a URL") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise UnusableEndpoint(what=name, why="it does not name an http:// or https:// proxy")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
    return Proxy(url=f"{parts.scheme}://{host}:{port or _DEFAULT_PORTS[parts.scheme]}", user=user)


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return (_address(host) or _NOWHERE) in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isascii() and wanted.isdigit() and ("]" in name or ":" not in name):
        if int(wanted[:6]) != port:
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*")
    if _address(entry) is not None:
        return _address(entry) == _address(host)
    domain = entry.lstrip(".")
    return bool(domain) and (host.endswith(f".{domain}") or (host == domain and not entry.startswith(".")))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


_NOWHERE: Final = ipaddress.IPv4Address("0.0.0.0")  # noqa: S104 - stands for "not an address", binds nothing
