"""What a policy says to a report: does it hold, and why.

A clause about which the report has no answer is neither true nor false, and neither may the policy be then. This module
alone decides what each clause counts; `policy_language` reads policies, `policy_words` has the words.
"""

import fnmatch
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final, NamedTuple

from rafsight.analysis.inventory import Component, Ecosystem, Gap
from rafsight.analysis.misconfig.finding import Misconfiguration
from rafsight.analysis.secrets.finding import Secret
from rafsight.base.durations import format_duration
from rafsight.matching.finding import Finding
from rafsight.reports.database_age import age_of_database
from rafsight.reports.document import PolicyAnswer, ScanReport
from rafsight.reports.policy_language import Clause, Policy
from rafsight.reports.policy_words import AGE, WORDS, Item, items_of, looked_for

_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_JOINED: Final = re.compile(
    r"[\s,;/|]{1,8}(?:and/or|and|or|with)[\s,;]{1,8}|[()\s]{0,4}[,;/|()][()\s]{0,4}", re.IGNORECASE
)
"""What stands between licences."""
_NAMED: Final = 3
"""Things that a reason names."""


class _Answer(NamedTuple):
    """Whether something holds, and the facts that make it so."""

    holds: bool | None
    reasons: tuple[str, ...]


def ask_policies(report: ScanReport, policies: Sequence[Policy]) -> ScanReport:
    """Add to a report what each policy says to it.

    Args:
        report: as filtered; what filters and ignore files took out is not counted.
        policies: none leaves the report as it is.
    Cost: linear in the findings and packages, for each clause.
    """
    return replace(report, policies=tuple(ask_policy(report, policy) for policy in policies))


def ask_policy(report: ScanReport, policy: Policy) -> PolicyAnswer:
    """Tell whether a policy holds for a report, which means that the image fails it; see `ask_policies`."""
    stack: list[_Answer] = []
    for step in policy.steps:
        if isinstance(step, Clause):
            stack.append(_ask(report, step))
        elif step == "not":
            inner = stack.pop()
            stack.append(_Answer(None if inner.holds is None else not inner.holds, inner.reasons))
        else:
            second = stack.pop()
            stack.append(_join(stack.pop(), second, decides=step == "or"))
    answer = stack.pop()
    return PolicyAnswer(expression=policy.text, holds=answer.holds, reasons=tuple(dict.fromkeys(answer.reasons)))


def unanswerable(policy: Policy, scanners: Iterable[str]) -> tuple[Clause, ...]:
    """Return the clauses that no scan with these scanners can answer, so that nobody waits for it.

    Args:
        policy: any.
        scanners: what is looked for.
    """
    sought = {*scanners, "gap"}
    return tuple(clause for clause in policy.clauses if clause.kinds and sought.isdisjoint(clause.kinds))


def _join(first: _Answer, second: _Answer, *, decides: bool) -> _Answer:
    """Join two answers by `or` (which a yes decides) or by `and` (which a no decides), keeping what made it so."""
    both = (first, second)
    for holds in (decides, None):
        if any(one.holds is holds for one in both):
            return _Answer(holds, tuple(reason for one in both if one.holds is holds for reason in one.reasons))
    return _Answer(not decides, first.reasons + second.reasons)


def _ask(report: ScanReport, clause: Clause) -> _Answer:
    if clause.measure == AGE:
        value, fact = _age(report)
    elif clause.kinds.isdisjoint(looked_for(report)) and not (clause.function and report.inventory.components):
        value, fact = None, "was not looked for"
    elif missing := _missing(report, clause):
        value, fact = None, f"is not known: the database has no {missing}"
    elif clause.function == "license":
        return _ask_licenses(report.inventory.components, clause)
    elif clause.function == "package":
        value, fact = _counted([_named(one) for one in report.inventory.components if _is_meant(one, clause)])
    else:
        items = [item for item in items_of(report, clause.kinds) if _passes(item, clause)]
        value, fact = _measured(items, clause.measure) if clause.measure else _counted([_title(one) for one in items])
    if value is None:
        return _Answer(None, (f"{clause.text} {fact}",))
    compared = clause.comparison
    return _Answer(_COMPARE[compared.operator](value, compared.value), (f"{clause.text} is {fact}",))


