import os
import sqlite3
from pathlib import Path

import pytest

from rafsight.hunt.state import NoState, OtherQuestion, State, UnusableState
from rafsight.reports.hunting import Evidence, FileMatch, HuntAnswer, PackageMatch, Unseen

EVIDENCE = (Evidence(kind="content", text="x", offset=5),)
ANSWER = HuntAnswer(
    digest="sha256:1",
    names=("a:1",),
    files=(FileMatch(path=b"\xff\n", kind="file", mode=0o100644, uid=0, gid=0, size=1, mtime=-5, evidence=EVIDENCE),),
    packages=(PackageMatch(purl="pkg:deb/x", name="x", version="1", locations=(b"a",)),),
    unseen=(Unseen(subject="s", why="w"),),
)


def test_answers_and_verdicts_are_there_again(tmp_path):
    file = tmp_path / "hunt.state"
    state = State(file, "q")
    state.keep_answer(ANSWER)
    state.keep_verdicts([(b"k1", EVIDENCE), (b"k2", None)])
    state.close()
    state = State(file, "q")
    assert state.answer("sha256:1") == ANSWER
    assert state.answer("sha256:2") is None
    assert state.verdicts([b"k1", b"k2", b"k3"]) == {b"k1": EVIDENCE, b"k2": None}
    state.close()


def test_another_question_has_another_file(tmp_path):
    State(tmp_path / "s", "q").close()
    with pytest.raises(OtherQuestion):
        State(tmp_path / "s", "p")


def test_what_is_no_state_is_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("my notes\n" * 200)
    with pytest.raises(NoState) as refused:
        State(text, "q")
    assert str(refused.value)
    assert text not in {entry.resolve() for entry in Path(f"/proc/{os.getpid()}/fd").iterdir()}, "it is closed"
    assert text.read_text() == "my notes\n" * 200
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(NoState):
        State(other, "q")


def test_a_damaged_row_is_said(tmp_path):
    state = State(tmp_path / "s", "q")
    state.keep_answer(ANSWER)
    state.close()
    connection = sqlite3.connect(tmp_path / "s")
    with connection:
        connection.execute("UPDATE image SET answer = x'ff'")
    connection.close()
    state = State(tmp_path / "s", "q")
    with pytest.raises(UnusableState):
        state.answer("sha256:1")
    state.close()


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(UnusableState):
        State(tmp_path / "no" / "folder", "q")


def test_without_a_file_it_is_the_same():
    state = State(None, "q")
    state.keep_answer(ANSWER)
    assert state.answer("sha256:1") == ANSWER
    state.close()
    with pytest.raises(UnusableState):
        state.answer("sha256:1")
