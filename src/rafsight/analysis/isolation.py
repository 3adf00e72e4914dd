"""One extractor on one file, so that whatever happens there stays there.

This module alone decides how much one file may yield, and what becomes of its faults.
"""

from collections.abc import Iterable
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, MalformedFile, ReadMore, Skipped
from rafsight.analysis.inventory import Component, Distribution, GapReason, Licensed, Ownership
from rafsight.analysis.request import Fault, Outcome, Question
from rafsight.base.text import printable

COMPONENT_COUNT: Final = 200_000
"""Components in one file; the largest distribution has a third of it in all of its archive."""
SKIPPED_COUNT: Final = 10_000
"""Damaged parts of one file after which the rest of it is given up."""
_FAULT_COUNT: Final = 20


def question_of(extractor: Extractor, name: bytes) -> Question:
    """Make the question that an extractor asks of a file, by what its `name_of` gives."""
    return Question(extractor=extractor.name, version=extractor.version, base_name=name)


def analyse(extractor: Extractor, file: FileView, *, owned_tails: tuple[bytes, ...] = (b"",)) -> Outcome:
    """Run one extractor on one file.

    Args:
        extractor: whose turn it is.
        file: what was read of the file.
        owned_tails: of the paths that packages own, only those with one of these ends are kept.

    Returns: An outcome, whatever the extractor did.
    """
    found: list[Component | Distribution | Ownership | Licensed] = []
    faults: list[Fault] = []
    skipped = 0
    question = question_of(extractor, extractor.name_of(file.path))
    try:
        for item in extractor.extract(file):
            if isinstance(item, ReadMore):
                return Outcome(question=question, found=(), more=item)
            if isinstance(item, Skipped):
                skipped += 1
                if skipped <= _FAULT_COUNT:
                    faults.append(Fault(reason=item.reason, detail=item.what))
                elif skipped == SKIPPED_COUNT:
                    faults.append(Fault(reason=GapReason.MALFORMED, detail="the rest was given up"))
                    break
            elif isinstance(item, Ownership):
                found.extend(_relevant(item, owned_tails))
            elif len(found) == COMPONENT_COUNT:
                faults.append(Fault(reason=GapReason.TOO_LARGE, detail=f"more than {COMPONENT_COUNT} packages"))
                break
            else:
                found.append(item)
    except MalformedFile as fault:
        faults.append(Fault(reason=GapReason.MALFORMED, detail=str(fault)))
    except Exception as defect:  # noqa: BLE001 - the one place: a bug of one extractor must not end the scan
        detail = f"this is a mistake in the extractor: {type(defect).__name__}: {printable(str(defect))}"
        faults.append(Fault(reason=GapReason.UNSUPPORTED, detail=detail, is_defect=True))
    if skipped > _FAULT_COUNT:
        faults.append(Fault(reason=GapReason.MALFORMED, detail=f"and {skipped - _FAULT_COUNT} more like these"))
    return Outcome(question=question, found=tuple(found), faults=tuple(faults))


def _relevant(ownership: Ownership, tails: tuple[bytes, ...]) -> Iterable[Ownership]:
    """Keep only paths that a language package could be found at: of a hundred thousand, a few hundred."""
    paths = tuple(path for path in ownership.paths if path.endswith(tails))
    if paths:
        yield Ownership(package=ownership.package, official=ownership.official, paths=paths)
