"""Outcomes as bytes: what is written is what is read, and what must not last is not written."""

from dataclasses import fields, make_dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.analysis.extractor import ReadMore
from rafsight.analysis.inventory import Component, Distribution, Ecosystem, EvidenceClass, GapReason, Ownership
from rafsight.analysis.keeping import question_parts, read_outcome, shape_of, write_outcome
from rafsight.analysis.request import Fault, Outcome, Question

QUESTION = Question(extractor="os/apk", version=3, base_name=b"installed")
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
BYTES = st.binary(max_size=12)
COMPONENTS = st.builds(
    Component,
    ecosystem=st.sampled_from(Ecosystem),
    name=TEXT,
    version=TEXT,
    purl=TEXT,
    arch=TEXT,
    source_name=TEXT,
    source_version=TEXT,
    licenses=st.lists(TEXT, max_size=3).map(tuple),
    maintainer=TEXT,
    modularity=TEXT,
    locations=st.lists(BYTES, max_size=3).map(tuple),
    member=BYTES,
    found_by=TEXT,
    owned_by=TEXT,
    evidence=st.sampled_from(EvidenceClass),
    qualifiers=st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
)
DISTRIBUTIONS = st.builds(
    Distribution, id=TEXT, version=TEXT, name=TEXT, codename=TEXT, id_like=st.lists(TEXT, max_size=3).map(tuple)
)
OWNERSHIPS = st.builds(Ownership, package=TEXT, official=st.booleans(), paths=st.lists(BYTES, max_size=3).map(tuple))
LASTING = [reason for reason in GapReason if reason is not GapReason.UNREADABLE]
FAULTS = st.builds(Fault, reason=st.sampled_from(LASTING), detail=TEXT, is_defect=st.just(False))


def test_all_fields_are_in_the_property():
    """`builds` takes defaults for what is not named."""
    assert {field.name for field in fields(Component)} == set(COMPONENTS.wrapped_strategy.kwargs)


@given(
    components=st.lists(COMPONENTS, max_size=4),
    distributions=st.lists(DISTRIBUTIONS, max_size=2),
    ownerships=st.lists(OWNERSHIPS, max_size=3),
    faults=st.lists(FAULTS, max_size=2),
)
def test_what_is_written_is_what_is_read(components, distributions, ownerships, faults):
    outcome = Outcome(question=QUESTION, found=(*components, *distributions, *ownerships), faults=tuple(faults))
    content = write_outcome(outcome)
    assert content is not None
    assert read_outcome(QUESTION, content) == outcome
    assert len(content) == 0 or outcome.found or outcome.faults


@pytest.mark.parametrize(
    "more",
    [
        {"faults": (Fault(reason=GapReason.UNREADABLE, detail="gone"),)},
        {"faults": (Fault(reason=GapReason.UNSUPPORTED, detail="a mistake", is_defect=True),)},
        {"more": ReadMore(ranges=((0, 1),))},
    ],
)
def test_what_may_be_another_answer_next_time_is_not_written(more):
    assert write_outcome(Outcome(question=QUESTION, found=(), **more)) is None


def test_text_that_is_none_is_not_written():
    found = (Component(ecosystem=Ecosystem.DEB, name="\udcff", version="1"),)
    assert write_outcome(Outcome(question=QUESTION, found=found)) is None


@pytest.mark.parametrize("content", [b"\x00", b"nonsense", b"\x80", b"\x81\xa6faults\x01"])
def test_what_was_never_written_is_no_answer(content):
    outcome = read_outcome(QUESTION, content)
    assert outcome is None or outcome.found == ()


@given(st.binary(min_size=1, max_size=60))
def test_no_bytes_are_a_crash(content):
    read_outcome(QUESTION, content)


def test_answers_depend_on_the_question_and_on_the_shape_of_values():
    parts = question_parts(QUESTION)
    others = [
        Question(extractor="os/dpkg", version=3, base_name=b"installed"),
        Question(extractor="os/apk", version=4, base_name=b"installed"),
        Question(extractor="os/apk", version=3, base_name=b"status"),
    ]
    assert len({parts, *map(question_parts, others)}) == 4
    first, second = make_dataclass("A", [("x", int)]), make_dataclass("A", [("x", str)])
    assert len({shape_of(first), shape_of(second), shape_of(first, second)}) == 3
    assert shape_of(first) == shape_of(make_dataclass("A", [("x", int)]))
