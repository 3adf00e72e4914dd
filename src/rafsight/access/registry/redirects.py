"""Where a registry may send us.

This module alone decides which URLs written by strangers are followed (redirects, token realms, next pages), and how
long a redirect is remembered. Authorization never goes to another origin: that is decided in flows.py, with
`same_origin` from here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from rafsight.access.registry.errors import UntrustedRedirect
from rafsight.access.registry.messages import host_of

MOST_REDIRECTS: Final = 5
_LONGEST_URL: Final = 16 * 1024
_LIFETIME: Final = 300.0
"""[s] a location is used; signatures in it commonly hold for 5 to 20 minutes, and a refused one costs two requests."""
_MOST_LOCATIONS: Final = 8192
_VISIBLE: Final = re.compile(r"[!-~]+\Z")
_HOST: Final = re.compile(r"(?=.{1,253}\Z)(?:[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?|(?=.*:)[0-9A-Fa-f:.]+)\Z")
_PORTS: Final = {"http": 80, "https": 443}


def check_target(source: str, target: str, *, plain_http: bool) -> str:
    """Return the absolute URL that a stranger's `target` means, seen from `source`, if it may be asked.

    Args:
        source: URL of who wrote it.
        target: absolute or relative.
        plain_http: HTTP is allowed even if `source` is HTTPS.
    Raises: UntrustedRedirect.
    """
    host = host_of(source)
    if len(target) > _LONGEST_URL:
        raise UntrustedRedirect(host=host, target="a URL", why=f"it is longer than {_LONGEST_URL} characters")
    if not _VISIBLE.match(target):
        raise UntrustedRedirect(host=host, target="a URL", why="it holds characters that no URL may have")
    try:
        parts = urlsplit(target)
        if not parts.scheme:  # urljoin would also take `https:///path` for a relative one
            parts = urlsplit(urljoin(source, target))
        _ = parts.port
    except ValueError:
        raise UntrustedRedirect(host=host, target="a URL", why="it is malformed") from None
    if parts.scheme not in _PORTS or not parts.hostname or not _HOST.match(parts.hostname):
        raise UntrustedRedirect(host=host, target=parts.hostname or "a URL", why="it names no HTTP host")
    if "@" in parts.netloc:
        raise UntrustedRedirect(host=host, target=parts.hostname, why="it holds a user name")
    if parts.scheme == "http" and not plain_http and not source.startswith("http:"):
        raise UntrustedRedirect(host=host, target=parts.hostname, why="that would leave HTTPS for plain HTTP")
    return parts._replace(fragment="").geturl()


def same_origin(one: str, other: str) -> bool:
    """Tell whether two URLs have the same scheme, host and port."""
    return _origin(urlsplit(one)) == _origin(urlsplit(other))


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


@dataclass(slots=True, kw_only=True)
class Locations:
    """Where blobs were found to lie, by digest. Thread-safe."""

    clock: Callable[[], float]
    _known: dict[str, tuple[str, float]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def find(self, digest: str) -> str | None:
        """Return the URL of a blob, if one is known and young enough."""
        with self._lock:
            url, until = self._known.get(digest, ("", 0.0))
            return url if url and self.clock() < until else None

    def learn(self, digest: str, url: str) -> None:
        """Remember a blob's URL for a while."""
        with self._lock:
            if len(self._known) >= _MOST_LOCATIONS:
                self._known.clear()
            self._known[digest] = (url, self.clock() + _LIFETIME)

    def forget(self, digest: str, url: str) -> None:
        """Forget a URL that did not serve; another that was learnt meanwhile stays."""
        with self._lock:
            if self._known.get(digest, ("", 0.0))[0] == url:
                del self._known[digest]
