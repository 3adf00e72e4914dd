"""All formats of a scan, by name.

This module alone decides which there are and what each is called. Adding one: its module, its test, and a line here.
Nothing is imported before a report is written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final, cast

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.reports.document import ScanReport
from rafsight.reports.terms import Terms

Renderer = Callable[[ScanReport, Terms], str]


class UnknownFormat(CallerError):
    """A report is wanted in a format that there is not."""

    code = "unknown-format"
    template = "there is no report format '{name}'"
    remedy = "Formats are table, json, sarif, cyclonedx, spdx, gitlab, junit, markdown, html and harbor."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFormat:
    """One format."""

    name: str
    summary: str
    """For help: what it is good for."""
    module: str
    """Below `rafsight.reports`."""
    function: str
    """From a report and terms to text."""
    is_bill: bool = False
    """It is a bill of materials: it names all packages, whatever was found."""


FORMATS: Final = (
    ReportFormat(name="table", summary="for people, on a terminal", module="forms", function="table"),
    ReportFormat(name="json", summary="Trivy's JSON", module="forms", function="trivy_json"),
    ReportFormat(name="sarif", summary="SARIF 2.1.0, for code hosts", module="sarif", function="render_sarif"),
    ReportFormat(
        name="cyclonedx",
        summary="CycloneDX 1.6, packages and vulnerabilities",
        module="cyclonedx",
        function="render_cyclonedx",
        is_bill=True,
    ),
    ReportFormat(name="spdx", summary="SPDX 2.3, packages", module="spdx", function="render_spdx", is_bill=True),
    ReportFormat(name="gitlab", summary="GitLab container scanning", module="gitlab", function="render_gitlab"),
    ReportFormat(name="junit", summary="JUnit XML, for pipelines", module="junit", function="render_scan_junit"),
    ReportFormat(name="markdown", summary="for comments and wikis", module="markdown", function="render_markdown"),
    ReportFormat(name="html", summary="one page with all of it", module="page.document", function="render_page"),
    ReportFormat(name="harbor", summary="Harbor's vulnerability report", module="harbor", function="render_harbor"),
)
NAMES: Final = tuple(form.name for form in FORMATS)


def format_named(name: str) -> ReportFormat:
    """Return a format by its name.

    Raises: UnknownFormat.
    """
    found = next((form for form in FORMATS if form.name == name), None)
    if found is None:
        raise UnknownFormat(name=name)
    return found


def render(report: ScanReport, name: str, terms: Terms) -> str:
    """Write a report in the format of a name.

    Args:
        report: as filtered.
        name: of a format.
        terms: how it is wanted.
    Raises: UnknownFormat.
    """
    form = format_named(name)
    renderer = cast("Renderer", getattr(import_module(f"rafsight.reports.{form.module}"), form.function))
    return renderer(report, terms)
