"""What is wrong with how an image is made and set up?

The image's config and tree answer most of it; a few small files are fetched as one plan. This module alone ties them
together.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from rafsight.access.session import Image
from rafsight.analysis.inventory import Gap, GapReason
from rafsight.analysis.misconfig.configuration import MisconfigSettings
from rafsight.analysis.misconfig.engine import Contents, judge, plan
from rafsight.analysis.misconfig.finding import Misconfiguration
from rafsight.analysis.misconfig.small_files import WANTS
from rafsight.analysis.misconfig.tree_facts import TreeFacts
from rafsight.base.events import Advanced, Finished, Listener, Started, silent
from rafsight.base.text import escape
from rafsight.image.plan import FileRange
from rafsight.image.selection import Wants

_CONFIG = "image config"


def _today() -> date:
    return datetime.now(UTC).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class MisconfigTerms:
    """How to look."""

    settings: MisconfigSettings = field(default_factory=MisconfigSettings)
    """Own checks, and what is switched off: `configuration.read_settings` makes it of a `rafsight.yaml`."""
    today: date = field(default_factory=_today)
    """For ages and ends of life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MisconfigReport:
    """What was found."""

    misconfigurations: tuple[Misconfiguration, ...]
    """Ordered by severity, the worst first, then by id."""
    check_count: int
    """Checks that were made."""
    gaps: tuple[Gap, ...]
    """What could not be looked at."""


def misconfig_wants() -> tuple[Wants, ...]:
    """Return what checks want of an image, for who streams layers and has to know beforehand what to keep.

    Files of users' checks are not among them: these cost another pass over plain layers.
    """
    return (WANTS,)


def find_misconfigurations(
    image: Image, terms: MisconfigTerms | None = None, listener: Listener = silent
) -> MisconfigReport:
    """Make all checks.

    Args:
        image: an open image.
        terms: how to look.
        listener: told about the files that are read.
    Cost: one plan of reads for a few small files, mostly some KiB; everything else comes from config and tree. What
        cannot be had becomes a gap.
    """
    terms = terms or MisconfigTerms()
    tree = TreeFacts(image.tree)
    planned = plan(tree, terms.settings)
    gaps: list[Gap] = list(_config_gaps(image))
    files: dict[int, bytes] = {}
    operation = f"checks of {image.identity.reference}"
    listener(Started(operation=operation, title="reading settings", total=len(planned.rows), unit="files"))
    try:
        for content in image.read([FileRange(row=row) for row in planned.rows]):
            row = content.wanted.row
            if content.error is None:
                files[row] = content.content
            else:
                subject, detail = escape(image.tree.path(row)), str(content.error)
                gaps.append(Gap(reason=GapReason.UNREADABLE, subject=subject, detail=detail, extractor="misconfig"))
            listener(Advanced(operation=operation, amount=1))
    finally:
        listener(Finished(operation=operation))
    judgement = judge(
        tree, planned, Contents(files=files, config=image.identity.config), terms.settings, today=terms.today
    )
    return MisconfigReport(
        misconfigurations=judgement.misconfigurations,
        check_count=judgement.check_count,
        gaps=(*gaps, *judgement.gaps),
    )


def _config_gaps(image: Image) -> tuple[Gap, ...]:
    """Say that there is no config, unless opening the image said so."""
    if image.identity.config is not None or any(part.what == _CONFIG for part in image.unread):
        return ()
    detail = "there is none: checks of the config and of the history were not made"
    return (Gap(reason=GapReason.UNREADABLE, subject=_CONFIG, detail=detail, extractor="misconfig"),)
