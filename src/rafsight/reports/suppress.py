"""What ignore files and VEX documents take out of a report, and what stays.

Nothing is lost: what is taken out stands in `suppressed` with who says so and why. An ignore rule counts alone; of VEX
statements about the same finding the latest counts, whatever it says. Places are taken out one by one where a finding
has several. This module alone decides that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

from rafsight.analysis.inventory import Component
from rafsight.analysis.misconfig.finding import Evidence, Misconfiguration
from rafsight.analysis.secrets.finding import Secret
from rafsight.matching.finding import Finding
from rafsight.matching.suppression.purls import parse_purl
from rafsight.matching.suppression.reading import IGNORE_SIZE, VEX_SIZE, parse_ignore_file, parse_vex
from rafsight.matching.suppression.rule import (
    IGNORED,
    MISCONFIGURATIONS,
    SECRETS,
    SUPPRESSING,
    VULNERABILITIES,
    Rule,
    Target,
    fold,
    matches_path,
)
from rafsight.reports.document import ImageFacts, ScanReport, Suppressed
from rafsight.reports.image_purl import repository_of

__all__ = ["IGNORE_SIZE", "VEX_SIZE", "Rule", "expired", "parse_ignore_file", "parse_vex", "suppress"]


def expired(rules: Iterable[Rule], today: date) -> dict[str, int]:
    """Count the rules of each file that count no longer."""
    counts: dict[str, int] = {}
    for rule in rules:
        if not rule.is_current(today):
            counts[rule.source] = counts.get(rule.source, 0) + 1
    return counts


def suppress(report: ScanReport, rules: Sequence[Rule], today: date) -> ScanReport:
    """Take out what rules say need not be shown.

    Args:
        report: before filters; it stays as it is.
        rules: of all files; where two VEX statements are of the same time, the one that comes later counts.
        today: what expires on this day counts no longer.
    Cost: linear in the findings, and in the rules that have their names.
    """
    judge = _Judge(report.image, [rule for rule in rules if rule.is_current(today)])
    findings, unimportant = judge.vulnerabilities(report.findings), judge.vulnerabilities(report.unimportant)
    secrets = tuple(kept for secret in report.secrets if (kept := judge.secret(secret)) is not None)
    checks = tuple(left for check in report.misconfigurations if (left := judge.check(check)) is not None)
    return replace(
        report,
        findings=findings,
        unimportant=unimportant,
        secrets=secrets,
        misconfigurations=checks,
        suppressed=(*report.suppressed, *judge.suppressed),
    )


class _Judge:
    """Applies rules, and keeps what they took out."""

    def __init__(self, image: ImageFacts, rules: Iterable[Rule]) -> None:
        self._image = image
        self._rules: dict[str, list[tuple[int, Rule]]] = {}
        for number, rule in enumerate(rules):
            for name in rule.names:
                self._rules.setdefault(name, []).append((number, rule))
        self.suppressed: list[Suppressed] = []

    def vulnerabilities(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """Return the findings that stay."""
        if not self._rules:
            return findings
        kept = []
        for finding in findings:
            names = (finding.id, *finding.aliases, *finding.advisories)
            rules = [rule for rule in self._about(VULNERABILITIES, names) if self._means(rule, finding.component)]
            rule = _deciding(rules)
            if rule is None:
                kept.append(finding)
            else:
                self._keep(finding, rule)
        return tuple(kept)

    def secret(self, secret: Secret) -> Secret | None:
        """Return what stays of a secret: the places that no rule means."""
        rules = [rule for rule in self._about(SECRETS, (secret.rule_id,)) if not rule.targets]
        places = secret.places
        for rule in rules:
            taken = tuple(place for place in places if _means_place(rule, place.path))
            if taken:
                self._keep(replace(secret, places=taken), rule)
                places = tuple(place for place in places if place not in taken)
        if not places:
            return None
        return secret if places == secret.places else replace(secret, places=places)

    def check(self, check: Misconfiguration) -> Misconfiguration | None:
        """Return what stays of a check that failed: the places that no rule means."""
        rules = [rule for rule in self._about(MISCONFIGURATIONS, (check.id, *check.aliases)) if not rule.targets]
        left, count = check.evidence, check.count
        for rule in rules:
            if not rule.paths:
                self._keep(_part_of(check, left, count), rule)
                return None
            taken = tuple(one for one in left if _means_place(rule, one.path))
            if taken:
                self._keep(_part_of(check, taken, len(taken)), rule)
                left, count = tuple(one for one in left if one not in taken), count - len(taken)
        if left == check.evidence:
            return check
        return _part_of(check, left, count) if count > 0 else None

    def _about(self, kind: str, names: Iterable[str]) -> list[Rule]:
        """Return the rules that have one of some names, in their order."""
        found = {
            number: rule for name in names for number, rule in self._rules.get(fold(name), ()) if kind in rule.kinds
        }
        return [found[number] for number in sorted(found)]

    def _means(self, rule: Rule, component: Component) -> bool:
        """Tell whether a rule is about a package: one of its targets is, and its globs name every place of it."""
        if rule.paths and not (
            component.locations and all(matches_path(rule.paths, one) for one in component.locations)
        ):
            return False
        return not rule.targets or any(self._targets(target, component) for target in rule.targets)

    def _targets(self, target: Target, component: Component) -> bool:
        if target.image and not _is_image(target.image, self._image):
            return False
        if target.package is None:
            return True
        purl = parse_purl(component.purl)
        return purl is not None and target.package.means(purl)

    def _keep(self, finding: Finding | Secret | Misconfiguration, rule: Rule) -> None:
        one = Suppressed(finding=finding, status=rule.status, statement=rule.statement, source=rule.source)
        self.suppressed.append(one)


def _part_of(check: Misconfiguration, evidence: tuple[Evidence, ...], count: int) -> Misconfiguration:
    """Make a finding of some of its places; a message that counts them counts these."""
    from rafsight.analysis.misconfig.catalogue import CATALOGUE  # most reports have nothing to suppress
    from rafsight.analysis.misconfig.check import phrase

    said = next((one.message for one in CATALOGUE if one.id == check.id), "")
    counts = said and check.message == phrase(said, check.count)
    return replace(check, evidence=evidence, count=count, message=phrase(said, count) if counts else check.message)


def _deciding(rules: Sequence[Rule]) -> Rule | None:
    """Return the rule that takes a finding out, None if it stays: an ignore rule, else the latest VEX statement."""
    ignoring = next((rule for rule in rules if rule.status == IGNORED), None)
    if ignoring is not None or not rules:
        return ignoring
    latest = max(enumerate(rules), key=lambda pair: (pair[1].said, pair[0]))[1]
    return latest if latest.status in SUPPRESSING else None


def _means_place(rule: Rule, path: bytes) -> bool:
    """Tell whether a rule means a place; one that is no file is meant by rules without globs only."""
    return not rule.paths or (bool(path) and matches_path(rule.paths, path))


def _is_image(name: str, image: ImageFacts) -> bool:
    """Tell whether a VEX document's name of an image means the image of a report."""
    digests = {image.index_digest, image.manifest_digest} - {""}
    purl = parse_purl(name)
    if purl is None:
        return name in {image.name, *image.repo_tags, *image.repo_digests, *digests}
    repository = repository_of(image)
    if purl.type != "oci" or purl.name != repository.rpartition("/")[2].lower():
        return False
    if purl.version and purl.version not in digests:
        return False
    said = dict(purl.qualifiers)
    place = said.get("repository_url", "").lower().removesuffix("/")
    if place and repository.lower() not in (place, f"{place}/{purl.name}"):
        return False
    if "tag" in said and f"{repository}:{said['tag']}" not in image.repo_tags:
        return False
    return "arch" not in said or said["arch"] == image.platform.partition("/")[2].partition("/")[0]
