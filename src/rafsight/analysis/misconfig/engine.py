"""All checks on one image: which files they need, and what they say once these are there.

This module alone decides which checks are made, how many places one finding shows, and what becomes of a check that
breaks. It does no I/O: the caller reads what `plan` asks for, and hands it to `judge`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice
from typing import Final

import numpy as np

from rafsight.analysis.distribution import merge_distributions
from rafsight.analysis.extractor import FileView, MalformedFile
from rafsight.analysis.inventory import Distribution, Gap, GapReason
from rafsight.analysis.misconfig.accounts import read_accounts
from rafsight.analysis.misconfig.catalogue import CATALOGUE
from rafsight.analysis.misconfig.check import Check, Found, Need, Spots, phrase
from rafsight.analysis.misconfig.configuration import MisconfigSettings
from rafsight.analysis.misconfig.end_of_life import is_unlisted, table_date
from rafsight.analysis.misconfig.finding import Evidence, Misconfiguration
from rafsight.analysis.misconfig.small_files import FILE_COUNT, FILE_SIZE, SmallFiles, plan_files
from rafsight.analysis.misconfig.start import StartConfig, read_start
from rafsight.analysis.misconfig.steps import read_steps
from rafsight.analysis.misconfig.subject import Subject, runs_of
from rafsight.analysis.misconfig.tree_facts import TreeFacts
from rafsight.analysis.misconfig.user_check import FILE_COUNT as USER_FILE_COUNT
from rafsight.analysis.misconfig.user_check import UserCheck, judge_content, judge_metadata, select
from rafsight.analysis.os.release import PRIORITY, read_release
from rafsight.base.severity import Severity
from rafsight.base.text import escape, printable
from rafsight.formats.oci.config import ImageConfig
from rafsight.image.selection import RowArray

EVIDENCE_COUNT: Final = 100
"""Places that one finding shows; the others are counted."""
_MOST: Final = 1_000_000
"""Places that are counted, of a check that tells them one by one."""
_NAME: Final = "misconfig"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What has to be read, each row once."""

    rows: tuple[int, ...]
    small: tuple[tuple[int, bytes], ...]
    """(row, path) of the files of the package's checks."""
    own: tuple[tuple[str, tuple[int, ...]], ...]
    """(id, rows) of users' checks of content."""
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What was read."""

    files: Mapping[int, bytes] = field(default_factory=dict)
    """Whole contents, by row; those that could not be had are missing."""
    config: ImageConfig | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What all checks said."""

    misconfigurations: tuple[Misconfiguration, ...]
    """Ordered by severity, the worst first, then by id."""
    check_count: int
    """Checks that were made."""
    gaps: tuple[Gap, ...]


def plan(tree: TreeFacts, settings: MisconfigSettings) -> Plan:
    """Find what checks of content have to read. Cost: no I/O; as selecting files."""
    gaps: list[Gap] = []
    found = plan_files(tree.tree)
    if len(found) > FILE_COUNT:
        detail = f"{len(found) - FILE_COUNT} more files with settings than are read"
        gaps.append(Gap(reason=GapReason.TOO_LARGE, subject="settings", detail=detail, extractor=_NAME))
    small = []
    for match in found[:FILE_COUNT]:
        if int(tree.tree.entries.size[match.row]) > FILE_SIZE:
            gaps.append(_too_large(match.path, FILE_SIZE))
        else:
            small.append((match.row, match.path))
    looking = [one for one in settings.checks if one.pattern is not None and one.id not in settings.disabled]
    own = [(check.id, _own_rows(check, tree, gaps)) for check in looking]
    rows = dict.fromkeys(row for row, _ in small)
    rows |= dict.fromkeys(row for _, several in own for row in several)
    return Plan(rows=tuple(rows), small=tuple(small), own=tuple(own), gaps=tuple(gaps))


def judge(
    tree: TreeFacts, planned: Plan, contents: Contents, settings: MisconfigSettings, *, today: date,
    catalogue: Sequence[Check] = CATALOGUE,
) -> Judgement:  # fmt: skip
    """Make all checks.

    Args:
        tree: of the image.
        planned: what `plan` said.
        contents: what was read of it, and the image's config.
        settings: what the user said.
        today: for ages and ends of life.
        catalogue: the package's checks.
    Cost: no I/O; linear in the tree by columns.
    """
    gaps = list(planned.gaps)
    subject = _subject(tree, planned, contents, gaps, today)
    results: list[Misconfiguration] = []
    made: list[Check | UserCheck] = [
        check for check in catalogue if contents.config is not None or check.need is Need.TREE
    ]
    made = [check for check in (*made, *settings.checks) if check.id not in settings.disabled]
    for check in made:
        try:
            if isinstance(check, UserCheck):
                failed = _judge_own(check, tree, planned, contents)
            else:
                failed = _result(check, check.find(subject), tree)
        except Exception as defect:  # noqa: BLE001 - a bug of one check must not end the scan
            gaps.append(_defect(check.id, defect))
        else:
            results += failed
    results = [_leveled(one, settings) for one in results]
    results.sort(key=lambda one: (-one.severity, one.id))
    return Judgement(misconfigurations=tuple(results), check_count=len(made), gaps=tuple(gaps))


