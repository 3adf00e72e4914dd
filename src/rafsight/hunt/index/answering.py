"""What an index has to say about a question, image by image, as a hunt says it.

This module alone turns trees back into images: those with the same files share one answer, each with its own names.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from rafsight.base.text import escape
from rafsight.hunt.corpus import Corpus, RegistryWish
from rafsight.hunt.files import make_file_asker
from rafsight.hunt.index.asking import Found, ask_files
from rafsight.hunt.index.membership import Membership
from rafsight.hunt.index.reading import OpenIndex
from rafsight.hunt.index.snapshot import guarded
from rafsight.hunt.index.tables import ImageRow
from rafsight.hunt.question import Question
from rafsight.matching.suppression.globs import names_path
from rafsight.reports.hunting import HuntAnswer, HuntFailure, HuntTally, Unseen


@dataclass(slots=True)
class Answering:
    """A question to an index, and what became of it."""

    question: Question
    corpus: Corpus
    """The images that are asked; empty: all of the index."""
    failures: tuple[HuntFailure, ...] = ()
    tally: HuntTally | None = None
    _began: float = field(default_factory=time.monotonic)

    def answers(self, opened: OpenIndex) -> Iterator[HuntAnswer]:
        """Ask; the answers come in the order of the images' names.

        Args:
            opened: the index.
        Raises: DamagedIndex.
        Cost: no registry. As `ask_files`.
        """
        rows = [row for row in opened.snapshot.live_images if self._is_asked(row)]
        membership = Membership(opened.connection, opened.place.name, opened.snapshot, opened.spans)
        asker = make_file_asker(self.question.files)
        found = guarded(opened.place, lambda: ask_files(opened.connection, membership, asker), columns=False)
        numbers: dict[str, int] = {}
        for number, tree in enumerate(membership.trees):
            numbers.setdefault(tree.tree, number)
        self.failures = self._failures(rows, numbers)
        images: dict[str, list[ImageRow]] = {}
        for row in rows:
            if row.tree in numbers:
                images.setdefault(row.digest, []).append(row)
        matches = unseen = 0
        self._count(rows, 0, 0, 0)
        for done, named in enumerate(images.values(), 1):
            answer = _answer(named, numbers[named[0].tree], membership, found)
            matches += answer.is_match
            unseen += bool(answer.unseen)
            self._count(rows, done, matches, unseen)
            yield answer

    def _is_asked(self, row: ImageRow) -> bool:
        if self.corpus.is_empty:
            return True
        return bool(_names_of(row) & set(self.corpus.references)) or any(
            _names(wish, row) for wish in self.corpus.registries
        )

    def _failures(self, rows: list[ImageRow], numbers: dict[str, int]) -> tuple[HuntFailure, ...]:
        """Say which images have no answer."""
        failures = [
            HuntFailure(
                names=(row.reference,),
                code=row.error_code or "lost-tree",
                message=row.error or "its files lie in a part of the index that is lost",
                advice=row.advice or "`rafsight index update --verify` takes them again.",
            )
            for row in rows
            if row.tree not in numbers
        ]
        known = {name for row in rows for name in _names_of(row)}
        failures += [
            HuntFailure(
                names=(reference,),
                code="not-indexed",
                message="the index has no such image",
                advice="`rafsight index update REF` adds it.",
            )
            for reference in self.corpus.references
            if reference not in known
        ]
        return tuple(failures)

    def _count(self, rows: list[ImageRow], images: int, matches: int, unseen: int) -> None:
        self.tally = HuntTally(
            names=len(rows),
            images=images,
            remembered=0,
            matches=matches,
            unseen=unseen,
            passed_over=0,
            contents=0,
            requests=0,
            bytes_fetched=0,
            seconds=time.monotonic() - self._began,
        )


def _answer(named: list[ImageRow], tree: int, membership: Membership, found: Found) -> HuntAnswer:
    parts = [text.partition(": ") for text in membership.trees[tree].unread]
    unseen = [Unseen(subject=subject, why=why) for subject, _, why in parts]
    unseen += [
        Unseen(subject=escape(path), why="its extended attributes cannot be read")
        for path in found.unreadable.get(tree, ())
    ]
    unknown = int(found.unknown[tree])
    if unknown:
        why = "the index does not know their SHA-256: ask the image itself, or say their size"
        unseen.append(Unseen(subject=f"{unknown:,} files", why=why))
    return HuntAnswer(
        digest=named[0].digest,
        names=tuple(row.reference for row in named),
        platform=named[0].platform,
        files=found.of(tree),
        unseen=tuple(unseen),
    )


def _names_of(row: ImageRow) -> set[str]:
    """Return the references that mean an image; a layout means all of its own."""
    layout = row.repository.removeprefix("oci:")
    return {row.reference, row.repository, layout} if layout != row.repository else {row.reference}


def _names(wish: RegistryWish, row: ImageRow) -> bool:
    host, slash, repository = row.repository.partition("/")
    return (
        bool(slash)
        and host == wish.host
        and names_path(wish.repositories, repository.encode())
        and names_path(wish.tags, row.tag.encode())
    )
