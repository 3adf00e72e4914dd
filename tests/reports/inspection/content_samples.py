"""Answers about content for the tests of their two forms."""

from dataclasses import replace
from functools import cache

from tests.image.small_trees import GOLDEN, tree_of
from tests.verbs.inspect.layouts import write_plain

from rafsight.access.session import open_image
from rafsight.image.difference import compare_trees
from rafsight.reports.inspection.content import ImageDifference
from rafsight.reports.inspection.renderer import Sheet
from rafsight.reports.paint import Painter, cells
from rafsight.testing.registry import PLANTED
from rafsight.testing.trees import Link
from rafsight.verbs.inspect.content import compare_images, find_shared, list_largest, list_layers, measure_blobs

HOSTILE = b"bad\n\x1b[31mname\xff \xe2\x80\xae"


@cache
def planted_answers():
    """One answer of each kind, about an image with a manifest."""
    with open_image(f"oci:{PLANTED}:v5") as left, open_image(f"oci:{PLANTED}:v6") as right:
        return (
            measure_blobs(right),
            list_layers(right),
            list_largest(right, 5, 0),
            find_shared(right, None),
            find_shared(right, left),
            compare_images(left, right),
        )


def layer_answers(folder, other=""):
    """What is used, large and shared of an image of two plain layers, compared with another one or with itself."""
    source = write_plain(folder, {"etc/a": b"a" * 5000, "b": b"b" * 7000}, {"etc/a": b"c" * 3000})
    with open_image(source) as image, open_image(other or source) as second:
        return measure_blobs(image), list_largest(image, 5, 0), find_shared(image, second)


def overlap_answer(one, other):
    """What two golden images share."""
    with (
        open_image(f"boot:{GOLDEN / one / 'image.boot'}") as image,
        open_image(f"boot:{GOLDEN / other / 'image.boot'}") as second,
    ):
        return find_shared(image, second)


def with_obstacle(answer, obstacle):
    return replace(answer, overlap=replace(answer.overlap, obstacle=obstacle))


@cache
def bare_answers(name):
    """One answer of each kind, about a bare bootstrap."""
    with open_image(f"boot:{GOLDEN / name / 'image.boot'}") as image:
        return (
            measure_blobs(image),
            list_layers(image),
            list_largest(image, 5, 0),
            find_shared(image, image),
            compare_images(image, image),
        )


def difference_of(mine, theirs, **options):
    left, right = tree_of(mine), tree_of(theirs, **options)
    return ImageDifference(
        left="left\n", right="right", left_tree=left, right_tree=right, difference=compare_trees(left, right)
    )


def hostile_difference():
    """Names, targets and contents of strangers on both sides."""
    return difference_of(
        {HOSTILE: Link(b"\x07" + HOSTILE), b"gone " + HOSTILE: b"1", b"d/" + HOSTILE: b"12", b"kind": b"1"},
        {HOSTILE: Link(b"other"), b"new" + HOSTILE + b"/x": b"1", b"d/" + HOSTILE: b"3", b"kind": None},
    )


def sheet_of(width=80):
    return Sheet(width=width, painter=Painter(colour=False, unicode=True))


def text_of(lines, width=80):
    """Join lines as a terminal gets them, and hold the law of all of them."""
    text = sheet_of(width).painter.paint(lines)
    for line in text.splitlines():
        assert cells(line) <= width, line
        assert line.isprintable(), line
    return text
