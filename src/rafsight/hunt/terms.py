"""What a hunt is about, in one value: the question, and all else that answers depend on.

This module alone decides when two hunts ask the same: only then may one go on with what the other has left.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from rafsight._version import __version__
from rafsight.hunt.advisories import digest_of_advisories
from rafsight.hunt.question import MalformedQuestion, Question
from rafsight.verbs.scan.release import release_fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntTerms:
    """The terms of one hunt."""

    question: Question = field(repr=False)
    database: Path | None
    """With advisories, if some are named; a whole path."""
    advisories: str
    """The digest of their content; empty if none are named."""
    all_platforms: bool
    """Ask every image of an index."""

    @property
    def fingerprint(self) -> str:
        """A digest of all that answers depend on, beside the images."""
        running = hashlib.sha256(__version__.encode())
        running.update(msgspec.json.encode(self.question))
        if not self.question.packages.is_empty:
            running.update(release_fingerprint())
        running.update(self.advisories.encode())
        return running.hexdigest()


def make_terms(question: Question, database: Path | None, *, all_platforms: bool) -> HuntTerms:
    """Put the terms together.

    Args:
        question: what is asked.
        database: with advisories.
        all_platforms: ask every image of an index.
    Raises: MalformedQuestion, NoDatabase, DatabaseDamaged, if advisories are asked for.
    """
    named = question.packages.advisories
    if not named:
        return HuntTerms(question=question, database=None, advisories="", all_platforms=all_platforms)
    if database is None:
        raise MalformedQuestion(option="--advisory", text=named[0], why="no database is named")
    return HuntTerms(
        question=question,
        database=database.absolute(),
        advisories=digest_of_advisories(database),
        all_platforms=all_platforms,
    )
