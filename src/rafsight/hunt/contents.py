"""The contents of some files of one image: what is known is not fetched, and what is fetched is known from then on.

This module alone decides what of an image is read for a question about content.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from rafsight.access.session import Image
from rafsight.base.errors import ImageFault, RegistryFault
from rafsight.base.text import escape
from rafsight.base.units import MiB, format_size
from rafsight.formats.tables import Digester
from rafsight.hunt.claims import Claims
from rafsight.hunt.content import Check, DigestCheck, judge
from rafsight.hunt.state import Verdict
from rafsight.image.plan import FileRange
from rafsight.image.tree import ImageTree
from rafsight.reports.hunting import Unseen

_PIECEWISE: Final = 16 * MiB
"""[bytes] of a file from which on a digest is made piece by piece."""
_HANDED_OVER: Final = 64
"""Verdicts that are handed over together."""


class Contents:
    """Judges the contents of one image."""

    def __init__(self, image: Image, checks: Sequence[Check], claims: Claims, *, max_size: int) -> None:
        """Prepare.

        Args:
            image: open.
            checks: all of which have to find something; not empty.
            claims: who looks into which content.
            max_size: [bytes] of files that are looked into; a digest alone is made of files of any size.
        """
        self._image = image
        self._tree = image.tree
        self._checks = checks
        self._claims = claims
        self._max_size = max_size
        first = checks[0]
        self._digests = first if isinstance(first, DigestCheck) else None
        self._only_digest = self._digests is not None and len(checks) == 1
        self._verdicts: dict[int, Verdict] = {}
        self.unseen: list[Unseen] = []

    def judge(self, rows: Sequence[int]) -> dict[int, Verdict]:
        """Judge some regular files.

        Args:
            rows: of inodes, each once.
        Returns: the verdict of each that could be looked into, by row; the others are in `unseen`.
        Raises: UnusableState.
        Cost: one plan of reads for the contents that nobody had before.
        """
        keyed: dict[bytes, list[int]] = {}
        alone: list[int] = []
        for row in rows:
            if self._is_settled(row):
                continue
            key = self._tree.content_key(row)
            if key is None:
                alone.append(row)
            else:
                keyed.setdefault(key, []).append(row)
        while keyed:
            share = self._claims.claim(keyed)
            for key, verdict in share.known.items():
                self._note(keyed.pop(key), verdict)
            self._look(share.mine, keyed)
            self._claims.wait(share.others)
        for row, verdict in self._read(alone):
            self._note([row], verdict)
        return self._verdicts

    def _is_settled(self, row: int) -> bool:
        """Judge by metadata what it can tell, and leave out what is too large."""
        size = int(self._tree.entries.size[row])
        if self._digests is not None and (digest := known_digest(self._tree, row)):
            evidence = self._digests.evidence_of(digest)
            if evidence is None or self._only_digest:
                self._note([row], None if evidence is None else (evidence,))
                return True
        if size > self._max_size and not self._only_digest:
            why = f"its content was not looked into: {format_size(size)} are more than {format_size(self._max_size)}"
            self._leave_out(row, why)
            return True
        return False

    def _look(self, mine: Sequence[bytes], keyed: dict[bytes, list[int]]) -> None:
        """Look into claimed contents; what could not be had is given back, and is not asked for again."""
        rows = {keyed[key][0]: key for key in mine}
        fresh: dict[bytes, Verdict] = {}
        try:
            for row, verdict in self._read(list(rows)):
                key = rows[row]
                fresh[key] = verdict
                self._note(keyed.pop(key), verdict)
                if len(fresh) >= _HANDED_OVER:
                    self._claims.settle(fresh)
                    fresh = {}
            if fresh:
                self._claims.settle(fresh)
        finally:
            self._claims.release(mine)
        for key in mine:
            keyed.pop(key, None)

    def _read(self, rows: Sequence[int]) -> Iterator[tuple[int, Verdict]]:
        """Fetch files and judge them; those that cannot be had or are given up are noted as not looked at."""
        large = [row for row in rows if self._only_digest and self._tree.entries.size[row] > _PIECEWISE]
        small = [row for row in rows if row not in set(large)]
        for part in self._image.read([FileRange(row=row) for row in small]):
            row = part.wanted.row
            try:
                if part.error is not None:
                    raise part.error
                yield row, judge(self._checks, part.content)
            except (RegistryFault, ImageFault) as error:
                self._leave_out(row, str(error), is_lasting=not isinstance(error, RegistryFault))
        for row in large:
            assert self._digests is not None  # or no file would be large
            try:
                evidence = self._digests.evidence_of_pieces(self._image.read_file(row))
            except (RegistryFault, ImageFault) as error:
                self._leave_out(row, str(error), is_lasting=not isinstance(error, RegistryFault))
            else:
                yield row, None if evidence is None else (evidence,)

    def _note(self, rows: Sequence[int], verdict: Verdict) -> None:
        for row in rows:
            self._verdicts[row] = verdict

    def _leave_out(self, row: int, why: str, *, is_lasting: bool = True) -> None:
        self.unseen.append(Unseen(subject="/" + escape(self._tree.path(row)), why=why, is_lasting=is_lasting))


def known_digest(tree: ImageTree, row: int) -> str:
    """Return the SHA-256 of a file in hex if metadata tells it: where one chunk is all of it; else nothing."""
    extents = tree.extent_rows(row)
    size = int(tree.entries.size[row])
    if len(extents) != 1 or int(tree.tables.extents.size[extents.start]) != size:
        return ""
    chunk = int(tree.tables.extents.chunk[extents.start])
    table = tree.tables.chunks
    digest = table.digest[chunk].tobytes()
    is_sha256 = tree.tables.blobs[int(table.blob_index[chunk])].digester is Digester.SHA256
    return digest.hex() if is_sha256 and int(table.size[chunk]) == size and any(digest) else ""
