"""How a scan report lies in the store, and what is said of it in numbers. This module alone decides both."""

from typing import Final

from rafsight.base.errors import ExitStatus, HostLimit
from rafsight.base.severity import Severity
from rafsight.interfaces.service.jobs.model import NewReport, Summary
from rafsight.reports.document import ScanReport
from rafsight.reports.scanned import receive, send, travel_type
from rafsight.reports.selection import is_complete

REPORT_SIZE: Final = 256 * 1024 * 1024
"""[bytes] The largest report, before compression."""
_FORMAT: Final = b"\x01"
"""What every kept report begins with."""
_LEVEL: Final = 6


class ReportUnreadable(HostLimit):
    """A kept report cannot be read."""

    code = "kept-report-unreadable"
    template = "a report in the store cannot be read: {why}"
    remedy = "Scan the image again."
    exit_status = ExitStatus.DAMAGED


class ReportTooLarge(HostLimit):
    """A report is larger than the store takes."""

    code = "report-too-large"
    template = "the report has {size} bytes, more than the {limit} that are kept"
    remedy = "Scan this image by `rafsight scan`, which keeps no report."


def pack_report(report: ScanReport, *, digest: str = "", version: str = "", limit: int = REPORT_SIZE) -> NewReport:
    """Make what the store keeps.

    Args:
        report: as a scan gave it.
        digest: of what was asked for; empty: what the report itself says.
        version: of rafsight.
        limit: [bytes] before compression.
    Raises: ReportTooLarge.
    Cost: about 20 ms for a report with a thousand findings.
    """
    import msgspec
    import zstandard

    plain = msgspec.msgpack.encode(send(report))
    if len(plain) > limit:
        raise ReportTooLarge(size=len(plain), limit=limit)
    database, image = report.database, report.image
    return NewReport(
        content=_FORMAT + zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(plain),
        summary=summarize(report),
        digest=digest or image.index_digest or image.manifest_digest,
        read_digest=image.manifest_digest,
        database_digest=database.digest if database else "",
        database_built=database.built if database else "",
        version=version,
    )


def unpack_report(content: bytes) -> ScanReport:
    """Read what the store kept.

    Raises: ReportUnreadable.
    Cost: about 20 ms for a report with a thousand findings.
    """
    import msgspec
    import zstandard

    if content[:1] != _FORMAT:
        raise ReportUnreadable(why="it is of an unknown format")
    try:
        size = zstandard.get_frame_parameters(content[1:]).content_size
        if not 0 <= size <= REPORT_SIZE:
            raise ReportUnreadable(why="it says no sensible size")
        plain = zstandard.ZstdDecompressor().decompress(content[1:], max_output_size=REPORT_SIZE)
        kept = msgspec.msgpack.decode(plain, type=travel_type())
    except (zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ReportUnreadable(why=str(error)) from error
    return receive(kept)


def summarize(report: ScanReport) -> Summary:
    """Say a report in numbers."""
    counts = dict.fromkeys(Severity, 0)
    for finding in report.findings:
        counts[finding.severity] += 1
    return Summary(
        critical=counts[Severity.CRITICAL],
        high=counts[Severity.HIGH],
        medium=counts[Severity.MEDIUM],
        low=counts[Severity.LOW],
        unknown=counts[Severity.UNKNOWN],
        negligible=len(report.unimportant),
        fixable=sum(bool(finding.fixed_versions) for finding in report.findings),
        exploited=sum(finding.known_exploited for finding in report.findings),
        secrets=len(report.secrets),
        misconfigurations=len(report.misconfigurations),
        components=len(report.inventory.components),
        is_complete=is_complete(report),
    )
