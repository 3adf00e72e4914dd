"""What a scan may be asked for. Values only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.access.settings_file import SettingsFile
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.units import MiB

VULNERABILITIES: Final = "vuln"
SECRETS: Final = "secret"
MISCONFIGURATION: Final = "misconfig"
SCANNERS: Final = (VULNERABILITIES, SECRETS, MISCONFIGURATION)
SECRET_BUDGET: Final = 64 * MiB
"""[bytes] that the search for secrets fetches at most, if nobody says otherwise."""


class NoSuchScanner(CallerError):
    """Something was to be looked for that nobody here knows."""

    code = "no-such-scanner"
    template = "there is no scanner '{name}'"
    remedy = "The scanners are vuln, secret and misconfig, with commas between them."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanTerms:
    """How an image is scanned."""

    scanners: tuple[str, ...] = (VULNERABILITIES,)
    """What is looked for, of SCANNERS."""
    declared: bool = False
    """Read lock files, too: what a build was meant to have, not what is installed."""
    licenses: bool = False
    """Read what only says licences, too: the copyright files of Debian's packages."""
    config: Path | SettingsFile | None = None
    """A configuration file, or one that was read already; None looks for `rafsight.yaml` in the working directory."""
    secret_budget: int = SECRET_BUDGET
    """[bytes] that the search for secrets fetches at most."""
    cache_dir: Path | None = None
    """Where the salt of this installation is kept, so that fingerprints of secrets are the same in every scan."""

    def __post_init__(self) -> None:
        """Check the names.

        Raises: NoSuchScanner.
        """
        for name in self.scanners or ("",):  # a scan that looks for nothing finds nothing, and seems clean
            if name not in SCANNERS:
                raise NoSuchScanner(name=name)

    def wants(self, scanner: str) -> bool:
        """Tell whether something is looked for."""
        return scanner in self.scanners
