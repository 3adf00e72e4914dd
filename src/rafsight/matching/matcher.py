"""An inventory and a database to findings.

This module alone decides what of a hit counts: rpm builds of another module stream or flavour do not, flaws that Debian
calls unimportant are kept apart, and the severity of flaws in kernel headers is capped, since no kernel runs in an
image.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rafsight.analysis.inventory import OS_ECOSYSTEMS, Component, Ecosystem, Gap, Inventory
from rafsight.base.severity import Severity
from rafsight.matching.distributions import UBUNTU_PRO
from rafsight.matching.elsewhere import titles_elsewhere, verdicts_elsewhere
from rafsight.matching.finding import Finding, Status
from rafsight.matching.grouping import Flaw, Member, group
from rafsight.matching.questions import ask
from rafsight.matching.severity import END_OF_LIFE, UNIMPORTANT, Opinion, Verdict, judge
from rafsight.matching.sources import CVE, is_bundle, page_of, publisher_of
from rafsight.matching.store import AdvisoryDatabase, Hit
from rafsight.matching.versions import UncomparableVersion, scheme_for

KERNEL_HEADERS_CAP: Final = Severity.LOW
"""The highest severity of a flaw in headers of a kernel that does not run."""

_KERNEL_HEADERS: Final = re.compile(r"(?:linux-libc-dev|kernel-(?:\w+-)?headers|linux-(?:\w+-)?headers)(?:-.+)?\Z")
_MALWARE: Final = "MAL-"
_MODULAR: Final = re.compile(r"\.module[_+]")
_FLAVOURS: Final = (".ksplice", "_fips", ".fips")


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchResult:
    """What a database says about an inventory."""

    findings: tuple[Finding, ...]
    """Ordered by component as in the inventory, then by severity (worst first), then by id."""
    gaps: tuple[Gap, ...]
    hidden: tuple[Finding, ...] = ()
    """Flaws without effect on security by the distribution's own word (Debian's `unimportant`): hidden by default."""


def match(inventory: Inventory, database: AdvisoryDatabase) -> MatchResult:
    """Find the advisories that affect the components of an inventory.

    Raises: DatabaseDamaged.
    Cost: One index range for each component, and the bodies of the records that are found.
    """
    asked = ask(inventory, database.coverage())
    hits = database.find([question.lookup for question in asked.questions])
    by_component: dict[int, list[Member]] = {}
    for hit in hits:
        question = asked.questions[hit.lookup]
        if _counts(inventory.components[question.component], hit):
            member = Member(hit=hit, base=question.lookup.base, release=question.lookup.release)
            by_component.setdefault(question.component, []).append(member)
    flaws = [
        _Judged(component=inventory.components[index], flaw=flaw, verdict=_judge(inventory.components[index], flaw))
        for index in sorted(by_component)
        for flaw in group(by_component[index])
    ]
    context = _ask_elsewhere(database, flaws) if flaws else _Context()
    findings: list[Finding] = []
    hidden: list[Finding] = []
    for judged in flaws:
        (hidden if _is_unimportant(judged.flaw) else findings).append(_finding(judged, context))
    order = {id(component): index for index, component in enumerate(inventory.components)}
    return MatchResult(findings=_sorted(findings, order), gaps=asked.gaps, hidden=_sorted(hidden, order))


def judge_members(component: Component, members: Iterable[Member]) -> MatchResult:
    """Make findings of hits that somebody else found for one component, without asking a database about anything.

    Cost: none beyond the hits.
    """
    findings: list[Finding] = []
    hidden: list[Finding] = []
    for flaw in group(members):
        judged = _Judged(component=component, flaw=flaw, verdict=_judge(component, flaw))
        (hidden if _is_unimportant(flaw) else findings).append(_finding(judged, _Context()))
    return MatchResult(findings=tuple(findings), gaps=(), hidden=tuple(hidden))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A flaw of a component, with what its own records say about its severity."""

    component: Component
    flaw: Flaw
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """What the database knows about flaws beyond the records that matched; by id of the flaw."""

    exploited: frozenset[str] = frozenset()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    likelihoods: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def _judge(component: Component, flaw: Flaw) -> Verdict:
    first = flaw.members[0]
    vendor = publisher_of(first.hit.advisory.id, first.base).source.id
    return judge(_opinions(flaw), preferred=(vendor,) if _is_os(component) else ("ghsa",))


def _ask_elsewhere(database: AdvisoryDatabase, flaws: Sequence[_Judged]) -> _Context:
    unrated = {judged.flaw.id: judged.flaw for judged in flaws if not judged.verdict.source}
    untitled = {
        judged.flaw.id: judged.flaw
        for judged in flaws
        if not any(member.hit.advisory.summary for member in judged.flaw.members)
    }
    return _Context(
        exploited=database.known_exploited(),
        verdicts=verdicts_elsewhere(database, [*unrated.values()]),
        titles=titles_elsewhere(database, [*untitled.values()]),
        likelihoods=database.likelihoods([name for judged in flaws for name in _cves(judged.flaw)]),
    )


def _cves(flaw: Flaw) -> list[str]:
    return [name for name in (flaw.id, *flaw.aliases) if CVE.match(name)]


def _sorted(findings: Iterable[Finding], order: dict[int, int]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: (order[id(finding.component)], -finding.severity, finding.id)))


