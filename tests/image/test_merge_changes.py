"""Changes of several sides: together where they can be, refused where they contradict."""

import pytest
from tests.image.edits import put_file

from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Changes, Put
from rafsight.image.merge_changes import ConflictingChanges, merge_changes

FOLDER = Put(path=b"opt", kind=MemberKind.DIRECTORY, mode=0o755)


def merge(*sides):
    return merge_changes([(f"side {number}", side) for number, side in enumerate(sides)])


def test_nothing_gives_nothing():
    assert merge() == Changes()


def test_what_does_not_meet_comes_together_in_order():
    one = Changes(removed=(b"a",), puts=(put_file(b"b"), put_file(b"c/d")))
    other = Changes(removed=(b"a", b"e"), puts=(put_file(b"bb"), put_file(b"c/e")))
    found = merge(one, other)
    assert found.removed == (b"a", b"e")
    assert found.puts == (*one.puts, *other.puts)


def test_the_same_folder_is_wanted_once():
    found = merge(Changes(puts=(FOLDER, put_file(b"opt/a"))), Changes(puts=(FOLDER, put_file(b"opt/b"))))
    assert [put.path for put in found.puts] == [b"opt", b"opt/a", b"opt/b"]


def test_one_side_may_change_its_mind():
    side = Changes(removed=(b"a",), puts=(put_file(b"a/b"), put_file(b"a/b"), put_file(b"a/c")))
    assert merge(side, Changes(removed=(b"x",))).puts == side.puts


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        (Changes(puts=(put_file(b"a"),)), Changes(puts=(put_file(b"a"),)), "/a"),
        (Changes(puts=(FOLDER,)), Changes(puts=(Put(path=b"opt", kind=MemberKind.DIRECTORY, mode=0o700),)), "/opt"),
        (Changes(puts=(put_file(b"a/b/c"),)), Changes(removed=(b"a",)), "/a/b/c"),
        (Changes(removed=(b"a",)), Changes(puts=(put_file(b"a"),)), "/a"),
        (Changes(removed=(b"a/b",)), Changes(removed=(b"a",), puts=(put_file(b"a/b/c"),)), "/a/b/c"),
    ],
)
def test_what_contradicts_is_refused(one, other, path):
    with pytest.raises(ConflictingChanges) as caught:
        merge(one, other)
    assert (
        str(caught.value)
        == f"{path} is wanted in two ways: side {caught.value.details['one'][-1]}, and side {caught.value.details['other'][-1]}"
    )
    assert {caught.value.details["one"], caught.value.details["other"]} == {"side 0", "side 1"}
