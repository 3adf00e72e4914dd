"""What is attached to an image, as values, and for people and programs.

This module alone decides the words and keys of it; keys stay.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from rafsight._version import __version__
from rafsight.base.text import printable
from rafsight.base.units import format_size

SCHEMA_VERSION: Final = 1
_CREATED: Final = "org.opencontainers.image.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFacts:
    """What reports are attached to."""

    reference: str
    """As the user typed it."""
    place: str
    """The repository or layout, as people call it."""
    digest: str
    media_type: str
    is_index: bool
    """A list of images, mostly one a platform; reports about one of them are attached to that one's own manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A report that was attached."""

    subject: SubjectFacts
    digest: str
    """Of the artifact's manifest."""
    artifact_type: str
    media_type: str
    """Of the report."""
    report_digest: str
    report_size: int
    """[bytes]"""
    created: str
    """RFC 3339; empty: nobody says."""
    annotations: tuple[tuple[str, str], ...]
    """Of the artifact, with its date."""
    tag: str
    """Lists the artifact where the registry does not keep account of what refers to what; empty otherwise."""
    is_new: bool
    """False: the same had been attached before."""
    bytes_sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedArtifact:
    """Something that refers to an image: a report, a bill of materials, a signature."""

    digest: str
    media_type: str
    artifact_type: str
    size: int
    """[bytes] of its manifest."""
    created: str
    """As it says; empty if it does not."""
    annotations: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is attached to an image."""

    subject: SubjectFacts
    artifacts: tuple[ListedArtifact, ...]


def listed_artifact(
    *, digest: str, media_type: str, artifact_type: str, size: int, annotations: tuple[tuple[str, str], ...]
) -> ListedArtifact:
    """Describe an entry of a list of referrers."""
    return ListedArtifact(
        digest=digest,
        media_type=media_type,
        artifact_type=artifact_type,
        size=size,
        created=dict(annotations).get(_CREATED, ""),
        annotations=annotations,
    )


def render_attached(done: Attached) -> str:
    """Write what was attached as lines of labels and values."""
    listed = f"under the tag {done.tag}" if done.tag else "by the place itself"
    facts = [
        ("Artifact", f"{printable(done.subject.place)}@{done.digest}"),
        ("Type", printable(done.artifact_type)),
        ("Report", f"{done.report_digest}, {format_size(done.report_size)}"),
        ("Attached to", f"{done.subject.digest}, {_kind(done.subject)}"),
        ("Listed", listed),
        ("Sent", format_size(done.bytes_sent) if done.is_new else "nothing new: it was attached already"),
    ]
    return _lines(facts)


def render_attached_json(done: Attached) -> str:
    """Write what was attached as one JSON document; everything is ASCII. Sizes are in bytes."""
    members = {**asdict(done), "annotations": dict(done.annotations)}
    return _document(members)


def render_listing(listing: Listing) -> str:
    """Write what is attached: a line for what it is attached to, and one an artifact."""
    subject = listing.subject
    count = len(listing.artifacts)
    head = f"{printable(subject.place)}@{subject.digest}, {_kind(subject)}: {count:,} attached\n"
    rows = [("DIGEST", "CREATED", "TYPE")] if count else []
    rows += [
        (one.digest, printable(one.created) or "-", printable(one.artifact_type) or "-") for one in listing.artifacts
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(2)] if rows else [0, 0]
    return head + "".join(f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}\n" for row in rows)


def render_listing_json(listing: Listing) -> str:
    """Write what is attached as one JSON document; everything is ASCII. Sizes are in bytes."""
    members: dict[str, Any] = asdict(listing)
    for artifact, one in zip(members["artifacts"], listing.artifacts, strict=True):
        artifact["annotations"] = dict(one.annotations)
    return _document(members)


def _document(members: dict[str, Any]) -> str:
    return json.dumps({"schema_version": SCHEMA_VERSION, "rafsight_version": __version__, **members}, indent=2) + "\n"


def _kind(subject: SubjectFacts) -> str:
    return "an index of images" if subject.is_index else "an image"


def _lines(facts: list[tuple[str, str]]) -> str:
    return "".join(f"{label:<12}{value}\n" for label, value in facts)
