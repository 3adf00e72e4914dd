"""Reports beside images: attached as artifacts that refer to them (OCI referrers), and listed.

This module alone decides what may be attached, and that the same report is the same artifact: nothing of the time or of
this machine goes into it. Its date is the report's own, unless somebody names another.
"""

import re
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from rafsight.access.attaching import (
    ReferrerTarget,
    Subject,
    find_subject,
    open_referrer_source,
    open_referrer_target,
)
from rafsight.access.counting import Meter
from rafsight.access.options import Options
from rafsight.base.digest import digest_of
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.limits import Limits
from rafsight.base.units import KiB, MiB
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.annotations import NO_ANNOTATIONS, Annotations
from rafsight.formats.oci.artifact import EMPTY_CONFIG, write_artifact
from rafsight.formats.oci.manifest import Descriptor
from rafsight.reports.attachment import Attached, Listing, SubjectFacts, listed_artifact

if TYPE_CHECKING:
    from rafsight.formats.report_types import ReportType

REPORT_SIZE: Final = 256 * MiB
"""[bytes] of a report that is attached."""
_ANNOTATIONS_SIZE: Final = 64 * KiB
"""[characters] of all annotations that somebody names; they come back with every list of what is attached."""
_MEDIA_TYPE: Final = re.compile(
    r"(?=.{3,255}\Z)[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\Z"
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)\Z", re.ASCII)


class UnknownReport(CallerError):
    """A report that nobody named the type of, and that does not tell it itself."""

    code = "unknown-report"
    template = "{name} is neither SARIF, CycloneDX nor SPDX, or it is damaged"
    remedy = "Name its type: `--artifact-type application/vnd.example.report+json`."
    exit_status = ExitStatus.USAGE


class UnusableAttachment(CallerError):
    """A report cannot be attached as it was asked for."""

    code = "unusable-attachment"
    template = "{what} cannot be attached: {why}"
    remedy = "See `rafsight attach --help`; docs/attach.md says what an artifact holds."
    exit_status = ExitStatus.USAGE


class Attachments:
    """Attaches reports to images in registries and OCI layouts, and lists what is attached."""

    def __init__(self, *, options: Options | None = None) -> None:
        """Prepare; nothing is asked yet.

        Args:
            options: how to reach images; its platform does not count here.
        """
        self._options = options or Options()

    def attach(
        self,
        reference: str,
        report: bytes,
        *,
        name: str = "",
        artifact_type: str = "",
        annotations: Mapping[str, str] | None = None,
        created: str = "",
        platform: str = "",
    ) -> Attached:
        """Attach a report to an image. The same again changes nothing, and gives the same digest.

        Args:
            reference: a registry reference or `oci:DIR[:TAG]`. The report is about what it names: a manifest, or an
                index with all of its images.
            report: its bytes; SARIF, CycloneDX and SPDX are recognised.
            name: of the file, for those who fetch it; empty: it has none.
            artifact_type: media type of any other report, or another than its own; empty: the report's own.
            annotations: of the artifact.
            created: RFC 3339, instead of the report's own date.
            platform: `OS/ARCH[/VARIANT]`: attach it to this image of an index; empty: to what the reference names.
        Raises: UnknownReport, UnusableAttachment, NotAttachable: before anything is asked; NotFound,
            NoMatchingPlatform; ArtifactRefused, ReferrersUnusable; RegistryFault, HostLimit.
        Cost: the manifest, a request for what is there, the report, and four requests more; in a registry without the
            referrers API three more, and a short wait.
        """
        known = _check_report(report, name, artifact_type)
        kind = artifact_type or (known.media_type if known else "")
        layer = Descriptor(
            media_type=known.media_type if known else kind,
            digest=digest_of(report),
            size=len(report),
            annotations=Annotations(((keys.OCI_TITLE, name),)) if name else NO_ANNOTATIONS,
        )
        date = _check_date(created) or (known.created if known else "")
        pairs = _check_annotations(annotations or {}, date)
        meter = Meter()
        with open_referrer_target(reference, self._options, meter) as (target, tag):
            subject = find_subject(target, tag, platform=platform)
            manifest = write_artifact(
                artifact_type=kind, layer=layer, subject=subject.descriptor, annotations=Annotations(pairs)
            )
            is_new = not target.has_manifest(digest_of(manifest))
            _push(target, EMPTY_CONFIG)
            _push(target, report)
            referred = target.push_referrer(manifest, media_types.OCI_MANIFEST)
            facts = _facts(reference, target.place, subject)
        return Attached(
            subject=facts,
            digest=referred.digest,
            artifact_type=kind,
            media_type=layer.media_type,
            report_digest=layer.digest,
            report_size=layer.size,
            created=dict(pairs).get(keys.OCI_CREATED, ""),
            annotations=pairs,
            tag=referred.tag,
            is_new=is_new,
            bytes_sent=meter.cost.bytes_sent,
        )

    def listed(self, reference: str, *, artifact_type: str = "", platform: str = "") -> Listing:
        """List what is attached to an image: reports, and whatever else refers to it.

        Args:
            reference: as of `attach`.
            artifact_type: of this type only; empty: of any.
            platform: as of `attach`.
        Raises: NotAttachable; NotFound, NoMatchingPlatform; RegistryFault, ImageFault.
        Cost: the manifest, and a request a page of the list; one more in a registry without the referrers API. Of a
            layout, every manifest that its index names.
        """
        with open_referrer_source(reference, self._options, Meter()) as (source, tag):
            subject = find_subject(source, tag, platform=platform)
            found = source.list_referrers(subject.descriptor.digest)
            facts = _facts(reference, source.place, subject)
        return Listing(
            subject=facts,
            artifacts=tuple(
                listed_artifact(
                    digest=one.digest,
                    media_type=one.media_type,
                    artifact_type=one.artifact_type,
                    size=one.size,
                    annotations=one.annotations.pairs,
                )
                for one in found
                if not artifact_type or one.artifact_type == artifact_type
            ),
        )


