"""What becomes of a report between the scan and its reader: ignore files, filters, policies.

This module alone decides in which order they come.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rafsight.base.severity import Severity
from rafsight.interfaces.cli.scan_policy import PolicyChoice, check_after, exit_status_of
from rafsight.interfaces.cli.scan_suppression import apply_rules
from rafsight.interfaces.cli.ui import Ui
from rafsight.reports.document import ScanReport
from rafsight.reports.policy import ask_policies
from rafsight.reports.selection import filter_findings

if TYPE_CHECKING:
    from rafsight.reports.suppress import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """What somebody wants to see of reports, and when they want a scan to fail."""

    rules: Sequence["Rule"]
    severities: AbstractSet[Severity]
    ignore_unfixed: bool
    show_unimportant: bool
    policy: PolicyChoice
    exit_code: int | None
    allow_incomplete: bool
    created: str | None
    """RFC 3339; None: the time of the scan."""

    def date_of(self, report: ScanReport) -> str:
        """Return the date that the report bears, RFC 3339."""
        return self.created or report.started

    def shown(self, report: ScanReport, ui: Ui) -> ScanReport:
        """Take out what nobody wants to see, and ask the policies.

        Args:
            report: as the scan gave it.
            ui: for warnings.
        Raises: StaleDatabase, UndatedDatabase.
        """
        check_after(self.policy, report)
        report = apply_rules(report, self.rules, day=self.date_of(report), ui=ui)
        shown = filter_findings(
            report,
            severities=self.severities,
            ignore_unfixed=self.ignore_unfixed,
            show_unimportant=self.show_unimportant,
        )
        return ask_policies(shown, self.policy.policies)

    def status_of(self, shown: ScanReport) -> int:
        """Decide the exit status of a report; see `exit_status_of`."""
        return exit_status_of(shown, on_findings=self.exit_code, allow_incomplete=self.allow_incomplete)
