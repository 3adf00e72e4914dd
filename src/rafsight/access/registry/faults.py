"""The HTTP library's exceptions, and what each means here. Imported late, with the library."""

import socket
import ssl
from http.client import HTTPException
from typing import Final

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    IncompleteRead,
    InvalidChunkLength,
    NameResolutionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
)

from rafsight.access.registry.errors import (
    RegistryForbidden,
    RegistryMisbehaves,
    RegistryPlainHttp,
    RegistryUnknown,
    RegistryUnreachable,
    RegistryUntrusted,
)
from rafsight.access.registry.messages import host_of
from rafsight.access.registry.patience import HeadTooSlow
from rafsight.access.registry.peers import ForbiddenAddress
from rafsight.base.errors import RegistryFault

LIBRARY_FAULTS: Final = (HTTPError, HTTPException, OSError, UnicodeError)
"""All that urllib3 raises, what slips through it, and what IDNA says about a host's name."""

_PLAIN_HTTP: Final = frozenset(("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"))
_DEPTH: Final = 8
"""Exceptions in a chain that are looked at."""


def fault_from(error: BaseException, url: str) -> RegistryFault:
    """Make our error from the library's."""
    host = host_of(url)
    chain = _chain(error)
    for one in chain:
        if isinstance(one, ssl.SSLError) and not isinstance(one, ssl.SSLZeroReturnError | ssl.SSLEOFError):
            return _from_tls(one, host)
    if (own := _from_ourselves(chain, host)) is not None:
        return own
    if any(isinstance(one, ProxyError) for one in chain):
        return RegistryUnreachable(host=host, why=f"the proxy did not let us through ({_reason(chain)})")
    for one in chain:
        if isinstance(one, NameResolutionError | socket.gaierror):
            return _from_resolver(chain, host)
        if isinstance(one, UnicodeError):
            return RegistryUnknown(host=host)
        if type(one) is ConnectTimeoutError:  # NewConnectionError is one, too
            return RegistryUnreachable(host=host, why="the connection timed out")
        if isinstance(one, ReadTimeoutError | TimeoutError):
            return RegistryUnreachable(host=host, why="no bytes came within the time-out")
        if isinstance(one, IncompleteRead | InvalidChunkLength):
            return RegistryUnreachable(host=host, why="the connection broke in the middle of an answer")
    if any(type(one) is HTTPException or type(one).__name__ in _MALFORMED for one in chain):
        return RegistryMisbehaves(host=host, why="its answer is not HTTP, or its headers have no end")
    return RegistryUnreachable(host=host, why=_reason(chain))


_MALFORMED: Final = frozenset(
    ("BadStatusLine", "UnknownProtocol", "LineTooLong", "InvalidHeader", "HeaderParsingError")
)


def _from_ourselves(chain: list[BaseException], host: str) -> RegistryFault | None:
    """Say why we gave up, if it was our doing."""
    if any(isinstance(one, ForbiddenAddress) for one in chain):
        return RegistryForbidden(host=host)
    if any(isinstance(one, HeadTooSlow) for one in chain):
        return RegistryUnreachable(host=host, why="the head of its answer has no end within the time-out")
    return None


def _from_tls(error: ssl.SSLError, host: str) -> RegistryFault:
    if isinstance(error, ssl.SSLCertVerificationError):
        return RegistryUntrusted(host=host, why=f"its certificate is not trusted ({error.verify_message})")
    if error.reason in _PLAIN_HTTP:
        return RegistryPlainHttp(host=host)
    reason = (error.reason or "no reason given").lower().replace("_", " ")
    if "alert" in reason or "certificate" in reason:
        return RegistryUntrusted(host=host, why=f"it refuses our TLS ({reason})")
    return RegistryUnreachable(host=host, why=f"TLS failed ({reason})")


def _from_resolver(chain: list[BaseException], host: str) -> RegistryFault:
    numbers = [one.errno for one in chain if isinstance(one, socket.gaierror)]
    if socket.EAI_AGAIN in numbers:
        return RegistryUnreachable(host=host, why="the name server does not answer")
    return RegistryUnknown(host=host)


def _reason(chain: list[BaseException]) -> str:
    """Find the system's own words for it."""
    for one in reversed(chain):
        if isinstance(one, OSError) and one.strerror:
            return one.strerror.lower()
    if any(isinstance(one, ProtocolError) for one in chain):
        return "the connection broke"
    return type(chain[-1]).__name__


def _chain(error: BaseException) -> list[BaseException]:
    """List an error and what lies under it, in the three ways in which the library nests them."""
    chain = [error]
    while len(chain) < _DEPTH:
        last = chain[-1]
        inner = getattr(last, "original_error", None) or last.__cause__ or last.__context__
        if inner is None:
            inner = next((argument for argument in last.args if isinstance(argument, BaseException)), None)
        if not isinstance(inner, BaseException) or any(inner is one for one in chain):
            break
        chain.append(inner)
    return chain
