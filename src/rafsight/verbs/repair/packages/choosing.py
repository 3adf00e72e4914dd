"""Which package files of a folder fix what a scan found.

This module alone decides that. Of the files of a package that fit the image and are newer than what is installed, the
one that fixes most of its findings is taken; of those the lowest version, for Node.js of the same major version if
there is one. Where a report names a fix for each branch, that of a file's own branch counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rafsight.matching.fixing import ends_flaw, version_numbers
from rafsight.matching.versions import UncomparableVersion
from rafsight.verbs.repair.packages.outcome import DEB, NPM, WHEEL
from rafsight.verbs.repair.packages.python_site import site_by_path
from rafsight.verbs.repair.packages.replacing import PackageFile
from rafsight.verbs.repair.packages.scan_report import Report, ReportedFinding
from rafsight.verbs.repair.packages.shelf import SCHEMES, ShelfFile, Unusable, look_through, name_key
from rafsight.verbs.repair.packages.wheel_fit import machine_of, why_unfit

_MUSL_FAMILIES: Final = frozenset({"alpine"})
_DEB_ARCHITECTURES: Final = {
    "amd64": "amd64",
    "arm64": "arm64",
    "arm64/v8": "arm64",
    "arm": "armhf",
    "arm/v7": "armhf",
    "arm/v5": "armel",
    "386": "i386",
    "ppc64le": "ppc64el",
    "s390x": "s390x",
    "riscv64": "riscv64",
}
"""dpkg's words for platforms."""
_ALL: Final = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A package file that fixes something."""

    file: PackageFile
    """With the installed versions that it replaces."""
    name: str
    version: str
    findings: tuple[str, ...]
    """Ids of the findings that it fixes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """A finding that stays."""

    finding: str
    package: str
    """Name and installed version."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a folder has for a report."""

    chosen: tuple[Chosen, ...]
    """By kind, name and version."""
    remaining: tuple[Remaining, ...]
    """In the order of the report."""
    unusable: tuple[Unusable, ...]
    """Files of the folder that are no packages, although they are called so."""


@dataclass(slots=True, kw_only=True)
class _Group:
    """Findings of one installed package that one file has to fix."""

    first: ReportedFinding
    findings: list[ReportedFinding] = field(default_factory=list)


def choose_packages(report: Report, folder: Path) -> Choice:
    """Choose package files for the findings of a report.

    Args:
        report: as `read_report` gives it.
        folder: with `.whl`, `.tgz` and `.deb` files.
    Raises: UnreadablePackage: the folder cannot be read.
    Cost: the head of each file in the folder.
    """
    shelf, unusable = _shelf(folder)
    taken: dict[Path, tuple[ShelfFile, dict[str, None], dict[str, None]]] = {}
    reasons: dict[ReportedFinding, str] = {}
    for group in _groups(report.findings):
        best, whys = _best(group, shelf, report)
        reasons |= whys
        if best is not None:
            _, versions, fixed = taken.setdefault(best.path, (best, {}, {}))
            versions[group.first.version] = None
            fixed |= {one.id: None for one in group.findings if one not in whys}
    chosen = sorted(taken.values(), key=lambda one: (one[0].kind, one[0].name, one[0].path))
    return Choice(
        chosen=tuple(
            Chosen(
                file=PackageFile(kind=one.kind, path=one.path, versions=tuple(versions)),
                name=one.name,
                version=one.version,
                findings=tuple(fixed),
            )
            for one, versions, fixed in chosen
        ),
        remaining=tuple(
            Remaining(finding=one.id, package=f"{one.name} {one.version}", why=reasons[one])
            for one in dict.fromkeys(report.findings)
            if one in reasons
        ),
        unusable=tuple(unusable),
    )


def _shelf(folder: Path) -> tuple[dict[tuple[str, str], list[ShelfFile]], list[Unusable]]:
    """Return the package files of a folder by kind and name, and those that are none."""
    shelf: dict[tuple[str, str], list[ShelfFile]] = {}
    unusable: list[Unusable] = []
    for one in look_through(folder):
        if isinstance(one, Unusable):
            unusable.append(one)
        else:
            shelf.setdefault((one.kind, one.name), []).append(one)
    return shelf, unusable


