"""Requests over HTTP: the only module that touches urllib3.

This module alone holds connections, counts what they cost, and keeps the library's exceptions from leaking: all of
them become RegistryUnreachable or one of its kinds (faults.py). Redirects, retries and decoding are switched off in the
library: flows.py, retry.py and the caller decide those.
"""

import os
import time
import warnings
from collections.abc import Generator, Mapping
from contextlib import closing, suppress
from threading import Lock
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from rafsight.access.counting import Meter
from rafsight.access.pace import Pace
from rafsight.access.registry.endpoint import Endpoint
from rafsight.access.registry.errors import RegistryGivenUp, RegistryMisbehaves, RegistryUnreachable
from rafsight.access.registry.messages import Request, Response, host_of
from rafsight.access.registry.proxies import Proxy
from rafsight.access.registry.redirects import same_origin
from rafsight.access.retry import parse_retry_after

if TYPE_CHECKING:
    import urllib3

_SLOWEST: Final = 1024
"""[bytes/s] a body has to bring on average, once the read time-out has passed: nobody may drip us to death."""
_PIECE: Final = 64 * 1024
_WORTH_DRAINING: Final = 16 * 1024
"""[bytes] of an unwanted body that are read so that the connection can be kept."""


def load_library() -> None:
    """Import urllib3 and what is imported with it; otherwise the first request does."""
    from rafsight.access.registry import faults

    del faults


class Reply:
    """An answer whose body is still on the way. To be closed, or used in a `with`."""

    def __init__(self, raw: "urllib3.BaseHTTPResponse", response: Response, meter: Meter, patience: float) -> None:
        """Wrap a response.

        Args:
            raw: the library's response.
            response: its head.
            meter: counts the body's bytes.
            patience: [s] before a slow body is cut.
        """
        self.head = response
        self._raw = raw
        self._meter = meter
        self._patience = patience
        self._began = time.monotonic()
        self._received = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()

    def read(self, size: int) -> bytes:
        """Return the next piece of the body, at most `size` bytes; empty at the end.

        Raises: RegistryUnreachable: it broke off. RegistryMisbehaves.
        """
        from rafsight.access.registry.faults import LIBRARY_FAULTS, fault_from

        try:
            piece = self._raw.read1(size, decode_content=False) or b""
        except LIBRARY_FAULTS as error:
            self.close()
            raise fault_from(error, self.head.url) from None
        if len(piece) > size:  # a negative chunk size does that to the library
            self.close()
            raise RegistryMisbehaves(host=host_of(self.head.url), why="the size of a chunk is no size")
        self._received += len(piece)
        self._meter.count(received=len(piece))
        elapsed = time.monotonic() - self._began
        if elapsed > self._patience and self._received < (elapsed - self._patience) * _SLOWEST:
            self.close()
            raise RegistryUnreachable(host=host_of(self.head.url), why=f"less than {_SLOWEST} bytes came in a second")
        return piece

    def read_up_to(self, limit: int) -> bytes:
        """Return the body, or what there is of it up to `limit` bytes.

        Raises: RegistryUnreachable.
        """
        pieces: list[bytes] = []
        left = limit
        while left > 0 and (piece := self.read(min(left, _PIECE))):
            pieces.append(piece)
            left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def discard(self) -> None:
        """Drop the rest of the body; the connection is kept if that is cheap."""
        if (self._raw.length_remaining or 0) <= _WORTH_DRAINING:  # zero for HEAD, None for chunked
            with suppress(RegistryUnreachable):
                self.read_up_to(_WORTH_DRAINING)
        self.close()

    def close(self) -> None:
        """Give the connection back if the body is at its end, close it otherwise. May be called again."""
        if not self._raw.closed:
            self._raw.close()
        self._raw.release_conn()