def _ask_licenses(components: Sequence[Component], clause: Clause) -> _Answer:
    """Count packages under some licences; each that names none may be one of them, so that it may leave no answer."""
    is_meant = _matcher(clause.patterns)
    nameless = [_named(one) for one in components if not one.licenses]
    count, fact = _counted([_named(one) for one in components if any(map(is_meant, _licenses_of(one)))])
    compare, value = _COMPARE[clause.comparison.operator], clause.comparison.value
    answers = {compare(possible, value) for possible in range(int(count), int(count) + len(nameless) + 1)}
    if len(answers) == 1:
        return _Answer(answers.pop(), (f"{clause.text} is {fact}",))
    found = "1 package names" if len(nameless) == 1 else f"{len(nameless):,} packages name"
    _, those = _counted(nameless)
    unknown = f"{clause.text} is {fact} among packages that name a licence, but {found} none {those.partition(' ')[2]}"
    return _Answer(None, (unknown,))


def _licenses_of(component: Component) -> Iterable[str]:
    """Return the licences of a package as it names them, and each that stands in an expression: `MIT OR (A AND B)`."""
    for name in component.licenses:
        yield name
        if "://" not in name:
            yield from filter(None, _JOINED.split(name))


def _missing(report: ScanReport, clause: Clause) -> str:
    """Name what the database would need for an answer and has not; empty if there is no such thing."""
    if report.database is None or not report.findings:
        return ""
    if "kev" in clause.words and not report.database.knows_exploited:
        return "catalogue of exploited flaws"
    return "EPSS" if clause.measure == "epss" and not report.database.knows_likelihoods else ""


def _age(report: ScanReport) -> tuple[float | None, str]:
    age = age_of_database(report)
    return (None, "is not known") if age is None else (age, format_duration(age))


def _counted(names: Sequence[str]) -> tuple[float, str]:
    if not names:
        return 0, "0"
    different = list(dict.fromkeys(names))
    more = f" and {len(different) - _NAMED:,} more" if len(different) > _NAMED else ""
    return len(names), f"{len(names):,} ({', '.join(different[:_NAMED])}{more})"


def _passes(item: Item, clause: Clause) -> bool:
    if clause.function == "id":
        return any(map(_matcher(clause.patterns), _ids(item)))
    return all(WORDS[word].passes(item) for word in clause.words)


def _measured(items: Sequence[Item], measure: str) -> tuple[float, str]:
    """Return the highest number, and say whose it is; what nobody has rated counts as 0."""
    flaws = [item for item in items if isinstance(item, Finding)]
    rated = [(number, _title(flaw)) for flaw in flaws if (number := _number_of(flaw, measure)) is not None]
    if not rated:
        return 0, f"0 ({len(flaws):,} without)" if flaws else "0"
    number, title = max(rated, key=lambda pair: pair[0])
    unrated = f"; {len(flaws) - len(rated):,} without" if len(rated) < len(flaws) else ""
    return number, f"{number:.4g} ({title}{unrated})"


def _number_of(flaw: Finding, measure: str) -> float | None:
    if measure == "epss":
        return flaw.epss
    return max((rating.score for rating in flaw.ratings), default=None)


def _ids(item: Item) -> tuple[str, ...]:
    if isinstance(item, Finding):
        return (item.id, *item.aliases, *item.advisories)
    if isinstance(item, Misconfiguration):
        return (item.id, *item.aliases)
    return (item.rule_id,) if isinstance(item, Secret) else ()


def _title(item: Item) -> str:
    if isinstance(item, Finding):
        return f"{item.id} in {item.component.name}"
    if isinstance(item, Gap):
        return item.subject
    return item.rule_id if isinstance(item, Secret) else item.id


def _named(component: Component) -> str:
    return f"{component.name} {component.version}".rstrip()


def _is_meant(component: Component, clause: Clause) -> bool:
    names = [component.name]
    if component.ecosystem is Ecosystem.MAVEN:
        names.append(component.name.rpartition(":")[2])
    for pattern in clause.patterns:
        at = pattern.rfind("@", 1)  # not that of an npm scope
        name, version = (pattern[:at], pattern[at + 1 :]) if at > 0 else (pattern, "*")
        if any(map(_matcher((name,)), names)) and _matcher((version,))(component.version):
            return True
    return False


@lru_cache(maxsize=64)
def _matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Compile patterns with `*` and `?`, in which upper and lower case are alike."""
    whole = "|".join(_translated(pattern.lower()) for pattern in patterns)
    compiled = re.compile(whole, re.DOTALL)
    return lambda text: compiled.fullmatch(text.lower()) is not None


def _translated(pattern: str) -> str:
    return fnmatch.translate(pattern.replace("[", "[[]"))  # a bracket is a bracket