def _groups(findings: Iterable[ReportedFinding]) -> list[_Group]:
    """Put findings together that the same file would fix: of one version, for one interpreter or architecture."""
    groups: dict[tuple[object, ...], _Group] = {}
    for one in dict.fromkeys(findings):
        site = site_by_path(_site_path(one.path))
        place = (site.version, site.interpreter, site.threads) if site is not None else None
        name = name_key(one.kind, one.name)
        key = (one.kind or one.ecosystem, name, one.version, one.architecture, place if one.kind == WHEEL else None)
        groups.setdefault(key, _Group(first=one)).findings.append(one)
    return list(groups.values())


def _best(
    group: _Group, shelf: Mapping[tuple[str, str], Sequence[ShelfFile]], report: Report
) -> tuple[ShelfFile | None, dict[ReportedFinding, str]]:
    """Return the file to take, if there is one, and why the findings stay that it does not fix."""
    first, whys = group.first, {one: why for one in group.findings if (why := _why_never(one))}
    fixable = [one for one in group.findings if one not in whys]
    if not fixable:
        return None, whys
    files = shelf.get((first.kind, name_key(first.kind, first.name)), [])
    if not files:
        return None, whys | dict.fromkeys(fixable, "the folder has no file of it")
    unfit = {one.path: why for one in files if (why := _why_unfit(one, first, report))}
    fitting = [one for one in files if one.path not in unfit]
    if not fitting:
        return None, whys | dict.fromkeys(fixable, f"{files[0].path.name} does not fit: {unfit[files[0].path]}")
    ranked = []
    for one in fitting:
        fixed = [finding for finding in fixable if _fixes(one, finding)]
        if fixed and _is_upgrade(one, first.version):
            jumps = first.kind == NPM and version_numbers(one.version)[:1] != version_numbers(first.version)[:1]
            ranked.append(((-len(fixed), jumps, _key(one.kind, one.version), one.path), one, fixed))
    best, done = None, list[ReportedFinding]()
    if ranked:
        _, best, done = min(ranked, key=lambda entry: entry[0])
    highest = max(fitting, key=lambda one: _key(one.kind, one.version))
    for finding in fixable:
        if finding not in done:
            shown = f"{(best or highest).path.name} does not fix it: {', '.join(finding.fixes)} is needed"
            whys[finding] = shown
    return best, whys


def _why_never(finding: ReportedFinding) -> str:
    if not finding.kind:
        return f"packages of the kind '{finding.ecosystem}' cannot be replaced"
    return "" if finding.fixes else "no fix is known"


def _why_unfit(file: ShelfFile, finding: ReportedFinding, report: Report) -> str:
    """Say why a file cannot be put into the image, as far as the report tells; empty if it can."""
    if file.kind == DEB:
        platform = report.platform.partition("/")[2]
        wanted = finding.architecture or _DEB_ARCHITECTURES.get(platform, "")
        fits = not wanted or _ALL in (wanted, file.architecture) or file.architecture == wanted
        return "" if fits else f"it is for {file.architecture}, and {wanted} is installed"
    site = site_by_path(_site_path(finding.path))
    if file.wheel is None or site is None:
        return ""
    libc = "musl" if report.family in _MUSL_FAMILIES else ""
    return why_unfit(file.wheel, site, machine=machine_of(report.platform), libc=libc)


def _site_path(path: str) -> bytes:
    """Return the folder of distributions above a file of a `.dist-info` or `.egg-info` folder."""
    return path.encode("utf-8", "replace").lstrip(b"/").rpartition(b"/")[0].rpartition(b"/")[0]


def _fixes(file: ShelfFile, finding: ReportedFinding) -> bool:
    return ends_flaw(file.advised_version, finding.fixes, SCHEMES[file.kind])


def _is_upgrade(file: ShelfFile, installed: str) -> bool:
    return _key(file.kind, file.version) > _key(file.kind, installed)


def _key(kind: str, version: str) -> bytes:
    """Return the place of a version in its order; what has none lies below all others."""
    try:
        return SCHEMES[kind].key(version)
    except UncomparableVersion:
        return b""