def _push(target: ReferrerTarget, content: bytes) -> None:
    target.push_blob(digest_of(content), len(content), lambda: nullcontext(iter((content,))))


def _facts(reference: str, place: str, subject: Subject) -> SubjectFacts:
    return SubjectFacts(
        reference=reference,
        place=place,
        digest=subject.descriptor.digest,
        media_type=subject.descriptor.media_type,
        is_index=subject.is_index,
    )


def _check_report(report: bytes, name: str, artifact_type: str) -> "ReportType | None":
    """Tell what a report is; None if only the caller knows."""
    from rafsight.formats.report_types import recognise_report

    called = name or "the report"
    if not report:
        raise UnusableAttachment(what=called, why="it is empty")
    if len(report) > REPORT_SIZE:
        raise UnusableAttachment(what=called, why=f"it has more than {REPORT_SIZE} bytes")
    if not _is_text(name) or len(name) > Limits().path_size:
        raise UnusableAttachment(what=called, why="its name is not Unicode, or too long")
    if artifact_type and not _MEDIA_TYPE.match(artifact_type):
        raise UnusableAttachment(what=f"a report of type '{artifact_type}'", why="that is no media type")
    known = recognise_report(report)
    if known is None and not artifact_type:
        raise UnknownReport(name=called)
    return known


def _check_date(created: str) -> str:
    if created and not _DATE.match(created):
        raise UnusableAttachment(what=f"a report of the date '{created}'", why="that is not written as RFC 3339 has it")
    return created


def _check_annotations(annotations: Mapping[str, str], date: str) -> tuple[tuple[str, str], ...]:
    """Order the annotations, with the date among them unless somebody names another."""
    for key, value in annotations.items():
        if not key or not _is_text(key) or not _is_text(value):
            raise UnusableAttachment(
                what=f"a report with the annotation '{key}'", why="it is no key and value in Unicode"
            )
    if sum(len(key) + len(value) for key, value in annotations.items()) > _ANNOTATIONS_SIZE:
        raise UnusableAttachment(what="a report", why=f"its annotations have more than {_ANNOTATIONS_SIZE} characters")
    dated = {keys.OCI_CREATED: date} if date else {}
    return tuple(sorted({**dated, **annotations}.items()))


def _is_text(text: str) -> bool:
    """Tell whether a text can be written: arguments of a process may hold bytes that are none."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
