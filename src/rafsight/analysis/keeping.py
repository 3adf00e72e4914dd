"""Outcomes as bytes, for whoever keeps them: what they depend on, how they are written and read.

This module alone decides what makes two answers the same. The shape of the values is a part of that, so that a release
with other fields never reads what an earlier one wrote.
"""

import hashlib
from dataclasses import dataclass, fields
from typing import Final

from rafsight.analysis.inventory import Component, Distribution, Licensed, Ownership
from rafsight.analysis.request import Fault, Outcome, Question


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """An outcome without its question, apart by what was found."""

    components: tuple[Component, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    ownerships: tuple[Ownership, ...] = ()
    licensed: tuple[Licensed, ...] = ()
    faults: tuple[Fault, ...] = ()


_NOTHING: Final = b""
"""How an outcome is written that found nothing: by far the most."""


def shape_of(*classes: type) -> bytes:
    """Say what some dataclasses are made of, in a few bytes that are others when a field is.

    Args:
        classes: with those that are in their fields.
    """
    text = ";".join(
        f"{one.__name__}({', '.join(f'{field.name}: {field.type}' for field in fields(one))})" for one in classes
    )
    return hashlib.sha256(text.encode()).digest()[:16]


OUTCOME_SHAPE: Final = shape_of(_Kept, Component, Distribution, Ownership, Licensed, Fault)


def question_parts(question: Question) -> tuple[bytes, ...]:
    """Return what an answer depends on beside the content and the analysis, for a key."""
    return (OUTCOME_SHAPE, question.extractor.encode(), str(question.version).encode(), question.base_name)


def write_outcome(outcome: Outcome) -> bytes | None:
    """Write an outcome without its question; None if it is not one to keep.

    Args:
        outcome: what comes out of it again has the same things, those of one kind in the same order.
    """
    import msgspec

    if not outcome.is_lasting:
        return None
    if not outcome.found and not outcome.faults:
        return _NOTHING
    kept = _Kept(
        components=tuple(item for item in outcome.found if isinstance(item, Component)),
        distributions=tuple(item for item in outcome.found if isinstance(item, Distribution)),
        ownerships=tuple(item for item in outcome.found if isinstance(item, Ownership)),
        licensed=tuple(item for item in outcome.found if isinstance(item, Licensed)),
        faults=outcome.faults,
    )
    try:
        return msgspec.msgpack.encode(kept)
    except UnicodeEncodeError:
        return None


def read_outcome(question: Question, content: bytes) -> Outcome | None:
    """Read an outcome; None if it is none."""
    import msgspec

    if content == _NOTHING:
        return Outcome(question=question, found=())
    try:
        kept = msgspec.msgpack.decode(content, type=_Kept)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    found: tuple[Component | Distribution | Ownership | Licensed, ...]
    found = (*kept.components, *kept.distributions, *kept.ownerships, *kept.licensed)
    return Outcome(question=question, found=found, faults=kept.faults)
