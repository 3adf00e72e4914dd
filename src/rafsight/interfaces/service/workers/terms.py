"""What the workers and the chores may be told. Values only; the interfaces read settings and hand over these."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.interfaces.service.delivery.addresses import Reach

DAY: Final = 24 * 3600 * 1000
"""[ms]"""


class MalformedTerms(CallerError):
    """A number of the settings cannot be."""

    code = "malformed-terms"
    template = "the setting {name} cannot be {value}"
    remedy = "See docs/service.md for what it may be."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """Where the Nydus twin of an OCI image is looked for; see docs/service.md for whom that trusts."""

    index: bool = True
    """In the index that the tag of the order names."""
    referrer: bool = False
    """Among what refers to the image in its repository."""
    tag_suffix: str = ""
    """The tag of the order with this behind it, such as `-nydus`; empty: no such tag is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSettings:
    """How every image is scanned. Sent to worker processes: no secret is in it, except what `environment` has."""

    database: Path | None
    """The advisory database; None: packages are listed, and nothing is looked up."""
    cache_dir: Path | None = None
    """Shared by all workers of this machine."""
    config: Path | None = None
    """Rules and checks of one's own (`rafsight.yaml`); None: those of rafsight alone."""
    secret_budget: int | None = None
    """[bytes] that the search for secrets fetches at most; None: as `rafsight scan` has it."""
    platform: str = ""
    """For orders that name none; empty: that of this machine."""
    ca_files: tuple[Path, ...] = ()
    timeout: float = 30.0
    """[s] without an answer of a registry."""
    connections: int = 8
    """Requests of one scan at the same time."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Where the service's own logins and proxies are: DOCKER_CONFIG, HTTPS_PROXY, HOME, ..."""
    twins: Twins = field(default_factory=Twins)
    reach: Reach | None = None
    """Which addresses are connected to; None: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolTerms:
    """How many work, and how long they may."""

    workers: int = 2
    """Scans at the same time."""
    time_limit: float = 900.0
    """[s] that a scan may take; its process is killed then."""
    memory_limit: int | None = None
    """[bytes] of address space that a worker process may have (RLIMIT_AS); None: any."""
    nice: int = 10
    """How much worker processes step back for others; 0 to 19."""
    lease: int = 60_000
    """[ms] after which a job whose worker is not heard of goes to another one."""
    retry_in: int = 10_000
    """[ms] before the second attempt; twice that before the third, and so on, up to ten minutes."""
    dask: str = ""
    """Address of a Dask scheduler that gets the scans (`tcp://HOST:PORT`, `tls://HOST:PORT`); empty: processes here."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises: MalformedTerms.
        """
        for name, least, most in (
            ("workers", 0, 1024),
            ("time_limit", 0.1, 7 * 24 * 3600),
            ("memory_limit", 256 * 1024 * 1024, 1 << 62),
            ("nice", 0, 19),
            ("lease", 1000, 3600_000),
            ("retry_in", 0, 600_000),
        ):
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise MalformedTerms(name=name, value=value)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepTerms:
    """What is kept for how long."""

    older_than: int | None = 90 * DAY
    """[ms] Reports, news and ended deliveries older than that go, except the latest report of each tag."""
    size_limit: int | None = None
    """[bytes] that reports may take; the oldest go first."""
    keep_requests: int = 7 * DAY
    """[ms] Ended jobs, and the ids of those who asked, older than that go."""
    every: float = 3600.0
    """[s] between two prunings."""
