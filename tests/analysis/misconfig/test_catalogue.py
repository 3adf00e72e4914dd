"""The table of checks as a whole: each is named once, tested both ways, and listed in the documentation."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.analysis.misconfig.checks import test_build, test_contents, test_environment, test_start, test_tree

from rafsight.analysis.misconfig.catalogue import CATALOGUE
from rafsight.analysis.misconfig.check import phrase, trivy
from rafsight.base.severity import Severity

ROOT = Path(__file__).resolve().parents[3]
GROUPS = (test_build, test_contents, test_environment, test_start, test_tree)


def test_ids_are_unique_and_well_formed():
    ids = [check.id for check in CATALOGUE]
    assert len(set(ids)) == len(ids) > 100
    assert all(re.fullmatch(r"RS-(ACC|BLD|CFG|FS|MIX|OS|SET)-[0-9]{3}", one) for one in ids)


@pytest.mark.parametrize("cases", ["BAD", "GOOD"])
def test_every_check_has_an_image_that_fails_and_one_that_does_not(cases):
    tested = {case[0] for group in GROUPS for case in getattr(group, cases)}
    assert {check.id for check in CATALOGUE} == tested


@pytest.mark.parametrize("check", CATALOGUE, ids=lambda check: check.id)
def test_texts(check):
    assert check.references[0].startswith("https://")
    assert check.severity is not Severity.UNKNOWN
    for text in (check.title, check.description, check.resolution, check.message):
        assert text[0].isalpha() or text[0] in "`{"
        assert len(text) < 140
    assert check.description.endswith(".")
    assert check.resolution.endswith(".")
    assert not check.title.endswith(".")
    for count in (1, 2):
        assert not set("[]{|}") & set(phrase(check.message, count))


def test_a_message_agrees_with_its_number():
    message = "{count} file[|s] [is|are] open"
    assert phrase(message, 1) == "1 file is open"
    assert phrase(message, 1234) == "1,234 files are open"


def test_aliases_of_trivy_have_all_spellings():
    assert trivy(2) == ("DS-0002", "AVD-DS-0002", "DS002")
    aliases = {alias for check in CATALOGUE for alias in check.aliases}
    for number in (1, 2, 4, 5, 8, 9, 10, 15, 17, 19, 20, 22, 24, 25, 26, 27, 29, 30):
        assert f"AVD-DS-{number:04}" in aliases
    assert {f"CIS-DI-{number:04}" for number in (1, 6, 7, 8, 9)} <= aliases


def test_the_documentation_lists_all():
    made = subprocess.run(
        [sys.executable, ROOT / "scripts/make-check-list"], capture_output=True, text=True, check=True
    )
    assert made.stdout == (ROOT / "docs/misconfig.md").read_text()
