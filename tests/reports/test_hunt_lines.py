import csv
import io
import json

from rafsight.reports.hunt_lines import COLUMNS, answer_line, csv_header, csv_rows, failure_line, summary_line
from rafsight.reports.hunt_text import answer_text, failures_text, summary_text
from rafsight.reports.hunting import (
    Evidence,
    FileMatch,
    HuntAnswer,
    HuntFailure,
    HuntTally,
    PackageMatch,
    Unseen,
)
from rafsight.reports.terms import Terms

HOSTILE = b'a"b,\n\x1b[31m\xff'
FILE = FileMatch(
    path=HOSTILE,
    kind="symlink",
    mode=0o120777,
    uid=1,
    gid=2,
    size=3,
    mtime=1 << 60,
    target=b"=cmd|'x'!A1",
    evidence=(Evidence(kind="content", text="=1+1", offset=0),),
)
PACKAGE = PackageMatch(
    purl="pkg:npm/x@1", name="@evil/x", version="=1+2", source="s", locations=(b"p\n",), advisories=("CVE-1",)
)
ANSWER = HuntAnswer(
    digest="sha256:00",
    names=("r/app:v1", "r/app:latest"),
    platform="linux/amd64",
    files=(FILE,),
    packages=(PACKAGE,),
    unseen=(Unseen(subject="/x", why="too large"),),
)
TALLY = HuntTally(
    names=3,
    images=2,
    remembered=1,
    matches=1,
    unseen=1,
    passed_over=1,
    contents=5,
    requests=10,
    bytes_fetched=2_000_000,
    seconds=1.23456,
)
FAILURE = HuntFailure(names=("r/b:1",), code="not-found", message="no \x1b such", advice="look")


def test_json_keeps_every_byte():
    line = answer_line(ANSWER)
    assert line.count("\n") == 1
    assert line.isascii()
    found = json.loads(line)
    assert found["names"] == ["r/app:v1", "r/app:latest"]
    assert found["files"][0]["path_b64"] == "L2EiYiwKG1szMW3/"
    assert found["files"][0]["evidence"] == [{"kind": "content", "text": "=1+1", "offset": 0}]
    assert found["packages"][0]["locations"] == [{"path": "/p\n"}]
    assert found["unseen"] == [{"subject": "/x", "why": "too large"}]
    assert json.loads(failure_line(FAILURE))["type"] == "failure"
    assert json.loads(summary_line(TALLY))["seconds"] == 1.235


def test_csv_is_one_line_a_match_and_no_formula():
    text = csv_header() + "".join(csv_rows(ANSWER))
    assert len(text.splitlines()) == 3
    assert text.isprintable() or "\x1b" not in text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["path"] == r'/a"b,\x0a\x1b[31m\xff'
    assert rows[0]["mode"] == "0777"
    assert rows[0]["other_names"] == "r/app:latest"
    assert rows[1]["package"] == "'@evil/x"
    assert rows[1]["version"] == "'=1+2"
    assert rows[1]["path"] == r"/p\x0a"
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())


def test_text_shows_no_foreign_control_characters():
    text = "".join((*answer_text(ANSWER, Terms(created="")), *failures_text((FAILURE,), Terms(created=""))))
    assert "\x1b" not in text
    assert text.splitlines()[0] == "r/app:v1  (also r/app:latest)  linux/amd64"
    assert r'/a"b,\x0a\x1b[31m\xff -> =cmd' in text
    assert "'=1+1' at 0" in text
    assert "pkg:npm/x@1 (source s)  CVE-1" in text
    assert "not looked at: /x: too large" in text
    assert "no \\x1b such" in text
    assert "\x1b[1m" in next(answer_text(ANSWER, Terms(created="", colour=True)))


def test_many_are_cut_and_none_is_said():
    many = HuntAnswer(digest="d", names=("n",), unseen=(Unseen(subject="s", why="w"),) * 9)
    lines = list(answer_text(many, Terms(created="")))
    assert lines[1] == "  nothing\n"
    assert lines[-1] == "  and 4 more were not looked at\n"


def test_summary():
    assert summary_text(TALLY) == (
        "2 images of 3 names asked, 1 with a match, 1 remembered, 1 name of no image, 1 not looked at as a whole, "
        "5 contents looked into; 10 requests, 2.0 MB, 1.2 s"
    )
