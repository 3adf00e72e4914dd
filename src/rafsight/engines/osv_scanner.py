"""OSV-Scanner: packages and their vulnerabilities, from OSV's records on this machine.

Its findings are whole OSV records. They are read, joined and judged as the own database's are.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from rafsight.analysis.inventory import OS_ECOSYSTEMS, Component, Distribution, Ecosystem, Gap, GapReason
from rafsight.engines.documents import decode, gaps_of, location_of, some, sorted_findings, take_stock, unread
from rafsight.engines.engine import Command, EngineReport, MalformedOutput, Output, Target, Traits
from rafsight.matching.advisory import Facts, ParsedRecord
from rafsight.matching.distributions import FAMILIES, LANGUAGES
from rafsight.matching.ecosystems import package_name, split_ecosystem
from rafsight.matching.feeds.osv import MalformedRecord, RecordParser
from rafsight.matching.finding import Finding
from rafsight.matching.grouping import Member
from rafsight.matching.matcher import judge_members
from rafsight.matching.store import Hit
from rafsight.matching.versions import UncomparableVersion, scheme_for
from rafsight.reports.document import DatabaseFacts

_DATABASES: Final = "osv-scanner scan image --offline-vulnerabilities --download-offline-databases IMAGE"

TRAITS: Final = Traits(
    name="osv-scanner",
    oldest=(2, 0, 0),
    module="github.com/google/osv-scanner/v2",
    covers="Vulnerabilities in packages of distributions and languages, Go binaries, jars; not node_modules.",
    needs=f"its databases: `{_DATABASES}`",
    install="a release from github.com/google/osv-scanner",
    passed=frozenset({"OSV_SCALIBR_LOCAL_DB_CACHE_DIRECTORY", "OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY"}),
    forced={},
    no_mount="it finds the packages of a distribution only in an image, not below a folder",
)

_GOOD: Final = frozenset({0, 1, 128})
"""Nothing found, something found, no packages."""
_PARTIAL: Final = frozenset({127})
"""Since 2.6: nothing found, and something went wrong on the way."""
_NO_PACKAGES: Final = 128
_MISSING: Final = re.compile(r"(?im)could not load db for (.{1,100}?) ecosystem")
_LOADED: Final = re.compile(r"(?im)^loaded (.{1,100}?) local db from ")
_FAILED: Final = re.compile(r"(?im)^error during extraction: \(extracting as ([^)\n]{1,100})\) ((?:.*\n\t)*.*)")
_MATCHING: Final = "vulnmatch/"
"""How the plug-ins are called that look for vulnerabilities."""
_AFTERWARDS: Final = (_MATCHING, "vex/")
"""How those are called that read no files; `vex/` ones only take packages out that are listed twice."""
_NOTHING: Final = b'{"results": []}'
_KINDS: Final = {
    **{family.base: family.packages for family in FAMILIES.values()},
    **{base: Ecosystem(kind) for kind, base in LANGUAGES.items()},
    "ConanCenter": Ecosystem.CONAN,
    "CRAN": Ecosystem.CRAN,
    "GitHub Actions": Ecosystem.GITHUB,
    "Hackage": Ecosystem.HACKAGE,
    "Julia": Ecosystem.JULIA,
    "Opam": Ecosystem.OPAM,
}
"""OSV's ecosystem to ours."""
_IDS: Final = {"Red Hat": "rhel", "SUSE": "sles", "openSUSE": "opensuse-leap"} | {
    family.base: identity
    for identity, family in FAMILIES.items()
    if family.base not in ("Red Hat", "SUSE", "openSUSE") and identity != "mariner"
}
"""OSV's ecosystem to os-release's ID."""


class _Package(msgspec.Struct):
    name: str
    version: str = ""
    ecosystem: str = ""
    os_package_name: str = ""


class _Entry(msgspec.Struct):
    package: _Package
    vulnerabilities: list[msgspec.Raw] | None = None
    licenses: list[str] | None = None


class _Source(msgspec.Struct):
    path: str = ""


class _Result(msgspec.Struct):
    source: _Source
    packages: list[_Entry] | None = None


class _Image(msgspec.Struct):
    os: str = ""


class _Document(msgspec.Struct):
    results: list[_Result] | None
    image_metadata: _Image | None = None


