import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.matching.feeds.epss import MalformedScores, ScoreReader, looks_like_scores

SCORES = b"""#model_version:v2025.03.14,score_date:2026-11-22T12:55:00Z
cve,epss,percentile
CVE-1999-0001,0.01125,0.77321
CVE-2021-44228,0.94358,0.99957
CVE-2024-1,1.5,0.1
CVE-2024-10001,x,0.1
GHSA-x,0.1,0.1

CVE-2024-10002,1e-05,0
"""
SOUND = [("CVE-1999-0001", 0.01125, 0.77321), ("CVE-2021-44228", 0.94358, 0.99957), ("CVE-2024-10002", 0.00001, 0.0)]


def read(content):
    reader = ScoreReader(io.BytesIO(content), "epss.csv.gz")
    return reader, list(reader)


@pytest.mark.parametrize("content", [SCORES, gzip.compress(SCORES)], ids=["plain", "gzip"])
def test_reads_the_sound_lines(content):
    assert looks_like_scores(content[:4096])
    reader, found = read(content)
    assert [tuple(one) for one in found] == SOUND
    assert reader.malformed_count == 3
    assert reader.released == "2026-11-22T12:55:00Z"


@pytest.mark.parametrize(
    ("head", "released"),
    [
        (b"", ""),
        (b"#model_version:v2023.03.01,score_date:2023-03-08T00:00:00+0000\n", "2023-03-08T00:00:00+00:00"),
        (b"#model_version:v1,score_date:2021-04-14\n", "2021-04-14T00:00:00Z"),
        (b"#model_version:v1\n", ""),
    ],
)
def test_dates_of_all_times(head, released):
    assert read(head + b"cve,epss,percentile\r\n")[0].released == released


@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8b", b"cve,epss\n", b"{}", gzip.compress(b"x", mtime=0), b"#model_version:1\n"]
)
def test_anything_else_is_malformed(content):
    with pytest.raises(MalformedScores, match=r"epss\.csv\.gz"):
        read(content)


@pytest.mark.parametrize("head", [b"", b"{", b"PK\x03\x04", b"\x1f\x8bxxxxxxxxx", gzip.compress(b"{}", mtime=0)])
def test_other_files_do_not_look_like_it(head):
    assert not looks_like_scores(head)


def test_a_file_that_was_cut_off_is_malformed():
    whole = gzip.compress(SCORES * 50)
    with pytest.raises(MalformedScores):
        read(whole[: len(whole) // 2])


@given(st.binary(max_size=300))
def test_any_bytes_are_scores_or_refused(content):
    for text in (content, SCORES[:90] + content, gzip.compress(content)[:-1]):
        try:
            _, found = read(text)
        except MalformedScores:
            continue
        assert all(0 <= one.epss <= 1 for one in found)
