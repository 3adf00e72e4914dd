import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.matching.cvss import score_vector

JUDGED = json.loads((Path(__file__).parent / "cvss_scores.json").read_text())["scores"]


def test_every_vector_scores_as_the_judge_says():
    wrong = [
        (vector, score, score_vector(vector))
        for vector, score in JUDGED
        if getattr(score_vector(vector), "score", None) != score
    ]
    assert len(JUDGED) == 520
    assert wrong == []


@pytest.mark.parametrize(
    ("vector", "version", "score"),
    [
        ("AV:N/AC:L/Au:N/C:N/I:N/A:C", "2", 7.8),
        ("(AV:N/AC:L/Au:N/C:P/I:P/A:P)", "2", 7.5),
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C/E:F/RL:OF/RC:C", "2", 10.0),
        ("AV:L/AC:H/Au:M/C:N/I:N/A:N", "2", 0.0),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", "3.0", 6.1),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", "3.1", 10.0),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:U/MAV:P", "3.1", 9.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", "3.1", 0.0),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", "4.0", 10.0),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "4.0", 9.3),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", "4.0", 0.0),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:U", "4.0", 8.1),
    ],
)  # fmt: skip
def test_well_known_vectors(vector, version, score):
    found = score_vector(vector)
    assert found is not None
    assert (found.version, found.score) == (version, score)


@pytest.mark.parametrize(
    "vector",
    [
        "",
        "/",
        "7.5",
        "CVSS:3.1",
        "CVSS:3.1/AV:N",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:X",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/A:N",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/ZZ:1",
        "CVSS:5.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N",
        "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:S/SA:N",
        "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:Z",
        "AV:N/AC:L/Au:N/C:C/I:C",
        "AV:N/AC:L/Au:N/C:C/I:C/A:C/" + "x" * 300,
    ],
)
def test_a_malformed_vector_has_no_score(vector):
    assert score_vector(vector) is None


def test_version_4_has_a_score_for_every_combination_of_classes():
    from rafsight.matching.cvss.v4_table import PAIRS, SCORES

    assert len(SCORES) == 3 * 2 * len(PAIRS) * 3 * 3 == 270
    assert all(0 < score <= 100 for score in SCORES)


@given(
    start=st.sampled_from(["CVSS:3.1/", "CVSS:4.0/", "CVSS:3.0/", ""]), rest=st.text("AVCLNHPRUISX:/.M", max_size=60)
)
@settings(deadline=None, max_examples=300)
def test_any_text_has_a_score_in_bounds_or_none(start, rest):
    found = score_vector(start + rest)
    assert found is None or 0 <= found.score <= 10


@given(vector=st.sampled_from([vector for vector, _ in JUDGED]))
@settings(deadline=None, max_examples=200)
def test_the_order_of_metrics_does_not_matter(vector):
    head, _, rest = vector.rpartition("CVSS:")
    parts = rest.split("/")
    start = 1 if vector.startswith("CVSS:") else 0
    prefix = "CVSS:" if start else ""
    assert score_vector(head + prefix + "/".join([*parts[:start], *reversed(parts[start:])])) == score_vector(vector)
