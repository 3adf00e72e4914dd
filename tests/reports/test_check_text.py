import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from tests.reports import check_samples as samples
from tests.reports.golden_text import expect

from rafsight.reports.check_summary import strictly
from rafsight.reports.check_text import EXAMPLES, describe_facts, describe_subjects, describe_verdict, render_text

WIDTHS = (30, 40, 60, 80, 89, 90, 100, 120, 200)


def render(report, width=100, colour=False, unicode=True):
    return render_text(report, width=width, colour=colour, unicode=unicode)


@pytest.mark.parametrize("width", [60, 100])
def test_looks_as_recorded(width):
    expect(f"check-{width}.txt", render(samples.UNSOUND, width))


def test_a_sound_image_looks_as_recorded():
    expect("check-100-sound.txt", render(samples.SOUND))


def test_looks_as_recorded_in_colour():
    expect("check-100-colour.txt", render(samples.UNSOUND, colour=True))


def test_looks_as_recorded_in_ascii():
    expect("check-100-ascii.txt", render(samples.UNSOUND, unicode=False))


def test_hostile_text_looks_as_recorded():
    expect("check-100-hostile.txt", render(samples.hostile()))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("number", range(len(samples.ALL) + 1))
def test_no_line_is_wider_than_the_terminal(number, width):
    report = (*samples.ALL, samples.hostile())[number]
    text = render(report, width)
    for line in text.splitlines():
        assert cell_len(line) <= width, line
    assert re.sub("\x1b\\[[0-9;]*m", "", render(report, width, colour=True)) == text
    assert render(report, width, unicode=False).isascii()


def test_hostile_text_never_reaches_the_terminal():
    for colour in (False, True):
        text = re.sub("\x1b\\[[0-9;]*m", "", render(samples.hostile(), colour=colour))
        assert all(line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (samples.SOUND, "Sound."),
        (samples.SOUND_WITH_WARNING, "Sound, with 1 warning."),
        (strictly(samples.SOUND_WITH_WARNING), "Unsound by --strict: 1 warning."),
        (samples.ONE_ERROR, "Unsound: 1 error."),
        (
            samples.UNSOUND,
            "Unsound: 4,323 errors of 2 rules, 2 warnings, and 12 things could not be looked at.",
        ),
        (
            samples.UNCHECKED,
            "Could not check everything: 12 things could not be looked at; nothing that was looked at is broken.",
        ),
        (
            samples.NOT_KNOWN,
            "Could not check everything: 1 thing could not be looked at; nothing that was looked at is broken (1 warning).",
        ),
    ],
)
def test_the_verdict_is_one_sentence(report, sentence):
    assert describe_verdict(report)[0] == sentence
    assert sentence in render(report, 200)


def test_a_sound_image_is_said_to_be_unread_only_if_it_was():
    assert "--chunks verifies it" in render(samples.SOUND)
    assert "--chunks verifies it" not in render(samples.SOUND_WITH_CHUNKS)


def test_of_many_places_some_are_shown_and_the_others_counted():
    text = render(samples.UNSOUND)
    assert text.count("/usr/share/doc/package-") == 5
    assert "and 4,316 more" in text
    assert "could not look at 12 blobs: 127.0.0.1:5000 answers 500\n" in text


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ((), ""),
        ((("inodes", 215), ("chunks", 83), ("bytes", 39492)), "215 inodes, 83 chunks, 39.5 kB"),
        ((("inodes", 1), ("tables of contents", 1), ("entries", 1)), "1 inode, 1 table of contents, 1 entry"),
        ((("files-fetched", 2), ("layer-bytes", 1000), ("blobs", 0)), "2 files fetched, 1.0 kB of layers"),
    ],
)
def test_facts_are_counted_things(facts, text):
    assert describe_facts(facts) == text


BLOBS = [f"blob sha256:{row:064}" for row in range(14)]


@pytest.mark.parametrize(
    ("subjects", "text"),
    [
        (BLOBS[:1], BLOBS[0]),
        (BLOBS, "14 blobs"),
        ([f"table of contents of {one}" for one in BLOBS[:2]], "2 tables of contents of blobs"),
        ([f"chunks of {one}" for one in BLOBS[:3]] + BLOBS[:2], "3 chunks of blobs, 2 blobs"),
        (["layers[0]", "layers[1]", "layers[2]", *BLOBS[:2]], "layers[0] and 2 more of its kind, 2 blobs"),
    ],
)
def test_things_that_have_one_reason_are_counted(subjects, text):
    assert describe_subjects(subjects) == text


def test_places_with_reasons_of_their_own_stand_alone():
    left = tuple(samples.Unchecked(subject=one, why=f"status 501 for {one}") for one in BLOBS)
    others = tuple(samples.Unchecked(subject=f"layers[{row}]", why=f"it is odd {row}") for row in range(12))
    step = samples.replace(samples.STEPS[4], unchecked=(*left, *others))
    text = render(samples.report(samples.image(step)))
    assert "could not look at 14 blobs: status 501 for it\n" in text
    assert "could not look at layers[0]: it is odd 0\n" in text
    assert "and 5 more" in text


def test_advice_stands_once_and_what_faults_have_in_common_before_the_verdict():
    rule = samples.replace(samples.SIZE, advice="convert again")
    faults = tuple(samples.Fault(rule=rule, where="file", offset=1234567) for _ in range(9))
    step = samples.replace(samples.STEPS[3], faults=faults, counts=((rule.code, 9),), remark="9 things have one cause.")
    text = render(samples.report(samples.image(step)))
    assert text.count("To do: convert again.") == 1
    assert text.count("file at byte 1234567\n") == EXAMPLES
    assert text.splitlines()[-2:] == ["9 things have one cause.", "Unsound: 9 errors of 1 rule."]


@settings(deadline=None, max_examples=40)
@given(st.integers(30, 150), st.text(max_size=60), st.binary(max_size=60))
def test_whatever_is_said_fits(width, text, path):
    fault = samples.Fault(rule=samples.SIZE, where=text, path=path, detail=text, offset=5)
    step = samples.replace(samples.STEPS[3], faults=(fault,), counts=((samples.SIZE.code, 1),))
    for line in render(samples.report(samples.image(step), reference=text or "x"), width).splitlines():
        assert cell_len(line) <= width
        assert line.isprintable()
