"""The table and Trivy's JSON, in the shape that all formats have."""

from rafsight.reports.document import ScanReport
from rafsight.reports.table import render_table
from rafsight.reports.terms import Terms
from rafsight.reports.trivy_json import render_json


def table(report: ScanReport, terms: Terms) -> str:
    """Write a report for people."""
    return render_table(
        report,
        width=terms.width,
        colour=terms.colour,
        unicode=terms.unicode,
        list_all=terms.list_all,
        show_suppressed=terms.show_suppressed,
    )


def trivy_json(report: ScanReport, terms: Terms) -> str:
    """Write a report as Trivy's JSON."""
    return render_json(report, created=terms.created, list_all=terms.list_all)
