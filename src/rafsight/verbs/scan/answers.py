"""Answers about single files that earlier scans got, by content: the same file in another image costs no bytes.

This module alone decides what such an answer depends on: the question, the content by the digests of its chunks, that
of the files beside it that are read with it, and what the analysis as a whole looks for.
"""

from collections.abc import Callable, Iterable

from rafsight.access.results.contract import ResultKind, ResultStore, result_key
from rafsight.analysis.keeping import question_parts, read_outcome, write_outcome
from rafsight.analysis.request import Outcome, Question, ReadRequest

ContentKey = Callable[[int], bytes]
"""The content key of a row; empty if nobody can tell what it holds."""


class Answers:
    """What is known about the files of one image, and what is found out about them."""

    def __init__(self, store: ResultStore, fingerprint: bytes, content_key: ContentKey) -> None:
        """Know nothing yet.

        Args:
            store: where answers are kept.
            fingerprint: of the analysis.
            content_key: by row of the image's tree.
        """
        self._store = store
        self._fingerprint = fingerprint
        self._content_key = content_key
        self._new: dict[bytes, bytes] = {}
        self.are_lasting = True
        """False once there was an answer that may be another next time."""

    def recall(self, requests: Iterable[ReadRequest]) -> dict[int, list[Outcome]]:
        """Return the answers to those requests of which all are known, by row.

        Cost: one look-up in the store for all.
        """
        keys = {request.row: self._keys(request) for request in requests}
        kept = self._store.fetch({key for ones in keys.values() for key in ones.values()})
        found: dict[int, list[Outcome]] = {}
        for row, ones in keys.items():
            outcomes = [
                outcome
                for question, key in ones.items()
                if key in kept and (outcome := read_outcome(question, kept[key])) is not None
            ]
            if ones and len(outcomes) == len(ones):
                found[row] = outcomes
        return found

    def keep(self, request: ReadRequest, outcomes: Iterable[Outcome]) -> None:
        """Take answers to a request; `flush` keeps them.

        Args:
            request: all of which was read.
            outcomes: as the analysis gave them.
        """
        keys = self._keys(request)
        for outcome in outcomes:
            if outcome.more is not None:
                continue
            self.are_lasting &= outcome.is_lasting
            content = write_outcome(outcome)
            if content is not None and outcome.question in keys:
                self._new[keys[outcome.question]] = content

    def flush(self) -> None:
        """Keep what is new."""
        new, self._new = self._new, {}
        if new:
            self._store.keep(new)

    def _keys(self, request: ReadRequest) -> dict[Question, bytes]:
        contents = [request.content, *(self._content_key(companion.row) for companion in request.companions)]
        if not all(contents):
            return {}
        names = [companion.suffix for companion in request.companions]
        return {
            question: result_key(ResultKind.FILE, self._fingerprint, *question_parts(question), *names, b"", *contents)
            for question in request.questions
        }
