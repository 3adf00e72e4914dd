"""How images are reached: everything that a caller may say about registries, credentials and caches.

This module alone names the knobs. It reads no environment; the interfaces do, and hand over values.
"""

import platform as host
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus

Permits = Callable[[str, int, str], bool]
"""Tells of a host (without brackets), a port and an address whether it may be connected to."""

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7", "i686": "386"}


class Offline(CallerError):
    """A registry was named while the network must not be used."""

    code = "offline"
    template = "{reference} lies in a registry, and --offline forbids the network"
    remedy = "Leave --offline out, or name a copy on this machine: oci:DIR[:TAG] or boot:FILE."
    exit_status = ExitStatus.REFERENCE


def default_platform() -> str:
    """Return the platform of this machine's containers, for example `linux/amd64`."""
    machine = host.machine()
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to reach an image. The defaults suit a public registry and a machine with a docker login."""

    cache_dir: Path | None = None
    """Where bootstraps are kept by digest; None keeps nothing."""
    shared_cache: str = field(default="", repr=False)
    """`postgresql://HOST/DATABASE` where results of scans are kept for several machines; empty: in `cache_dir`."""
    platform: str = field(default_factory=default_platform)
    """`OS/ARCH[/VARIANT]` chosen from an index."""
    plain_http: bool | None = None
    """True: HTTP; None: HTTP for loopback addresses, HTTPS for all others."""
    plain_hosts: tuple[str, ...] = ()
    """`HOST[:PORT]` that speak HTTP where `plain_http` says nothing."""
    insecure: bool = False
    """Do not verify the registry's certificate."""
    ca_files: tuple[Path, ...] = ()
    """PEM files with more certificate authorities."""
    certificate: Path | None = None
    """PEM file with a client certificate, and its key if `key` is None."""
    key: Path | None = None
    username: str = ""
    """Used for the registry of the reference instead of what the machine's logins say."""
    password: str = ""
    blob_dir: Path | None = None
    """Folder with the blobs of a `boot:FILE` reference."""
    offline: bool = False
    """Refuse whatever would need the network."""
    timeout: float = 30.0
    """[s] without an answer before a request is given up and tried again."""
    connections: int = 8
    """Requests at the same time."""
    permits: Permits | None = field(default=None, repr=False)
    """Asked for each connection, to the registry and to wherever it sends us; None: all are fine. Proxies are not asked
    about: what they connect to is theirs to decide."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Where credentials, proxies and certificate folders are looked up: DOCKER_CONFIG, HTTPS_PROXY, HOME, ..."""
