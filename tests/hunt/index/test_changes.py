from dataclasses import replace

from rafsight.hunt.index.changes import Changes, apply_changes
from rafsight.hunt.index.tables import ImageRow

TREES = {"t1", "t2"}


def row(reference="app:1", digest="d1", tree="t1", **more):
    return ImageRow(
        reference=reference, repository="app", tag="1", digest=digest, platform="", tree=tree, indexed_at=5, **more
    )


def failed(reference="app:1", digest="d1"):
    return row(reference, digest, "", error_code="unreachable", error="no")


def test_an_image_stays_as_it_was():
    assert apply_changes([row()], Changes(found=(replace(row(), indexed_at=9),)), TREES) == [row()]


def test_a_tag_that_moves_leaves_its_former_image_behind():
    before, after = apply_changes([row()], Changes(found=(row(digest="d2", tree="t2"),)), TREES)
    assert (before.digest, bool(before.gone_at)) == ("d1", True)
    assert after == row(digest="d2", tree="t2")
    again = apply_changes([before, after], Changes(found=(row(digest="d2", tree="t2"),)), TREES)
    assert again == [before, after]


def test_who_fails_now_is_not_forgotten_for_it():
    assert apply_changes([row()], Changes(found=(failed(),)), TREES) == [row()]
    assert apply_changes([row()], Changes(found=(), failed=(failed(digest=""),)), TREES) == [row()]
    assert apply_changes([], Changes(found=(), failed=(failed(digest=""),)), TREES) == [failed(digest="")]
    before, after = apply_changes([row()], Changes(found=(failed(digest="d2"),)), TREES)
    assert bool(before.gone_at)
    assert after.error_code == "unreachable"


def test_who_failed_before_is_replaced():
    assert apply_changes([failed()], Changes(found=(row(),)), TREES) == [row()]
    assert apply_changes([failed()], Changes(found=(), is_gone=lambda _: True, since=9), TREES) == []


def test_who_is_gone_is_marked_unless_another_writer_saw_it_later():
    (gone,) = apply_changes([row()], Changes(found=(), is_gone=lambda _: True, since=9), TREES)
    assert bool(gone.gone_at)
    assert apply_changes([gone], Changes(found=(), is_gone=lambda _: True, since=9), TREES) == [gone]
    assert apply_changes([row()], Changes(found=(), is_gone=lambda _: True, since=4), TREES) == [row()]
    assert apply_changes([row()], Changes(found=()), TREES) == [row()]


def test_who_has_lost_its_tree_says_so():
    (lost,) = apply_changes([row()], Changes(found=()), {"t2"})
    assert (lost.tree, lost.error_code) == ("", "lost-tree")
    gone = row(gone_at=7)
    assert apply_changes([gone], Changes(found=()), {"t2"}) == [gone]
