"""Names that documents give to things: hashes and UUIDs made of what they name, so that the same report gives the same.

This module alone decides what makes two things the same thing. No clock and no chance is in any of them.
"""

import hashlib
import json
import uuid

from rafsight.analysis.inventory import OS_ECOSYSTEMS, Component
from rafsight.base.text import escape
from rafsight.reports.document import ImageFacts, ScanReport


def hash_of(*parts: str) -> str:
    """Hash some texts so that no two different lists give the same input: 64 hex digits."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def uuid_of(*parts: str) -> str:
    """Make a UUID (version 5) of some texts."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, hash_of(*parts)))


def report_uuid(report: ScanReport, created: str, kind: str) -> str:
    """Name a document: the same image, database and time give the same name.

    Args:
        report: what it says.
        created: RFC 3339.
        kind: of document, so that two of one scan have two names.
    """
    database = report.database.digest if report.database else ""
    return uuid_of(kind, report.image.name, report.image.manifest_digest, database, created)


def artifact_hash(image: ImageFacts) -> str:
    """Name the image within its repository, whatever its tag."""
    repository = image.repo_digests[0].partition("@")[0] if image.repo_digests else ""
    return hash_of("artifact", repository, image.config_digest or image.manifest_digest)


def component_path(component: Component) -> str:
    """Return where a language package lies; OS packages have no file of their own."""
    if component.ecosystem in OS_ECOSYSTEMS or not component.locations:
        return ""
    return escape(component.locations[0])


def component_uid(component: Component) -> str:
    """Name a component within its report: 16 hex digits."""
    return hash_of(
        component.ecosystem,
        component.name,
        component.version,
        component.arch,
        component.purl,
        component_path(component),
    )[:16]
