"""What records that did not match say about a flaw that did: how bad it is, and what it is called.

This module alone decides when records about other packages are asked. They are the last to be heard: a severity from
there counts only where nobody who speaks about the component says any, and a title only from a record of the same
ecosystem that goes by one of the flaw's ids.
"""

from collections.abc import Mapping, Sequence

from rafsight.matching.grouping import Flaw
from rafsight.matching.severity import Opinion, Verdict, judge
from rafsight.matching.sources import is_cve, publisher_of
from rafsight.matching.store import AdvisoryDatabase, Rating


def verdicts_elsewhere(database: AdvisoryDatabase, flaws: Sequence[Flaw]) -> Mapping[str, Verdict]:
    """Judge flaws by what the whole database says about their CVEs.

    Returns: by id of the flaw; those that nobody rates are missing.
    Raises: DatabaseDamaged.
    Cost: One index range for each CVE, and the bodies of the records that rate them.
    """
    names = {flaw.id: [name for name in (flaw.id, *flaw.aliases) if is_cve(name)] for flaw in flaws}
    by_cve: dict[str, list[Opinion]] = {}
    for rating in database.ratings([name for found in names.values() for name in found]):
        by_cve.setdefault(rating.cve, []).append(_opinion(rating))
    verdicts = {
        flaw: judge([opinion for name in found for opinion in by_cve.get(name, ())], preferred=("ghsa",))
        for flaw, found in names.items()
    }
    return {flaw: verdict for flaw, verdict in verdicts.items() if verdict.source}


def titles_elsewhere(database: AdvisoryDatabase, flaws: Sequence[Flaw]) -> Mapping[str, str]:
    """Find titles for flaws whose own records have none.

    Returns: by id of the flaw; those without a title are missing.
    Raises: DatabaseDamaged.
    """
    wanted: dict[str, dict[str, str]] = {}
    for flaw in flaws:
        known = {member.hit.advisory.id for member in flaw.members}
        for base in {member.base for member in flaw.members}:
            wanted.setdefault(base, {}).update(
                (name, flaw.id) for name in (flaw.id, *flaw.aliases) if name not in known
            )
    titles: dict[str, str] = {}
    for base, owners in wanted.items():
        for advisory in sorted(database.advisories(base, [*owners]), key=lambda advisory: advisory.id):
            if advisory.summary:
                titles.setdefault(owners[advisory.id], advisory.summary)
    return titles


def _opinion(rating: Rating) -> Opinion:
    advisory = rating.advisory
    vectors = advisory.vectors or dict.fromkeys(vector for item in rating.facts for vector in item.vectors)
    return Opinion(
        source=publisher_of(advisory.id, rating.base).source.id,
        vectors=tuple((vector.type, vector.score) for vector in vectors),
        word=advisory.word,
    )
