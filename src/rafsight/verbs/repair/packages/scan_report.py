"""A scan's report, read back: which findings there are, in which packages, and what fixes them.

This module alone decides how such a report is read: JSON in Trivy's shape, as `rafsight scan --format json` writes it
and as Trivy does; known fields only, bounded, and never another error than `MalformedReport`.
"""

from dataclasses import dataclass
from typing import BinaryIO, Final
from urllib.parse import parse_qsl

import msgspec

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.units import MiB
from rafsight.verbs.repair.packages.outcome import DEB, NPM, WHEEL

REPORT_SIZE: Final = 512 * MiB
_SCHEMA: Final = 2
_KINDS: Final = {"pypi": WHEEL, "npm": NPM, "deb": DEB}
"""By type of purl."""
_TYPES: Final = {"python-pkg": "pypi", "node-pkg": "npm", "debian": "deb", "ubuntu": "deb", "echo": "deb"}
"""By type of result, where there is no purl."""


class MalformedReport(CallerError):
    """A text is no report of a scan."""

    code = "malformed-scan-report"
    template = "the report cannot be read: {what}"
    remedy = "`rafsight scan REF --format json` writes one that can."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedFinding:
    """A flaw in an installed package."""

    id: str
    kind: str
    """Of package files that can fix it: `wheel`, `npm`, `deb`; empty if there are none."""
    ecosystem: str
    """In the words of the report: a type of purl, or of a result."""
    name: str
    version: str
    """As it is installed."""
    fixes: tuple[str, ...]
    """Versions that end the flaw, as they are reported: one, or one for each branch."""
    path: str
    """Where a language package lies; empty for others."""
    architecture: str
    """Of an OS package, in its own words; empty if it is not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a scan found."""

    findings: tuple[ReportedFinding, ...]
    platform: str
    """Of the image: `linux/amd64`; empty if it is not said."""
    family: str
    """Trivy's word for the distribution; empty if it is not said."""


class _Identifier(msgspec.Struct, rename={"purl": "PURL"}):
    purl: str = ""


class _Vulnerability(msgspec.Struct, rename="pascal"):
    vulnerability_id: str = msgspec.field(name="VulnerabilityID")
    pkg_name: str
    installed_version: str = ""
    fixed_version: str = ""
    pkg_path: str = ""
    pkg_identifier: _Identifier | None = None


class _Result(msgspec.Struct, rename="pascal"):
    type: str = ""
    vulnerabilities: list[_Vulnerability] | None = None


class _Os(msgspec.Struct, rename="pascal"):
    family: str = ""


class _Config(msgspec.Struct):
    os: str = ""
    architecture: str = ""
    variant: str = ""


class _Metadata(msgspec.Struct, rename={"os": "OS", "image_config": "ImageConfig"}):
    os: _Os | None = None
    image_config: _Config | None = None


class _Rafsight(msgspec.Struct, rename="pascal"):
    platform: str = ""


class _Document(msgspec.Struct, rename="pascal"):
    schema_version: int
    results: list[_Result] | None = None
    metadata: _Metadata | None = None
    rafsight: _Rafsight | None = None


def read_report(file: BinaryIO, *, max_size: int = REPORT_SIZE) -> Report:
    """Read a report from a file or a pipe.

    Raises: MalformedReport: it is none, or has more than `max_size` bytes.
    """
    content = file.read(max_size + 1)
    if len(content) > max_size:
        raise MalformedReport(what=f"it is larger than {max_size} bytes")
    return parse_report(content)


def parse_report(content: bytes) -> Report:
    """Read a report.

    Raises: MalformedReport.
    """
    try:
        document = msgspec.json.decode(content, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedReport(what=str(error)) from error
    if document.schema_version != _SCHEMA:
        raise MalformedReport(what=f"its schema is {document.schema_version}, and {_SCHEMA} is what is known")
    metadata = document.metadata or _Metadata()
    return Report(
        findings=tuple(
            _finding(result, one) for result in document.results or () for one in result.vulnerabilities or ()
        ),
        platform=_platform(document.rafsight, metadata.image_config),
        family=metadata.os.family if metadata.os else "",
    )


def _platform(ours: _Rafsight | None, config: _Config | None) -> str:
    if ours is not None and ours.platform:
        return ours.platform
    parts = (config.os, config.architecture, config.variant) if config is not None else ()
    return "/".join(part for part in parts if part)


def _finding(result: _Result, found: _Vulnerability) -> ReportedFinding:
    purl = found.pkg_identifier.purl if found.pkg_identifier is not None else ""
    head, _, query = purl.partition("#")[0].partition("?")
    scheme, _, rest = head.partition(":")
    ecosystem = rest.partition("/")[0] if scheme == "pkg" else _TYPES.get(result.type, result.type)
    return ReportedFinding(
        id=found.vulnerability_id,
        kind=_KINDS.get(ecosystem, ""),
        ecosystem=ecosystem,
        name=found.pkg_name,
        version=found.installed_version,
        fixes=tuple(part for text in found.fixed_version.split(",") if (part := text.strip())),
        path=found.pkg_path,
        architecture=dict(parse_qsl(query)).get("arch", ""),
    )
