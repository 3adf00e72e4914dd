"""Harbor's pluggable scanner API in documents: what Harbor sends, what it gets, and the media types of both.

The sources are the specification's OpenAPI documents 1.0, 1.1 and 1.2, and what Harbor checks of an answer. Harbor
may add members to a request, so unknown ones are no errors here; members that are missing are empty here, since the
specification has another answer for them than for JSON of another form. This module alone decides which media types
and capabilities there are.
"""

from typing import Annotated, Any, Final

import msgspec

from rafsight.interfaces.service.web.wire import Document
from rafsight.reports.harbor import SBOM_MEDIA_TYPES, SCANNER

METADATA: Final = "application/vnd.scanner.adapter.metadata+json"
REQUEST: Final = "application/vnd.scanner.adapter.scan.request+json"
RESPONSE: Final = "application/vnd.scanner.adapter.scan.response+json; version=1.0"
GENERIC_REPORT: Final = "application/vnd.security.vulnerability.report; version=1.1"
NATIVE_REPORT: Final = "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"
RAW_REPORT: Final = "application/vnd.scanner.adapter.vuln.report.raw"
SBOM_REPORT: Final = "application/vnd.security.sbom.report+json; version=1.0"
REPORTS: Final = (GENERIC_REPORT, NATIVE_REPORT, RAW_REPORT, SBOM_REPORT)
MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
"""What is scanned. The manifest of a Nydus image has one of these types, too: its layers tell it apart."""

VULNERABILITY: Final = "vulnerability"
SBOM: Final = "sbom"
SCANNER_TYPE: Final = "harbor.scanner-adapter/scanner-type"
UPDATED_AT: Final = "harbor.scanner-adapter/vulnerability-database-updated-at"
AUTHORIZATION_TYPE: Final = "harbor.scanner-adapter/registry-authorization-type"
_TEXT: Final = 1024
Text = Annotated[str, msgspec.Meta(max_length=_TEXT)]


class ScannerDocument(Document, frozen=True, kw_only=True):
    """Who scans."""

    name: str
    vendor: str
    version: str


class CapabilityDocument(Document, frozen=True, kw_only=True):
    """What can be made of what."""

    type: str
    consumes_mime_types: list[str]
    produces_mime_types: list[str]
    additional_attributes: dict[str, list[str]] | msgspec.UnsetType = msgspec.UNSET


class MetadataDocument(Document, frozen=True, kw_only=True):
    """Who scans, and what can be done."""

    scanner: ScannerDocument
    capabilities: list[CapabilityDocument]
    properties: dict[str, str]


class RegistryWish(msgspec.Struct, frozen=True, kw_only=True):
    """Where Harbor's registry is, and what to show there."""

    url: Text = ""
    authorization: Annotated[str, msgspec.Meta(max_length=16_384)] = ""


class ArtifactWish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be scanned."""

    repository: Text = ""
    digest: Text = ""
    tag: Text = ""
    mime_type: Text = ""


class CapabilityWish(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of it."""

    type: Text = VULNERABILITY
    produces_mime_types: list[Text] | None = None
    parameters: dict[str, Any] | None = None


class ScanRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A scan that Harbor wants."""

    registry: RegistryWish = RegistryWish()
    artifact: ArtifactWish = ArtifactWish()
    enabled_capabilities: Annotated[list[CapabilityWish], msgspec.Meta(max_length=32)] | None = None


class ScanResponse(Document, frozen=True, kw_only=True):
    """The name of a scan that was taken."""

    id: str


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept with a request of Harbor's, so that its report speaks of the artifact in Harbor's words."""

    mime_type: str


def metadata_document(*, sbom: bool, properties: dict[str, str]) -> MetadataDocument:
    """Say who scans, and what can be done.

    Args:
        sbom: SBOMs are offered.
        properties: for Harbor's administrators; empty ones are left out, as Harbor refuses them.
    """
    capabilities = [
        CapabilityDocument(
            type=VULNERABILITY,
            consumes_mime_types=list(MANIFESTS),
            produces_mime_types=[GENERIC_REPORT, NATIVE_REPORT, RAW_REPORT],
        )
    ]
    if sbom:
        capabilities.append(
            CapabilityDocument(
                type=SBOM,
                consumes_mime_types=list(MANIFESTS),
                produces_mime_types=[SBOM_REPORT],
                additional_attributes={"sbom_media_types": list(SBOM_MEDIA_TYPES)},
            )
        )
    return MetadataDocument(
        scanner=ScannerDocument(**SCANNER),
        capabilities=capabilities,
        properties={name: value for name, value in properties.items() if value},
    )


def same_type(one: str, other: str) -> bool:
    """Tell whether two media types with their versions are the same, however they are spaced."""
    return _normal(one) == _normal(other)


def _normal(text: str) -> tuple[str, ...]:
    kind, *parameters = (piece.strip().lower() for piece in text.split(";"))
    return (kind, *sorted(one.replace(" ", "").replace('"', "") for one in parameters if not one.startswith("q=")))