class OsvScanner:
    """The adapter."""

    traits = TRAITS

    def command(self, target: Target) -> Command:
        """Say how to call it."""
        settings = target.scratch / "settings.toml"
        options = ("--offline", "--format", "json", "--all-packages", "--config", str(settings))
        return Command(
            arguments=("scan", "image", *options, "--archive", str(target.place)),
            good=_GOOD,
            partial=_PARTIAL,
            settings=settings,
        )

    def read(self, output: Output) -> EngineReport:
        """Read its JSON.

        Raises: MalformedOutput.
        """
        is_empty = output.status == _NO_PACKAGES and not output.report.strip()
        document = decode(_NOTHING if is_empty else output.report, _Document)
        parser = RecordParser(now=datetime.now(UTC))
        parsed: dict[bytes, ParsedRecord] = {}
        components: dict[Component, list[Member]] = {}
        for result in some(document.results):
            for entry in some(result.packages):
                members = components.setdefault(_component(entry, result.source), [])
                members += _members(entry, parser, parsed)
        findings: list[Finding] = []
        unimportant: list[Finding] = []
        for component, members in components.items():
            matched = judge_members(component, members)
            findings += matched.findings
            unimportant += matched.hidden
        inventory = take_stock(components, _distribution(document))
        return EngineReport(
            inventory=inventory,
            findings=sorted_findings(findings, inventory),
            unimportant=sorted_findings(unimportant, inventory),
            gaps=(*_unread(output.log), *_unmatched(document, output.log), *gaps_of(inventory, lists_only=False)),
            database=DatabaseFacts(path="", built="", newest_record="", record_count=0, digest=""),
            notes=(remedy,) if (remedy := self.remedy(output.log)) else (),
        )

    def remedy(self, log: str) -> str:
        """Say how to get databases that are missing."""
        if not _MISSING.search(log):
            return ""
        return f"A database of osv-scanner is missing here: run `{_DATABASES}`, where the network may be used."


def _component(entry: _Entry, source: _Source) -> Component:
    package = entry.package
    kind = _KINDS.get(split_ecosystem(package.ecosystem)[0], Ecosystem.GENERIC)
    is_os = kind in OS_ECOSYSTEMS
    return Component(
        ecosystem=kind,
        name=package.os_package_name or package.name,
        version=package.version,
        source_name=package.name if is_os else "",
        licenses=tuple(some(entry.licenses)),
        locations=(location_of(source.path),) if source.path else (),
    )


def _members(entry: _Entry, parser: RecordParser, parsed: dict[bytes, ParsedRecord]) -> Iterator[Member]:
    """Turn the records of a package into hits.

    Raises: MalformedOutput.
    """
    base, release = split_ecosystem(entry.package.ecosystem)
    for raw in some(entry.vulnerabilities):
        content = bytes(raw)
        if content not in parsed:
            try:
                parsed[content] = parser.parse(content, "a vulnerability")
            except MalformedRecord as error:
                raise MalformedOutput(str(error)) from error
        record = parsed[content]
        facts, fixed = _details(record, base, release, entry.package)
        hit = Hit(lookup=0, advisory=record.advisory, facts=facts, fixed=fixed)
        yield Member(hit=hit, base=base, release=release)


def _details(record: ParsedRecord, base: str, release: str, package: _Package) -> tuple[Facts, str]:
    """Return what a record says about a package alone, and the version that fixes it; the engine says neither."""
    scheme = scheme_for(base)
    name = package_name(base, package.name)
    about = [one for filed, one in record.affected if filed == base and one.name == name]
    about = [one for one in about if one.release == release] or about
    try:
        key = scheme.key(package.version) if scheme else None
    except UncomparableVersion:
        key = None
    for one in about:
        for interval in one.intervals:
            if key is not None and interval.low <= key < interval.high:
                return one.facts, interval.fixed
    return about[0].facts if about else Facts(), ""


def _distribution(document: _Document) -> Distribution | None:
    """Take the distribution from the ecosystem of its packages, and its full name from the image's metadata."""
    name = document.image_metadata.os if document.image_metadata else ""
    for ecosystem in _ecosystems(some(document.results)):
        base, release = split_ecosystem(ecosystem)
        if _KINDS.get(base) in OS_ECOSYSTEMS:
            return Distribution(id=_IDS.get(base, base.lower()), version=release.removeprefix("v"), name=name)
    return None


def _ecosystems(results: Iterable[_Result]) -> Iterator[str]:
    return (entry.package.ecosystem for result in results for entry in some(result.packages))


def _unmatched(document: _Document, log: str) -> Iterator[Gap]:
    """Say which ecosystems were silently not matched: only its log tells.

    At the first database that is missing it stops, whatever comes after it: packages of other ecosystems, and more of
    those whose database it has loaded. So each ecosystem must be seen to be loaded, and nothing may have gone wrong.
    """
    missing, loaded = set(_MISSING.findall(log)), set(_LOADED.findall(log))
    has_stopped = bool(missing) or any(name.startswith(_MATCHING) for name, _ in _FAILED.findall(log))
    used = {split_ecosystem(ecosystem)[0] for ecosystem in _ecosystems(some(document.results))} - {""}
    for ecosystem in sorted(missing | used if has_stopped else used - loaded):
        if ecosystem in missing:
            lacks = "has no database of this ecosystem here"
        elif ecosystem in loaded:
            lacks = "stopped before it had matched all packages"
        else:
            lacks = "did not come to this ecosystem"
        yield Gap(reason=GapReason.NO_ADVISORIES, subject=ecosystem, detail=f"osv-scanner {lacks}")


def _unread(log: str) -> Iterator[Gap]:
    """Say which files it could not read."""
    for plugin, said in _FAILED.findall(log):
        files = () if plugin.startswith(_AFTERWARDS) else said.split("\n\t")
        for one in filter(None, files):
            path, _, why = one.partition(": ")
            yield unread("osv-scanner", path or plugin, plugin, why)
