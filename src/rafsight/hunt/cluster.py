"""A cluster of machines that do work for this one: Dask's.

Whoever can reach the scheduler of a cluster can run programs on its workers, and its workers can make programs run
here: `tls://` with certificates of one's own authority keeps strangers out. This module alone decides how a cluster is
named and reached.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from rafsight.base.errors import CallerError, ExitStatus, HostLimit

_CLOSE: Final = 5.0
"""[s]"""
_SCHEMES: Final = ("tcp", "tls")


class MalformedCluster(CallerError):
    """The address of a cluster, or what belongs to it, makes no sense."""

    code = "malformed-cluster"
    template = "the cluster '{address}': {why}"
    remedy = "Write the address of Dask's scheduler as tcp://HOST:PORT, or tls://HOST:PORT with certificates."
    exit_status = ExitStatus.USAGE


class NoDask(HostLimit):
    """The package that speaks to a cluster is missing."""

    code = "no-dask"
    template = "a cluster needs a package that is not installed: {why}"
    remedy = "Install it: `pip install 'rafsight[cluster]'`."


class ClusterUnreachable(HostLimit):
    """The scheduler of a cluster does not answer, or has no workers."""

    code = "cluster-unreachable"
    template = "the Dask cluster {address} cannot be used: {why}"
    remedy = "See that `dask scheduler` runs there, that workers have joined it, and that its certificates are right."
    exit_status = ExitStatus.UNAVAILABLE
    permanent = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A Dask cluster, by the address of its scheduler."""

    address: str
    """`tcp://HOST:PORT` or `tls://HOST:PORT`."""
    tls_ca: Path | None = None
    """PEM file with the authority of the cluster; None, with `tls://`: what Dask's own configuration says."""
    tls_certificate: Path | None = None
    """PEM file with our certificate, and its key if `tls_key` is None."""
    tls_key: Path | None = None
    timeout: float = 15.0
    """[s] after which a scheduler that does not answer is given up."""

    def check(self) -> None:
        """Make sure that it can be one; nothing is asked.

        Raises: MalformedCluster.
        """
        try:
            parts = urlsplit(self.address)
            is_one = parts.scheme in _SCHEMES and bool(parts.hostname) and bool(parts.port)
        except ValueError:
            is_one = False
        if not is_one or parts.path or parts.query or parts.username:
            raise MalformedCluster(address=self.address, why="it is no address of a scheduler")
        has_files = self.tls_ca or self.tls_certificate or self.tls_key
        if has_files and parts.scheme != "tls":
            raise MalformedCluster(address=self.address, why="certificates need tls://")
        if bool(self.tls_ca) != bool(self.tls_certificate) or (self.tls_key and not self.tls_certificate):
            raise MalformedCluster(address=self.address, why="authority and certificate need each other")

    @contextmanager
    def connect(self, name: str) -> Iterator[Any]:
        """Connect to the scheduler; the connection is closed at the end of the block.

        Args:
            name: what the scheduler calls us.
        Returns: A `distributed.Client`.
        Raises: MalformedCluster, NoDask, ClusterUnreachable.
        """
        client = self.open(name)
        try:
            yield client
        finally:
            client.close(timeout=_CLOSE)

    def open(self, name: str) -> Any:
        """Connect to the scheduler: as `connect`, for whoever closes the client."""
        self.check()
        dask = load_dask()
        try:
            security = self._security(dask)
            return dask.Client(self.address, timeout=self.timeout, set_as_default=False, name=name, security=security)
        except (OSError, ValueError, RuntimeError) as error:
            why = " ".join(str(error).split()) or type(error).__name__
            raise ClusterUnreachable(address=self.address, why=why) from error

    def _security(self, dask: Any) -> Any:
        """Read the certificates: those that we were given, else those that Dask's configuration names.

        Raises: OSError, ValueError: they cannot be read.
        """
        if not self.address.startswith("tls"):
            return None
        security = dask.Security()
        if self.tls_ca is not None:
            security = dask.Security(
                require_encryption=True,
                tls_ca_file=str(self.tls_ca),
                tls_client_cert=str(self.tls_certificate),
                tls_client_key=str(self.tls_key or self.tls_certificate),
            )
        if security.get_connection_args("client").get("ssl_context") is None:
            message = "no certificates are named, neither by options nor by Dask's configuration"
            raise ValueError(message)
        return security


def load_dask() -> Any:
    """Return the library, which says little about its types.

    Raises: NoDask.
    """
    try:
        return import_module("distributed")
    except ImportError as error:
        raise NoDask(why=str(error)) from error
