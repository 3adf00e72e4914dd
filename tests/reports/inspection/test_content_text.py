"""Answers about content as text: bounded, escaped, sums at the end."""

from itertools import pairwise

import pytest
from tests.reports.inspection.content_samples import (
    bare_answers,
    difference_of,
    hostile_difference,
    layer_answers,
    overlap_answer,
    planted_answers,
    sheet_of,
    text_of,
    with_obstacle,
)

from rafsight.image.chunk_identity import Obstacle
from rafsight.reports.inspection.content_render import RENDERERS
from rafsight.testing.registry import PLANTED


def shown(answer, width=80):
    return text_of(RENDERERS[type(answer)].to_lines(answer, sheet_of(width)), width)


@pytest.mark.parametrize("width", [30, 50, 80, 200])
def test_all_stay_on_the_sheet(width):
    for answer in (*planted_answers(), *bare_answers("v6-batch"), *bare_answers("v5-nodata"), hostile_difference()):
        text = shown(answer, width)
        assert text.strip()
        assert not text.startswith("\n")
        assert not any(one == two == "" for one, two in pairwise(text.splitlines()))


def test_blobs():
    text = shown(planted_answers()[0])
    assert "  Chunks      15 of 16 used (15 in the bootstrap)\n" in text
    assert text.endswith("Files use 2.4 MB of 2.4 MB in 6 blobs for 5.9 MB; 832 B are used by none.\n")
    assert "~" not in text


def test_estimates_are_marked_and_explained():
    blobs, layers, largest, *_ = map(shown, bare_answers("v6-batch"))
    for text in (blobs, layers, largest):
        assert "~5." in text
        assert "~ marks estimates" in text
    assert "No manifest: the blobs of the bootstrap\n" in layers


def test_layers():
    text = shown(planted_answers()[1])
    assert "  Holds       nydus blob, 611.2 kB, row 5 of the blob table\n" in text
    assert "  Made by     COPY . /srv/app # buildkit\n" in text
    assert "Layer 6" in text
    assert "in no row of the blob table" not in text
    assert " ".join(text.split("\n\n")[-1].split()).startswith("7 layers, 2.7 MB. Files use")


def test_largest():
    text = shown(planted_answers()[2])
    assert "  1.1 MB     1.1 MB    2.0 MB      1  /bin/busybox\n" in text
    assert "Largest directories of 145\n" in text
    sums = " ".join(text.split("\n\n")[-1].split())
    assert sums.startswith("/: 1,309 files and 145 directories with 5.9 MB take 2.4 MB of blobs, 2.4 MB of it used by")


def test_dedupe():
    alone, other = map(shown, planted_answers()[3:5])
    assert "Repeated between files  1.9 kB not stored" in alone
    assert "Shared with" not in alone
    assert "Chunks             1,286 of 1,286\n" in other


def test_images_that_cannot_be_compared_say_so_first(tmp_path):
    text = shown(overlap_answer("v6-zstd", "v6-lz4-sha256-4k-fs"))
    assert text.startswith("The images cannot be compared: their digests are of different algorithms.\n\n")
    assert text.endswith("\n  Blobs of both  none\n")
    assert "(0%)" not in text
    layers = shown(layer_answers(tmp_path, f"oci:{PLANTED}:v6")[2])
    assert layers.startswith("The images cannot be compared: one of the images has no digests")


def test_another_chunk_size_leaves_what_is_small():
    text = shown(with_obstacle(planted_answers()[4], Obstacle.CHUNK_SIZE))
    said = " ".join(text.partition("Shared with")[2].split())
    assert "Only files smaller than a chunk of both can be found: the chunk sizes differ" in said
    assert "Chunks 1,286 of 1,286" in said


def test_what_tar_layers_do_not_tell_is_not_known(tmp_path):
    blobs, largest, same = map(shown, layer_answers(tmp_path))
    assert blobs.count("\n  Compressor  gzip\n") == 2
    assert "Chunks" not in blobs
    assert " in 2 layers for " in " ".join(blobs.split())
    assert "  not known: the files of tar layers have no digests\n" in same
    assert "Only what lies in the same blob can be found" in " ".join(same.split())
    assert "Stored more than once" not in same
    assert "how much of it nothing else uses is not known" in " ".join(largest.split())


def test_an_image_without_blobs():
    blobs, _, largest, *_ = map(shown, bare_answers("v5-nodata"))
    assert blobs == "The image has no blobs.\n"
    assert "take 0 B of blobs" in largest


def test_names_of_strangers_are_escaped():
    text = shown(hostile_difference())
    assert r"\x1b[31mname\xff" in text
    assert "\x1b" not in text


def test_times_that_differ_are_dates():
    text = shown(planted_answers()[5], 200)
    assert "      mtime: 1795465453 (2026-11-23 20:24:13 UTC) -> 0 (1970-01-01 00:00:00 UTC)\n" in text


def test_a_difference_names_what_changed():
    text = shown(difference_of({b"a/b/c": b"1", b"f": b"one"}, {b"f": b"two", b"g": b"1" * 2000}))
    assert text.startswith("Removed\n  - /a  (directory, 2 entries below)\n\nAdded\n  + /g  (file, 2.0 kB)\n")
    assert "\nChanged\n  * /f  (content)\n" in text
    assert "  Changed  1: content 1\n" in text.partition("Sums\n")[2]


def test_a_long_difference_is_cut_and_says_so():
    text = shown(difference_of({b"%03d" % at: b"" for at in range(100)}, {b"f": b""}))
    assert text.count("\n  - ") == 40
    assert "\n    and 60 more\n" in text
    assert "  Removed  100\n" in text


def test_changes_and_unknown_contents_are_cut_too():
    names = [b"%03d" % at for at in range(50)]
    changed = shown(difference_of(dict.fromkeys(names, b"1"), dict.fromkeys(names, b"2")))
    assert changed.count("\n  * ") == 40
    assert "\n    and 10 more\n" in changed
    big = dict.fromkeys(names, b"x" * 5000)
    unknown = shown(difference_of(big, big, chunk_size=8192))
    assert unknown.count("\n  ? ") == 40
    assert "\n    and 10 more\n" in unknown


def test_no_difference_leaves_the_sums():
    text = shown(difference_of({b"f": b"1"}, {b"f": b"1"}))
    assert text.startswith("No differences.\n\nSums\n")
    assert "Changed  0\n" in text


def test_unknown_content_is_its_own_section():
    text = shown(difference_of({b"a": b"x" * 5000}, {b"a": b"x" * 5000}, chunk_size=8192))
    assert "  ? /a\n" in text
    assert "Content unknown  1\n" in text
    assert "\nChanged\n" not in text
