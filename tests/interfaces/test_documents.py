"""The pages about errors and exit statuses say what the code does."""

import re
import string
import subprocess
import sys
from functools import cache
from pathlib import Path
from runpy import run_path

from rafsight.base.errors import ExitStatus, RafsightError
from rafsight.interfaces.cli.failure import READER_GONE

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "scripts" / "make-error-list"


@cache
def error_classes():
    return run_path(str(GENERATOR))["error_classes"]()


def test_the_list_of_errors_is_the_codes_own():
    made = subprocess.run([sys.executable, GENERATOR], capture_output=True, text=True, check=True).stdout
    assert made == (ROOT / "docs" / "errors.md").read_text(), "run scripts/make-error-list > docs/errors.md"


def test_every_error_can_be_told_and_mended():
    for error in error_classes():
        assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", error.code), error
        assert isinstance(error.exit_status, ExitStatus), error
        assert error.remedy.strip().endswith((".", "`")), error
        assert not error.template.endswith("."), error


def test_every_field_of_a_remedy_is_a_field_of_the_sentence_or_given_with_it():
    for error in error_classes():
        names = {
            name for text in (error.template, error.remedy) for _, name, _, _ in string.Formatter().parse(text) if name
        }
        told = _instance(error, names)
        assert str(told)
        assert told.advice
        assert str(told).isprintable(), error


def _instance(error, names):
    made = error.__new__(error)
    RafsightError.__init__(made, **{name.split(".")[0].split("[")[0]: 7 for name in names})
    return made


def test_every_status_is_explained():
    page = (ROOT / "docs" / "exit-codes.md").read_text()
    rows = dict(re.findall(r"^\| (\d+) \| (?:`([A-Z_]+)` )?\|", page, re.MULTILINE))
    assert {int(number): name for number, name in rows.items() if name} == {int(s): s.name for s in ExitStatus}
    assert rows[str(READER_GONE)] == ""
