"""Which addresses are connected to, where somebody decides that.

A name can lead to another address from one look to the next, and a registry sends us to hosts of its choice. So it is
each connection that is looked at: the addresses of its name before it is made, and its peer before a byte goes out.
This module alone does that. Imported late, with the HTTP library.
"""

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from rafsight.access.registry.patience import POOLS, PlainConnection, SecureConnection

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection

    from rafsight.access.options import Permits


class ForbiddenAddress(OSError):
    """A host has an address that is not connected to."""


def pools(permits: "Permits | None") -> dict[str, type[HTTPConnectionPool]]:
    """Return the library's pools for each scheme.

    Args:
        permits: asked for each connection; None: all are fine.
    """
    return dict(POOLS) if permits is None else _checking(permits)


def _checking(permits: "Permits") -> dict[str, type[HTTPConnectionPool]]:
    class Plain(PlainConnection):
        def _new_conn(self) -> socket.socket:
            return _connected(self, super()._new_conn, permits)

    class Secure(SecureConnection):
        def _new_conn(self) -> socket.socket:
            return _connected(self, super()._new_conn, permits)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _connected(connection: "HTTPConnection", connect: Callable[[], socket.socket], permits: "Permits") -> socket.socket:
    """Connect, if that is permitted.

    Raises: ForbiddenAddress; what the library raises.
    """
    host, port = connection.host.strip("[]"), connection.port
    for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        _check(permits, host, port, str(place[0]))
    made = connect()
    try:
        _check(permits, host, port, str(made.getpeername()[0]))
    except BaseException:
        made.close()
        raise
    return made


def _check(permits: "Permits", host: str, port: int, address: str) -> None:
    if not permits(host, port, address):
        raise ForbiddenAddress(host)
