"""Where a repository is, and how its registry is reached.

This module alone decides between HTTP and HTTPS, which host really answers for a name (Docker Hub), and which
certificates are used.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rafsight._version import __version__
from rafsight.access.options import Permits
from rafsight.access.registry.credentials import HUB, canonical_key
from rafsight.access.registry.errors import UnusableEndpoint
from rafsight.access.registry.proxies import Proxies, is_loopback

DOCKER_CERTIFICATES: Final = Path("/etc/docker/certs.d")
_HUB_HOST: Final = "registry-1.docker.io"
_HOST: Final = re.compile(
    r"(?=.{1,259}\Z)(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z"
)
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(rf"(?=.{{1,255}}\Z){_PART}(?:/{_PART})*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A repository, and how to reach its registry."""

    host: str
    """As in a reference: with its port; `docker.io` for Docker Hub."""
    repository: str
    plain_http: bool | None = None
    """True: HTTP; False: HTTPS; None: HTTP for loopback addresses unless something here is about TLS, else HTTPS."""
    insecure: bool = False
    """Do not verify certificates."""
    ca_files: tuple[Path, ...] = ()
    """PEM files, trusted beside the system's own."""
    default_ca_file: Path | None = None
    """PEM file of SSL_CERT_FILE, trusted likewise; unlike `ca_files` it says nothing about this registry."""
    certificate: Path | None = None
    """PEM file with a client certificate; shown to the registry, and to no other host."""
    key: Path | None = None
    """PEM file with its key; None: it is in the same file."""
    certificate_folders: tuple[Path, ...] = (DOCKER_CERTIFICATES,)
    """Folders with a folder per HOST[:PORT] with `*.crt` (authorities), `*.cert` and `*.key` (client), as docker's."""
    proxies: Proxies = field(default_factory=Proxies)
    permits: Permits | None = None
    """Tells which addresses may be connected to; None: any."""
    connect_timeout: float = 10.0
    """[s]"""
    read_timeout: float = 30.0
    """[s] without a byte."""
    connections: int = 8
    """Connections to one host that are kept open."""
    user_agent: str = f"rafsight/{__version__}"

    def __post_init__(self) -> None:
        if not _HOST.match(self.host):
            raise UnusableEndpoint(what=f"the host '{self.host}'", why="it is not written as hosts are")
        port = self.host.rpartition(":")[2] if not self.host.endswith("]") and ":" in self.host else "1"
        if not 0 < int(port) < 65536:
            raise UnusableEndpoint(what=f"the host '{self.host}'", why="there is no such port")
        if not _REPOSITORY.match(self.repository):
            raise UnusableEndpoint(what=f"the repository '{self.repository}'", why="it is not written as names are")

    @property
    def place(self) -> str:
        """What people call the repository."""
        return f"{self.host}/{self.repository}"

    @property
    def origin(self) -> str:
        """`https://HOST[:PORT]` of who really answers."""
        host = _HUB_HOST if canonical_key(self.host) == HUB else self.host
        return f"{'http' if self.speaks_http else 'https'}://{host}"

    @property
    def speaks_http(self) -> bool:
        """Tell whether the registry is asked in plain HTTP."""
        if self.plain_http is not None:
            return self.plain_http
        name = self.host.partition("]")[0] if self.host.startswith("[") else self.host.partition(":")[0]
        if not is_loopback(name):
            return False
        return not (self.insecure or self.ca_files or self.certificate or self.folder_files("*"))

    def folder_files(self, pattern: str) -> tuple[Path, ...]:
        """Return the files about this host in the certificate folders, in the order of their names."""
        if "/" in self.host:  # cannot be, by the check above; a path is made of it
            return ()
        return tuple(path for folder in self.certificate_folders for path in sorted((folder / self.host).glob(pattern)))