class Transport:
    """Connections to a registry and to the hosts it sends us to. Thread-safe, and safe after a fork."""

    def __init__(self, endpoint: Endpoint, meter: Meter, *, pace: Pace | None = None) -> None:
        """Open nothing yet.

        Args:
            endpoint: time-outs, certificates, proxies.
            meter: counts requests and bytes of all who bring no meter of their own.
            pace: how often a host may be asked; None: as often as anybody likes.
        """
        self._endpoint = endpoint
        self._meter = meter
        self._pace = pace
        self._home = endpoint.origin
        self._managers: dict[tuple[bool, str, Proxy | None], urllib3.PoolManager] = {}
        self._lock = Lock()
        self._process = os.getpid()

    def open(self, request: Request, meter: Meter | None = None) -> Reply:
        """Send a request and wait for the head of its answer.

        Args:
            request: what is asked.
            meter: counts it, and what comes; None: that of the connections.
        Raises: RegistryUnreachable, UnusableEndpoint; what the body's stream raises, which must be none of the
            library's exceptions or of the system's.
        """
        from rafsight.access.registry.faults import LIBRARY_FAULTS, fault_from

        meter = meter or self._meter
        manager = self._manager(request.url)
        headers = {"User-Agent": self._endpoint.user_agent, "Accept-Encoding": "identity", **dict(request.headers)}
        host = host_of(request.url)
        if self._pace is not None:
            if why := self._pace.why_given_up(host):
                raise RegistryGivenUp(host=host, why=why)
            self._pace.wait(host)
        meter.count(requests=1)
        timeout = {} if request.timeout is None else {"timeout": self._timeout(request.timeout)}
        with closing(_pieces(request, meter)) as body:
            try:
                raw = manager.urlopen(
                    request.method,
                    request.url,
                    headers=headers,
                    body=body if request.stream else request.body or None,
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    decode_content=False,
                    **timeout,
                )
            except LIBRARY_FAULTS as error:
                if self._pace is not None:
                    self._pace.answered(host, 0)
                raise fault_from(error, request.url) from None
        meter.count(sent=len(request.body))
        head = tuple((name.lower(), value) for name, value in raw.headers.items())
        response = Response(status=raw.status, url=request.url, headers=head)
        if self._pace is not None:
            wish = parse_retry_after(response.header("retry-after"), response.header("date"))
            self._pace.answered(host, raw.status, wish)
        return Reply(raw, response, meter, self._endpoint.read_timeout)

    def close(self) -> None:
        """Close all connections that are not in use."""
        with self._lock:
            for manager in self._managers.values():
                manager.clear()
            self._managers.clear()

    def _timeout(self, read: float) -> "urllib3.Timeout":
        import urllib3

        return urllib3.Timeout(connect=min(self._endpoint.connect_timeout, read), read=read)

    def _manager(self, url: str) -> "urllib3.PoolManager":
        parts = urlsplit(url)
        proxy = self._endpoint.proxies.find(parts.scheme, parts.hostname or "", parts.port)
        key = (same_origin(url, self._home), parts.scheme, proxy)
        with self._lock:
            if self._process != os.getpid():  # a child of fork must not share sockets with its parent
                self._managers.clear()
                self._process = os.getpid()
            manager = self._managers.get(key)
            if manager is None:
                manager = self._managers[key] = self._make_manager(at_home=key[0], scheme=parts.scheme, proxy=proxy)
            return manager

    def _make_manager(self, *, at_home: bool, scheme: str, proxy: Proxy | None) -> "urllib3.PoolManager":
        import urllib3

        from rafsight.access.registry.peers import pools

        endpoint = self._endpoint
        timeout = urllib3.Timeout(connect=endpoint.connect_timeout, read=endpoint.read_timeout)
        context = None
        if scheme == "https" or (proxy and proxy.url.startswith("https:")):
            from rafsight.access.registry.tls import make_context

            context = make_context(endpoint, at_home=at_home)
            if endpoint.insecure:  # was asked for; the library would warn at every connection
                warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
        manager: urllib3.PoolManager
        if proxy is None:
            manager = urllib3.PoolManager(maxsize=endpoint.connections, timeout=timeout, ssl_context=context)
        else:
            manager = urllib3.ProxyManager(
                proxy.url,
                maxsize=endpoint.connections,
                timeout=timeout,
                ssl_context=context,
                proxy_ssl_context=context,
                proxy_headers=_proxy_headers(proxy),
            )
        manager.pool_classes_by_scheme = pools(endpoint.permits if proxy is None else None)
        return manager


def _pieces(request: Request, meter: Meter) -> Generator[bytes, None, None]:
    """Give a streamed body, and count what went out of it."""
    if request.stream is not None:
        with closing(request.stream()) as pieces:
            for piece in pieces:
                yield piece
                meter.count(sent=len(piece))


def _proxy_headers(proxy: Proxy) -> Mapping[str, str]:
    from urllib3.util import make_headers

    return make_headers(proxy_basic_auth=proxy.user) if proxy.user else {}