def _own_rows(check: UserCheck, tree: TreeFacts, gaps: list[Gap]) -> tuple[int, ...]:
    rows = select(check, tree)
    sizes = tree.tree.entries.size[rows]
    gaps += [
        _too_large(tree.tree.path(row), check.content_size) for row in rows[sizes > check.content_size][:20].tolist()
    ]
    rows = rows[sizes <= check.content_size]
    if len(rows) > USER_FILE_COUNT:
        detail = f"{len(rows) - USER_FILE_COUNT} files more than are read for {check.id}"
        gaps.append(Gap(reason=GapReason.TOO_LARGE, subject=check.id, detail=detail, extractor=_NAME))
    return tuple(tree.in_walk_order(rows)[:USER_FILE_COUNT].tolist())


def _subject(tree: TreeFacts, planned: Plan, contents: Contents, gaps: list[Gap], today: date) -> Subject:
    files = SmallFiles(contents={path: contents.files[row] for row, path in planned.small if row in contents.files})
    config = contents.config
    steps = read_steps(config.history) if config else ()
    return Subject(
        tree=tree,
        start=_start(config, gaps),
        steps=steps,
        runs=runs_of(steps),
        files=files,
        accounts=read_accounts(files.get(b"etc/passwd"), files.get(b"etc/group"), files.get(b"etc/shadow")),
        distribution=_distribution(files, gaps),
        today=today,
    )


def _start(config: ImageConfig | None, gaps: list[Gap]) -> StartConfig:
    if config is None:
        return StartConfig()
    try:
        start = read_start(config.raw)
    except MalformedFile as fault:
        gaps.append(Gap(reason=GapReason.MALFORMED, subject="image config", detail=str(fault), extractor=_NAME))
        return StartConfig()
    for name in start.unread:
        detail = "it has another type than it should have"
        gaps.append(Gap(reason=GapReason.MALFORMED, subject=f"image config, {name}", detail=detail, extractor=_NAME))
    return start


def _distribution(files: SmallFiles, gaps: list[Gap]) -> Distribution | None:
    found: list[tuple[bytes, Distribution]] = []
    for path in PRIORITY:
        content = files.get(path)
        if content is None:
            continue
        try:
            read = read_release(FileView(path=path, size=len(content), runs=((0, content),)))
            found += [(path, one) for one in read if isinstance(one, Distribution)]
        except MalformedFile:
            continue  # the packages' analysis says so
    distribution = merge_distributions(found)
    if distribution is not None and is_unlisted(distribution):
        detail = (
            f"the table of {table_date().isoformat()} does not say how long {printable(distribution.name)} is supported"
        )
        gaps.append(Gap(reason=GapReason.UNSUPPORTED, subject="end of life", detail=detail, extractor=_NAME))
    return distribution


def _result(check: Check, found: Found, tree: TreeFacts) -> list[Misconfiguration]:
    if isinstance(found, Spots):
        message = found.message or check.message
        evidence, count = _evidence(found, tree), len(found.rows)
    else:
        message = check.message
        evidence, count = _counted(found)
    if not count:
        return []
    return [_finding(check, phrase(message, count), evidence, count)]


def _finding(check: Check | UserCheck, message: str, evidence: tuple[Evidence, ...], count: int) -> Misconfiguration:
    return Misconfiguration(
        id=check.id,
        aliases=check.aliases,
        category=check.category,
        title=check.title,
        severity=check.severity,
        description=check.description,
        message=message,
        resolution=check.resolution,
        references=check.references,
        evidence=evidence,
        count=count,
    )


def _evidence(spots: Spots, tree: TreeFacts) -> tuple[Evidence, ...]:
    describe = spots.detail or tree.describe
    rows = tree.in_walk_order(spots.rows)[:EVIDENCE_COUNT]
    return tuple(Evidence(path=tree.tree.path(row) or b".", detail=describe(row)) for row in rows.tolist())


def _counted(found: Iterable[Evidence]) -> tuple[tuple[Evidence, ...], int]:
    iterator = iter(found)
    first = tuple(islice(iterator, EVIDENCE_COUNT))
    return first, len(first) + sum(1 for _ in islice(iterator, _MOST))


def _judge_own(check: UserCheck, tree: TreeFacts, planned: Plan, contents: Contents) -> list[Misconfiguration]:
    rows: RowArray = np.zeros(0, dtype=np.int64)
    evidence: Iterable[Evidence]
    if check.pattern is None:
        rows, evidence = judge_metadata(check, tree)
    else:
        wanted = dict(planned.own).get(check.id, ())
        files = {row: contents.files[row] for row in wanted if row in contents.files}
        evidence = judge_content(check, files, tree.tree.path)
    shown, count = _counted(evidence)
    shown, count = (*shown, *_evidence(Spots(rows=rows), tree)), count + len(rows)
    if not count:
        return []
    return [_finding(check, check.message.replace("{count}", f"{count:,}"), shown[:EVIDENCE_COUNT], count)]


def _leveled(one: Misconfiguration, settings: MisconfigSettings) -> Misconfiguration:
    level: Severity | None = settings.severities.get(one.id)
    return one if level is None else replace(one, severity=level)


def _too_large(path: bytes, size: int) -> Gap:
    detail = f"larger than the {size} bytes that are looked at"
    return Gap(reason=GapReason.TOO_LARGE, subject=escape(path), detail=detail, extractor=_NAME)


def _defect(name: str, defect: Exception) -> Gap:
    detail = f"this is a mistake in the check: {type(defect).__name__}: {printable(str(defect))}"
    return Gap(reason=GapReason.UNSUPPORTED, subject=name, detail=detail, extractor=_NAME)
