"""How the service runs: all that `serve.yaml` and the options of `rafsight serve` say, as values.

This module alone says what can be set, and what holds where nothing is said. `settings_file.py` reads it from text.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rafsight.base.units import KiB, MiB
from rafsight.interfaces.service.jobs.model import DeliveryKind
from rafsight.interfaces.service.web.rules import Rule
from rafsight.interfaces.service.workers.terms import KeepTerms, PoolTerms, ScanSettings

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """Which registries are talked to, and how."""

    allow: tuple[str, ...] = ()
    """`HOST[:PORT]` or patterns; none: no registry at all."""
    networks: tuple[str, ...] = ()
    """Networks whose addresses are fine even for names that only a pattern allows, and even if link-local."""
    plain_http: tuple[str, ...] = ()
    """`HOST[:PORT]` that speak HTTP; loopback addresses do without being named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSettings:
    """What registries tell us of pushes."""

    registry_secret: str = field(default="", repr=False)
    """What notifications of a Docker registry have in `Authorization`; empty: nobody may send any."""
    harbor_secret: str = field(default="", repr=False)
    """Likewise for Harbor's webhooks."""
    registry: str = ""
    """`HOST[:PORT]` under which pushed images are read, whatever the event calls it; empty: as it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HarborSettings:
    """How the service answers Harbor."""

    sbom: bool = True
    """Offer SBOMs. Harbor before 2.11 does not take a scanner that does."""
    bearer: bool = False
    """Ask Harbor for tokens of its registry, not for the name and the password of its robot."""
    scanners: tuple[str, ...] = ("vuln",)
    """What is looked for; Harbor shows vulnerabilities alone."""
    fail_incomplete: bool = False
    """Answer with an error where something was not looked at, so that Harbor shows no report at all."""
    fresh_for: int = 60_000
    """[ms] A report no older than that is taken instead of a scan: Harbor asks once for vulnerabilities, once for an
    SBOM, and for the same image under each of its tags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Somebody who is told about results."""

    name: str
    kind: DeliveryKind
    url: str = ""
    """Of a webhook."""
    secret: str = field(default="", repr=False)
    """With which a webhook is signed."""
    format: str = ""
    """Of a report that is attached to its image: `sarif`, `cyclonedx`, ...; of a webhook: what is sent along."""
    tells_failures: bool = False
    is_private: bool = False
    """The webhook may lie in a private network or on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentSettings:
    """The registry that shows Nydus images as plain ones, if it is part of the service."""

    upstream: str
    """HOST[:PORT]"""
    plain_http: bool | None = None
    engine: str = "all"
    """For whom content is shown: `trivy`, `syft`, `grype`, `all`."""
    full: bool = False
    """Show all content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebLimits:
    """How much of anything is taken."""

    queue: int = 10_000
    """Jobs that wait."""
    body: int = 1 * MiB
    """[bytes] of a request."""
    headers: int = 32 * KiB
    """[bytes] of all headers together, the address included."""
    address: int = 8 * KiB
    """[bytes] of path and query."""
    header_time: float = 10.0
    """[s] until the headers of a request are there."""
    body_time: float = 20.0
    """[s] until its body is there."""
    answer_time: float = 60.0
    """[s] that a client may take to read a part of an answer."""
    connections: int = 1000
    """Connections at the same time."""
    rate: float = 500.0
    """[requests/s] of one client, on average; 0: any."""
    burst: int = 2000
    """Requests of one client at once."""
    hunts: int = 2
    """Hunts at the same time."""
    hunt_time: float = 900.0
    """[s] that a hunt may take."""
    shutdown: float = 20.0
    """[s] that answers under way, and then scans, may take when the service ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """All of it."""

    host: str = "127.0.0.1"
    port: int = 8080
    base_url: str = ""
    """`https://HOST[/PATH]` as others reach the service; empty: as they ask."""
    certificate: Path | None = None
    """PEM, for HTTPS; None: HTTP."""
    key: Path | None = None
    """PEM; None: it stands in `certificate`, too."""
    store: str = field(repr=False)
    """A file, or the URL of a database; it may hold a password."""
    scan: ScanSettings
    pool: PoolTerms = field(default_factory=PoolTerms)
    keep: KeepTerms = field(default_factory=KeepTerms)
    registries: RegistrySettings = field(default_factory=RegistrySettings)
    rules: tuple[Rule, ...] = ()
    targets: tuple[Target, ...] = ()
    news: tuple[str, ...] = ()
    """Names of targets that are told what a newer database says about images known before."""
    events: EventSettings = field(default_factory=EventSettings)
    harbor: HarborSettings = field(default_factory=HarborSettings)
    limits: WebLimits = field(default_factory=WebLimits)
    present: PresentSettings | None = None

    @property
    def database(self) -> Path | None:
        """The advisory database."""
        return self.scan.database

    @property
    def is_local(self) -> bool:
        """Tell whether only this machine can reach the service."""
        return self.host in LOOPBACK

    def target(self, name: str) -> Target | None:
        """Return a target by its name."""
        return next((target for target in self.targets if target.name == name), None)
