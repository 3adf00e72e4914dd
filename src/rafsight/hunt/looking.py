"""One image is asked the question.

Metadata first, which costs the bootstrap alone; then the content of the files that are left, of which each distinct one
is fetched once over all images; then the packages. This module alone decides that order, and that nothing dear is asked
where something cheap has said no already: an image whose packages are known is not even opened for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rafsight.access.fleet import Lead
from rafsight.access.layers import Keep, keep_nothing
from rafsight.access.session import Image
from rafsight.hunt.claims import Claims
from rafsight.hunt.content import Check, make_checks
from rafsight.hunt.contents import Contents
from rafsight.hunt.files import FileAsker, describe_file, make_file_asker
from rafsight.hunt.inventories import Inventories
from rafsight.hunt.packages import PackageAsker
from rafsight.hunt.question import Question
from rafsight.reports.hunting import FileMatch, HuntAnswer, PackageMatch, Unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A question, ready for any number of images. Thread-safe."""

    files: FileAsker | None
    """None: nothing is asked of files."""
    checks: tuple[Check, ...]
    """Of the content of files."""
    packages: PackageAsker | None
    """None: nothing is asked of packages."""

    def keep(self) -> Keep:
        """Return what to keep from the pass over plain layers, for one image."""
        if self.packages is not None:
            return Inventories.keep()
        return self.files.keep if self.files is not None and self.checks else keep_nothing

    def recall(self, lead: Lead, inventories: Inventories) -> HuntAnswer | None:
        """Answer for an image without opening it; None if that cannot be.

        Raises: NoDatabase, DatabaseDamaged.
        Cost: no request.
        """
        known = inventories.recall(lead.digest) if self.files is None else None
        if known is None or self.packages is None:
            return None
        answer = self.packages.ask(known.inventory)
        unread = (Unseen(subject=gap.subject, why=gap.detail) for gap in known.unread)
        return HuntAnswer(
            digest=lead.digest,
            names=(),
            platform=lead.platform,
            packages=answer.matches,
            unseen=(*unread, *answer.unseen),
        )

    def look(self, image: Image, lead: Lead, claims: Claims, inventories: Inventories) -> HuntAnswer:
        """Ask one image.

        Args:
            image: open.
            lead: to it.
            claims: who looks into which content.
            inventories: finds packages.
        Returns: The answer, without names: they are known to who asks.
        Raises: RegistryFault, ImageFault; UnusableState; NoDatabase, DatabaseDamaged.
        Cost: none for metadata; a plan of reads for contents that no other image had; that of an inventory.
        """
        files: tuple[FileMatch, ...] = ()
        packages: tuple[PackageMatch, ...] = ()
        unseen = [Unseen(subject=one.what, why=one.why, is_lasting=not one.is_missing) for one in image.unread]
        if self.files is not None:
            files, more = _ask_files(image, self.files, self.checks, claims)
            unseen += more
        if self.packages is not None and (self.files is None or files):
            survey = inventories.take(image, lead.digest)
            answer = self.packages.ask(survey.inventory)
            packages = answer.matches
            unseen += (replace(one, is_lasting=survey.is_lasting) for one in answer.unseen)
        is_whole = (self.files is None or bool(files)) and (self.packages is None or bool(packages))
        return HuntAnswer(
            digest=lead.digest,
            names=(),
            platform=lead.platform,
            files=files if is_whole else (),
            packages=packages if is_whole else (),
            unseen=tuple(unseen),
        )


def make_asking(question: Question, database: Path | None) -> Asking:
    """Make a question ready.

    Args:
        question: what is asked.
        database: with advisories, if some are named.
    Raises: BadGlob, NoContentEngine, MalformedQuestion, MalformedRules.
    """
    files, packages = question.files, question.packages
    return Asking(
        files=None if files.is_empty else make_file_asker(files),
        checks=make_checks(files),
        packages=None if packages.is_empty else PackageAsker(packages, database),
    )


def _ask_files(
    image: Image, asker: FileAsker, checks: Sequence[Check], claims: Claims
) -> tuple[tuple[FileMatch, ...], list[Unseen]]:
    """Find the files that match; all names of an inode whose content does."""
    tree = image.tree
    rows = asker.select(tree)
    if not checks:
        return tuple(describe_file(tree, row) for row in rows.tolist()), []
    inodes = tree.entries.link_row[rows].tolist()
    contents = Contents(image, checks, claims, max_size=asker.question.max_size)
    verdicts = contents.judge(list(dict.fromkeys(inodes)))
    found = [
        describe_file(tree, row, verdict)
        for row, inode in zip(rows.tolist(), inodes, strict=True)
        if (verdict := verdicts.get(inode)) is not None
    ]
    return tuple(found), contents.unseen
