"""Trivy's JSON report, schema version 2: the fields that are of use here.

Names are the engine's own. Go writes `null` for empty lists, so every list may be None.
"""

import msgspec


class Struct(msgspec.Struct, rename="pascal"):
    """Fields are spelled in Pascal case."""


class Identifier(msgspec.Struct):
    """How a package is named elsewhere."""

    PURL: str = ""
    UID: str = ""


class Package(Struct):
    """One package of a result."""

    name: str = ""
    id: str = msgspec.field(default="", name="ID")
    identifier: Identifier | None = None
    version: str = ""
    release: str = ""
    epoch: int = 0
    arch: str = ""
    src_name: str = ""
    src_version: str = ""
    src_release: str = ""
    src_epoch: int = 0
    licenses: list[str] | None = None
    maintainer: str = ""
    modularitylabel: str = ""
    file_path: str = ""
    analyzed_by: str = ""


class Source(msgspec.Struct):
    """Where an advisory comes from."""

    ID: str = ""
    Name: str = ""
    URL: str = ""


class Cvss(msgspec.Struct):
    """The vectors of one source."""

    V2Vector: str = ""
    V3Vector: str = ""
    V40Vector: str = ""
    V2Score: float = 0.0
    V3Score: float = 0.0
    V40Score: float = 0.0


class Vulnerability(Struct):
    """One finding."""

    vulnerability_id: str = msgspec.field(name="VulnerabilityID")
    vendor_ids: list[str] | None = msgspec.field(default=None, name="VendorIDs")
    pkg_id: str = msgspec.field(default="", name="PkgID")
    pkg_name: str = ""
    pkg_path: str = ""
    pkg_identifier: Identifier | None = None
    installed_version: str = ""
    fixed_version: str = ""
    status: str = ""
    severity_source: str = ""
    primary_url: str = msgspec.field(default="", name="PrimaryURL")
    data_source: Source | None = None
    title: str = ""
    description: str = ""
    severity: str = ""
    cwe_ids: list[str] | None = msgspec.field(default=None, name="CweIDs")
    vendor_severity: dict[str, int] | None = None
    cvss: dict[str, Cvss] | None = msgspec.field(default=None, name="CVSS")
    references: list[str] | None = None
    published_date: str = ""
    last_modified_date: str = ""


class Modified(Struct):
    """A finding that a rule of the user took out."""

    type: str = ""


class Result(Struct):
    """One part of a report."""

    target: str = ""
    result_class: str = msgspec.field(default="", name="Class")
    type: str = ""
    packages: list[Package] | None = None
    vulnerabilities: list[Vulnerability] | None = None
    modified: list[Modified] | None = msgspec.field(default=None, name="ExperimentalModifiedFindings")


class System(msgspec.Struct):
    """The distribution."""

    Family: str = ""
    Name: str = ""
    EOSL: bool = False


class Metadata(msgspec.Struct):
    """What is said about the image."""

    OS: System | None = None


class Document(Struct):
    """The whole report."""

    schema_version: int
    metadata: Metadata | None = None
    results: list[Result] | None = None
