"""What a scan looks for beside packages: secrets and misconfiguration.

Rules and configuration are read before anything is fetched. This module alone ties the two searches to the terms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rafsight.access.layers import Keep
from rafsight.access.session import Image
from rafsight.access.settings_file import read_settings_file
from rafsight.analysis.inventory import Gap
from rafsight.analysis.misconfig.configuration import MisconfigSettings, read_settings
from rafsight.analysis.misconfig.finding import Misconfiguration
from rafsight.analysis.secrets.finding import Secret
from rafsight.base.events import Listener
from rafsight.image.selection import Wants
from rafsight.verbs.scan.misconfig import MisconfigTerms, find_misconfigurations, misconfig_wants
from rafsight.verbs.scan.secrets.finder import SecretFinder
from rafsight.verbs.scan.secrets.terms import SecretTerms
from rafsight.verbs.scan.terms import MISCONFIGURATION, SECRETS, ScanTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was found."""

    secrets: tuple[Secret, ...] = ()
    misconfigurations: tuple[Misconfiguration, ...] = ()
    check_count: int = 0
    gaps: tuple[Gap, ...] = ()


class Looking:
    """Both searches, ready for any number of images; those that were not asked for find nothing."""

    def __init__(self, terms: ScanTerms) -> None:
        """Read rules and configuration.

        Raises: ConfigurationUnreadable, MalformedConfiguration.
        """
        self._finder: SecretFinder | None = None
        self._checks: MisconfigTerms | None = None
        self._configuration = b""
        if terms.wants(SECRETS):
            secrets = SecretTerms(config=terms.config, budget=terms.secret_budget, cache_dir=terms.cache_dir)
            self._finder = SecretFinder(secrets)
        if terms.wants(MISCONFIGURATION):
            file = read_settings_file(terms.config)
            settings = MisconfigSettings() if file is None else read_settings(file.content, file.name)
            self._checks = MisconfigTerms(settings=settings)
            self._configuration = b"" if file is None else file.content

    def wants(self) -> Sequence[Wants]:
        """Return what is wanted by pattern of a stream that passes only once."""
        return misconfig_wants() if self._checks is not None else ()

    def keep(self, packages: Keep) -> Keep:
        """Tell which files of a stream are kept: those of the packages, and those that may hide secrets."""
        if self._finder is None:
            return packages
        secrets = self._finder.keep()
        return lambda path, size: packages(path, size) or secrets(path, size)

    def depends_on(self) -> tuple[bytes, ...]:
        """Return what an answer depends on beside the image, for a key."""
        parts: list[bytes] = []
        if self._finder is not None:
            parts += (b"secrets", *self._finder.depends_on())
        if self._checks is not None:
            parts += (b"checks", self._configuration, self._checks.today.isoformat().encode())
        return tuple(parts)

    def look(self, image: Image, listener: Listener) -> Looked:
        """Look for what was asked for.

        Cost: one plan of reads for each search.
        """
        looked = Looked()
        if self._finder is not None:
            found = self._finder.find(image, listener)
            looked = Looked(secrets=found.secrets, gaps=found.gaps)
        if self._checks is not None:
            checked = find_misconfigurations(image, self._checks, listener)
            looked = Looked(
                secrets=looked.secrets,
                misconfigurations=checked.misconfigurations,
                check_count=checked.check_count,
                gaps=(*looked.gaps, *checked.gaps),
            )
        return looked
