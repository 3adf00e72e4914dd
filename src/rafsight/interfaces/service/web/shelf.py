"""Reports as they are given out: unpacked, filtered, written in a format, and kept for the next who asks.

Harbor fetches the same report twice, people reload pages. This module alone decides what is kept in memory, and how
much: what was asked for last, up to a number of bytes.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from rafsight.base.severity import Severity
from rafsight.base.units import MiB
from rafsight.interfaces.service.jobs.model import ReportHead, StoredReport
from rafsight.interfaces.service.jobs.reports_kept import unpack_report
from rafsight.reports import formats
from rafsight.reports.document import ScanReport
from rafsight.reports.harbor import HarborArtifact, render_bill, render_vulnerabilities
from rafsight.reports.selection import filter_findings
from rafsight.reports.terms import Terms

SPACE: Final = 8 * MiB
_PIECE: Final = 2 * MiB
"""[bytes] A larger document is written each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a report is wanted."""

    format: str
    """Of `reports.formats`, or `harbor-sbom`."""
    severities: frozenset[Severity] = frozenset(Severity)
    ignore_unfixed: bool = False
    list_all: bool = False
    artifact: HarborArtifact | None = None
    """As Harbor called it."""
    sbom_media_type: str = ""


class Shelf:
    """Documents that were written lately. Thread-safe."""

    def __init__(self, space: int = SPACE) -> None:
        """Begin empty.

        Args:
            space: [bytes] of documents that are kept.
        """
        self._space = space
        self._lock = threading.Lock()
        self._documents: OrderedDict[Hashable, bytes] = OrderedDict()
        self._size = 0

    def kept(self, head: ReportHead, form: Form) -> bytes | None:
        """Return a document, if it was written lately."""
        key = _key(head, form)
        with self._lock:
            document = self._documents.get(key)
            if document is not None:
                self._documents.move_to_end(key)
            return document

    def document(self, stored: StoredReport, form: Form) -> bytes:
        """Write a report.

        Raises: ReportUnreadable, UnknownFormat, NoSuchBill.
        Cost: unpacking and writing, some 10 ms for a common report.
        """
        document = write(self.unpack(stored), form, created=second_text(stored.head.matched)).encode()
        if len(document) <= min(_PIECE, self._space):
            self._keep(_key(stored.head, form), document)
        return document

    @staticmethod
    def unpack(stored: StoredReport) -> ScanReport:
        """Unpack a report.

        Raises: ReportUnreadable.
        """
        return unpack_report(stored.content)

    def _keep(self, key: Hashable, document: bytes) -> None:
        with self._lock:
            self._size += len(document) - len(self._documents.pop(key, b""))
            self._documents[key] = document
            while self._size > self._space:
                _, gone = self._documents.popitem(last=False)
                self._size -= len(gone)


def write(report: ScanReport, form: Form, *, created: str) -> str:
    """Write a report in a form.

    Args:
        report: as it was stored.
        form: how it is wanted.
        created: RFC 3339.
    Raises: UnknownFormat, NoSuchBill.
    """
    shown = filter_findings(report, severities=form.severities, ignore_unfixed=form.ignore_unfixed)
    terms = Terms(created=created, list_all=form.list_all)
    if form.artifact is None:
        return formats.render(shown, form.format, terms)
    if form.sbom_media_type:
        return render_bill(shown, terms, form.artifact, form.sbom_media_type)
    return render_vulnerabilities(shown, terms, form.artifact)


def second_text(moment: int) -> str:
    """Write a time as reports have it, RFC 3339 in seconds.

    Args:
        moment: [ms since 1970]
    """
    return datetime.fromtimestamp(moment // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _key(head: ReportHead, form: Form) -> Hashable:
    return head.id, head.matched, form
