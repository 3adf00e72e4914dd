"""Every recorded request of every golden image: the same as nydus-image said, or a row of the table of differences."""

import re
from collections import Counter
from pathlib import Path

import pytest
from tests.verbs.inspect import recorded
from tests.verbs.inspect.comparison import json_differences, opened, text_differences
from tests.verbs.inspect.differences import DIFFERENCES, Case, cases_of

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "inspect-and-the-peer.md"
HERE = Path(__file__).resolve().parent


def test_all_images_are_there():
    assert len(recorded.NAMES) == 36


@pytest.mark.parametrize("name", recorded.NAMES)
@pytest.mark.parametrize("request_", ["stats", "blobs", "prefetch"])
def test_json_requests(name, request_):
    found = Counter(Case(name, request_, *difference) for difference in json_differences(name, request_))
    assert found == cases_of(name, request_)


@pytest.mark.parametrize("name", recorded.NAMES)
def test_text_requests(name):
    with opened(name) as image:
        found, asked = Counter(), []
        for request, exit_code, text in recorded.requests_of(name):
            asked.append(request)
            found.update(
                Case(name, request, *difference) for difference in text_differences(image, request, exit_code, text)
            )
    assert len(asked) == 11
    assert found == cases_of(name, *asked)


def test_every_difference_is_proved():
    for row in DIFFERENCES:
        assert bool(row.cases) != bool(row.test), row.request
        if row.test:
            module, _, function = row.test.partition("::")
            assert f"def {function}(" in (HERE / module).read_text(), row.test


def test_the_document_has_the_same_table():
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    cells = [tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]) for line in lines]
    table = [row for row in cells if len(row) == 4]
    assert table[0] == ("request", "nydus-image", "rafsight", "why")
    assert table[1:] == [row.row for row in DIFFERENCES]
