"""What a remembered answer about a file depends on."""

from dataclasses import replace

import pytest

from rafsight.analysis.extractor import ReadMore
from rafsight.analysis.inventory import Component, Ecosystem, GapReason
from rafsight.analysis.request import Companion, Fault, Outcome, Question, ReadRequest
from rafsight.verbs.scan.answers import Answers

ONE = Question(extractor="lang/one", version=1, base_name=b"a")
TWO = Question(extractor="lang/two", version=1, base_name=b"a")
BESIDE = Companion(suffix=b".sig", row=9, path=b"a.sig", size=3)
REQUEST = ReadRequest(row=4, path=b"a", size=5, ranges=((0, 5),), questions=(ONE, TWO), content=b"c" * 32)
FOUND = (Component(ecosystem=Ecosystem.NPM, name="x", version="1"),)


class Shelf(dict):
    """A store in memory."""

    def fetch(self, keys):
        return {key: self[key] for key in keys if key in self}

    def keep(self, values):
        self.update(values)


def answers(shelf, fingerprint=b"f", keys=None):
    return Answers(shelf, fingerprint, (keys or {9: b"s" * 32, 4: b"c" * 32}).__getitem__)


def known(shelf, request=REQUEST, questions=(ONE, TWO)):
    first = answers(shelf)
    first.keep(request, [Outcome(question=question, found=FOUND) for question in questions])
    first.flush()
    return first


def test_all_questions_are_answered_or_none():
    shelf = Shelf()
    known(shelf)
    assert answers(shelf).recall([REQUEST]) == {
        4: [Outcome(question=ONE, found=FOUND), Outcome(question=TWO, found=FOUND)]
    }
    partly = Shelf()
    known(partly, questions=(ONE,))
    assert len(partly) == 1
    assert answers(partly).recall([REQUEST]) == {}
    assert answers(partly).recall([replace(REQUEST, questions=(ONE,))]) == {4: [Outcome(question=ONE, found=FOUND)]}


def test_another_row_of_the_same_content_has_the_same_answer():
    shelf = Shelf()
    known(shelf)
    assert [*answers(shelf).recall([replace(REQUEST, row=77, path=b"b/a")])] == [77]


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, content=b"d" * 32),
        replace(REQUEST, content=b""),
        replace(REQUEST, questions=(replace(ONE, version=2), TWO)),
        replace(REQUEST, questions=(replace(ONE, base_name=b"b"), TWO)),
        replace(REQUEST, questions=(replace(ONE, extractor="lang/x"), TWO)),
        replace(REQUEST, companions=(BESIDE,)),
        replace(REQUEST, questions=()),
    ],
)
def test_other_questions_have_other_answers(request_):
    shelf = Shelf()
    known(shelf)
    assert answers(shelf).recall([request_]) == {}


def test_another_analysis_has_other_answers():
    shelf = Shelf()
    known(shelf)
    assert answers(shelf, b"g").recall([REQUEST]) == {}


def test_files_beside_it_count():
    shelf = Shelf()
    request = replace(REQUEST, companions=(BESIDE,))
    known(shelf, request)
    assert len(answers(shelf).recall([request])) == 1
    assert answers(shelf).recall([REQUEST]) == {}
    assert answers(shelf).recall([replace(request, companions=(replace(BESIDE, suffix=b".asc"),))]) == {}
    assert answers(shelf, keys={9: b"t" * 32}).recall([request]) == {}
    assert answers(shelf, keys={9: b""}).recall([request]) == {}


def test_content_that_nobody_can_tell_is_not_remembered():
    shelf = Shelf()
    known(shelf, replace(REQUEST, content=b""))
    assert not shelf


def test_what_is_no_answer_yet_is_not_remembered_and_harms_nothing():
    shelf = Shelf()
    first = answers(shelf)
    first.keep(REQUEST, [Outcome(question=ONE, found=(), more=ReadMore(ranges=((0, 1),)))])
    first.flush()
    assert not shelf
    assert first.are_lasting


@pytest.mark.parametrize(
    "fault",
    [Fault(reason=GapReason.UNREADABLE, detail=""), Fault(reason=GapReason.UNSUPPORTED, detail="", is_defect=True)],
)
def test_what_may_be_another_answer_is_not_remembered_and_said(fault):
    shelf = Shelf()
    first = answers(shelf)
    first.keep(REQUEST, [Outcome(question=ONE, found=FOUND, faults=(fault,)), Outcome(question=TWO, found=FOUND)])
    first.flush()
    assert len(shelf) == 1
    assert not first.are_lasting


def test_a_store_that_gives_nonsense_gives_no_answer():
    shelf = Shelf()
    known(shelf)
    for key in shelf:
        shelf[key] = b"\xc1nonsense"
    assert answers(shelf).recall([REQUEST]) == {}
