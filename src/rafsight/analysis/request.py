"""What the engine and those who fetch for it say to each other. Values only."""

from dataclasses import dataclass

from rafsight.analysis.extractor import ReadMore
from rafsight.analysis.inventory import Component, Distribution, GapReason, Licensed, Ownership


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRef:
    """A regular file that some patterns found. Hard links are several of them with one row."""

    row: int
    path: bytes
    """Relative to the root, without a leading slash."""
    size: int
    """[bytes]."""
    content: bytes = b""
    """Content key: files with the same one are read once; empty if the caller cannot tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of one content: with the content key, the key of a cached answer."""

    extractor: str
    version: int
    base_name: bytes
    """Some extractors read the name as well (or what `name_of` gives), so equal contents with other names are other
    questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A neighbour that is read whole, together with the file."""

    suffix: bytes
    row: int
    path: bytes
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """A file that has to be read now."""

    row: int
    path: bytes
    size: int
    """[bytes] of the whole file."""
    ranges: tuple[tuple[int, int], ...]
    """(offset, size) [bytes], ordered, not touching; ((0, size),) is the whole file."""
    questions: tuple[Question, ...]
    companions: tuple[Companion, ...] = ()
    content: bytes = b""
    """Content key, as the caller gave it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something about one content that could not be read."""

    reason: GapReason
    detail: str
    is_defect: bool = False
    """A mistake of ours, not of the content: tomorrow the answer may be another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer to one question. It depends on nothing but the question, the content and `Analysis.fingerprint`."""

    question: Question
    found: tuple[Component | Distribution | Ownership | Licensed, ...]
    faults: tuple[Fault, ...] = ()
    more: ReadMore | None = None
    """Not None: no answer yet, and nothing to keep."""

    @property
    def is_lasting(self) -> bool:
        """True if the same question about the same content has the same answer next time."""
        passing = any(fault.is_defect or fault.reason is GapReason.UNREADABLE for fault in self.faults)
        return self.more is None and not passing
