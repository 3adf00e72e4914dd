"""What a report says about a bill of materials that was scanned in place of an image."""

from rafsight.analysis.sbom.document import Bill
from rafsight.reports.document import ArtifactKind, ImageFacts


def describe_bill(bill: Bill, reference: str) -> ImageFacts:
    """Collect the facts about a bill: what only an image has is empty.

    Args:
        bill: as read.
        reference: as the user typed it.
    """
    kind = ArtifactKind.CYCLONEDX if bill.form.startswith("CycloneDX") else ArtifactKind.SPDX
    notes = (
        (f"This is the bill of materials of {bill.subject}; nothing was looked at beside it",) if bill.subject else ()
    )
    return ImageFacts(
        name=reference,
        format=bill.form,
        manifest_digest="",
        index_digest="",
        bootstrap_digest="",
        config_digest="",
        config=b"",
        layers=(),
        platform="",
        repo_tags=(),
        repo_digests=(),
        image_size=0,
        entry_count=0,
        notes=notes,
        kind=kind,
    )
