"""A scanner for many images: the same database, rules and habits for all of them.

It reads images of plain layers through their Nydus twins where they have some, and matches earlier reports again.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rafsight.access.options import Options
from rafsight.base.errors import ImageFault, RegistryFault
from rafsight.base.events import Listener, silent
from rafsight.reports.document import ScanReport
from rafsight.verbs.scan.rematch import match_again
from rafsight.verbs.scan.scanning import scan_reference
from rafsight.verbs.scan.terms import SECRET_BUDGET, VULNERABILITIES
from rafsight.verbs.scan.twin import TwinTerms, find_twin


class Scanner:
    """What a service does with images. Thread-safe; nothing is held between two calls."""

    def __init__(
        self,
        *,
        database: Path | None,
        config: Path | None = None,
        secret_budget: int = SECRET_BUDGET,
        twin_in_index: bool = False,
        twin_in_referrers: bool = False,
        twin_tag_suffix: str = "",
    ) -> None:
        """Open nothing yet.

        Args:
            database: as of `scan_reference`.
            config: as of `scan_reference`.
            secret_budget: [bytes] as of `scan_reference`.
            twin_in_index: look for a Nydus twin in the index that the reference's tag names.
            twin_in_referrers: look for it among what refers to the image.
            twin_tag_suffix: look for it under the reference's tag with this behind it; empty: do not.
        """
        self._database = database
        self._config = config
        self._secret_budget = secret_budget
        self._twins = TwinTerms(in_index=twin_in_index, in_referrers=twin_in_referrers, tag_suffix=twin_tag_suffix)

    def scan(
        self,
        reference: str,
        *,
        scanners: Sequence[str] = (VULNERABILITIES,),
        declared: bool = False,
        options: Options | None = None,
        listener: Listener = silent,
    ) -> ScanReport:
        """Scan an image, through its Nydus twin if it has one that can be read.

        The report's notes say so then: `repo_digests` has what was asked for, `manifest_digest` what was read.

        Args and errors as of `scan_reference`.
        Cost: that, and what `find_twin` costs.
        """
        options = options or Options()

        def ask(what: str) -> ScanReport:
            return scan_reference(
                what,
                database=self._database,
                scanners=scanners,
                declared=declared,
                config=self._config,
                secret_budget=self._secret_budget,
                options=options,
                listener=listener,
            )

        twin = find_twin(reference, terms=self._twins, options=options)
        if twin is not None:
            with suppress(ImageFault, RegistryFault):  # a twin that cannot be read is as good as none
                report = ask(twin.reference)
                notes = (*report.image.notes, twin.note)
                image = replace(report.image, name=reference, repo_digests=(twin.original,), notes=notes)
                return replace(report, image=image)
        return ask(reference)

    def match_again(self, report: ScanReport) -> ScanReport:
        """Ask the database about what an earlier report lists; no registry is asked.

        Raises: NotMatchable, NoDatabase, DatabaseDamaged.
        """
        if self._database is None:
            return report
        return match_again(report, database=self._database)
