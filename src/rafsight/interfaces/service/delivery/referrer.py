"""A report as an artifact in the image's own repository, that refers to the image.

This module alone decides what such an artifact is called, and which faults are worth another attempt.
"""

from typing import TYPE_CHECKING, Final

import rafsight
from rafsight.base.errors import RafsightError
from rafsight.interfaces.service.delivery.outcome import ARRIVED, DeliveryOutcome, outcome_of
from rafsight.reports.formats import render
from rafsight.reports.terms import Terms

if TYPE_CHECKING:
    from rafsight import Options, ScanReport

ARTIFACTS: Final = {
    "sarif": ("rafsight.sarif", ""),
    "cyclonedx": ("rafsight.cdx.json", ""),
    "spdx": ("rafsight.spdx.json", ""),
    "json": ("rafsight.json", "application/json"),
    "harbor": ("rafsight.harbor.json", "application/json"),
    "gitlab": ("rafsight.gitlab.json", "application/json"),
    "junit": ("rafsight.junit.xml", "application/xml"),
    "markdown": ("rafsight.md", "text/markdown"),
    "html": ("rafsight.html", "text/html"),
    "table": ("rafsight.txt", "text/plain"),
}
"""By the report's format: name of the file, and type of the artifact; empty: the report tells its own type."""


def deliver(report: "ScanReport", reference: str, report_format: str, *, options: "Options") -> DeliveryOutcome:
    """Try to attach a report to its image. The same report again is the same artifact.

    Args:
        report: of the image.
        reference: of what the report is about, by digest.
        report_format: one of `rafsight.reports.formats.NAMES`.
        options: how to reach the registry, and who we are there.
    Returns: What became of it; nothing is raised for what the registry does.
    Cost: as of `rafsight.Attachments.attach`; the registry client tries again by itself, for about a minute.
    """
    try:
        content = render(report, report_format, Terms(created=report.started)).encode("utf-8", "backslashreplace")
        name, artifact_type = ARTIFACTS[report_format]
        attachments = rafsight.Attachments(options=options)
        attachments.attach(reference, content, name=name, artifact_type=artifact_type)
    except RafsightError as fault:
        return outcome_of(fault, retry_after=getattr(fault, "retry_after", None))
    return ARRIVED