def _counts(component: Component, hit: Hit) -> bool:
    """Tell whether a hit is about this build of the component."""
    if hit.facts.binaries and component.name not in hit.facts.binaries:
        return False
    if component.ecosystem != Ecosystem.RPM or not hit.fixed:
        return True
    if any((mark in component.version) != (mark in hit.fixed) for mark in _FLAVOURS):
        return False
    modular = bool(component.modularity) or _MODULAR.search(component.version) is not None
    if modular != (_MODULAR.search(hit.fixed) is not None):
        return False
    return not modular or _is_same_stream(component.modularity, hit.advisory.summary)


def _is_same_stream(label: str, summary: str) -> bool:
    """Compare a modularity label with the streams that the title of an erratum names, if it names the module at all."""
    module, _, rest = label.partition(":")
    stream = rest.partition(":")[0]
    if not stream:
        return True
    named = re.findall(rf"(?<![\w.+-]){re.escape(module)}:([\w.+-]+)", summary)
    return not named or stream in named


def _finding(judged: _Judged, context: _Context) -> Finding:
    component, flaw = judged.component, judged.flaw
    advisories = [member.hit.advisory for member in flaw.members]
    first = flaw.members[0]
    publisher = publisher_of(first.hit.advisory.id, first.base)
    malware = any(advisory.id.startswith(_MALWARE) for advisory in advisories)
    verdict = judged.verdict if judged.verdict.source else context.verdicts.get(flaw.id, judged.verdict)
    severity = Severity.CRITICAL if malware else verdict.severity
    headers = _is_os(component) and _KERNEL_HEADERS.match(component.name) is not None
    fixed_versions, channel = _fixes(flaw)
    likely = max((context.likelihoods[name] for name in _cves(flaw) if name in context.likelihoods), default=None)
    return Finding(
        id=flaw.id,
        aliases=flaw.aliases,
        advisories=tuple(dict.fromkeys(advisory.id for advisory in advisories)),
        component=component,
        status=_status(flaw, fixed_versions),
        fixed_versions=fixed_versions,
        severity=min(severity, KERNEL_HEADERS_CAP) if headers else severity,
        severity_source=_severity_source(verdict, malware=malware, publisher=publisher.source.id),
        ratings=verdict.ratings,
        vendor_severities=verdict.vendor_severities,
        title=_first(advisory.summary for advisory in advisories) or context.titles.get(flaw.id, ""),
        description=_first(advisory.details for advisory in advisories),
        references=tuple(dict.fromkeys(url for advisory in advisories for url in advisory.references)),
        primary_url=page_of(flaw.id, publisher),
        cwe_ids=tuple(sorted({cwe for advisory in advisories for cwe in advisory.cwe_ids})),
        published=_first(advisory.published for advisory in advisories),
        modified=max(advisory.modified for advisory in advisories),
        data_source=publisher.source,
        known_exploited=not context.exploited.isdisjoint((flaw.id, *flaw.aliases)),
        malware=malware,
        kernel_headers=headers,
        fix_channel=channel,
        epss=likely[0] if likely else None,
        epss_percentile=likely[1] if likely else None,
    )


def _opinions(flaw: Flaw) -> list[Opinion]:
    opinions: list[Opinion] = []
    for member in flaw.members:
        advisory, facts = member.hit.advisory, member.hit.facts
        named = [vector for item in facts.flaws if item.id == flaw.id for vector in item.vectors]
        vectors = named or facts.vectors or advisory.vectors
        opinions.append(
            Opinion(
                source=publisher_of(advisory.id, member.base).source.id,
                vectors=tuple((vector.type, vector.score) for vector in vectors),
                word=advisory.word,
                urgency=facts.urgency,
                summary=advisory.summary,
            )
        )
    return opinions


def _severity_source(verdict: Verdict, *, malware: bool, publisher: str) -> str:
    return publisher if malware else verdict.source


def _fixes(flaw: Flaw) -> tuple[tuple[str, ...], str]:
    """Return the versions that end the flaw, lowest first, and the channel if only subscribers get them."""
    ordinary = [member for member in flaw.members if not member.release.startswith(UBUNTU_PRO)]
    for members, channel in ((ordinary, ""), (flaw.members, "Ubuntu Pro")):
        fixed = _distinct(members)
        if fixed:
            return fixed, channel
    return (), ""


def _distinct(members: Sequence[Member]) -> tuple[str, ...]:
    """Return the fixed versions of some hits in order, those that are equal once."""
    keyed: dict[bytes, str] = {}
    for member in members:
        scheme = scheme_for(member.base)
        if not member.hit.fixed or scheme is None:
            continue
        try:
            keyed.setdefault(scheme.key(member.hit.fixed), member.hit.fixed)
        except UncomparableVersion:  # never by our own import, but the file may come from others
            continue
    return tuple(keyed[key] for key in sorted(keyed))


def _status(flaw: Flaw, fixed_versions: Sequence[str]) -> Status:
    if fixed_versions:
        return Status.FIXED
    if any(member.hit.facts.urgency == END_OF_LIFE for member in flaw.members):
        return Status.END_OF_LIFE
    return Status.AFFECTED


def _is_unimportant(flaw: Flaw) -> bool:
    """Tell whether the distribution says that a flaw does not matter; an erratum for it says that it does."""
    said = any(member.hit.facts.urgency == UNIMPORTANT for member in flaw.members)
    return said and not any(is_bundle(member.hit.advisory.id) for member in flaw.members)


def _is_os(component: Component) -> bool:
    return component.ecosystem in OS_ECOSYSTEMS


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")
