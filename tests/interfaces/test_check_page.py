"""The page about `check` lists the rules that the code has."""

import re
import subprocess
import sys
from pathlib import Path
from runpy import run_path

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "scripts" / "make-rule-list"
PAGE = ROOT / "docs" / "check.md"


def test_the_list_of_rules_is_the_codes_own():
    done = subprocess.run([sys.executable, GENERATOR], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == PAGE.read_text(), "run scripts/make-rule-list, its head says how"


def test_every_rule_has_a_code_and_a_sentence_of_its_own():
    listed = [rule for rules in run_path(str(GENERATOR))["list_rules"]().values() for rule in rules]
    assert len(listed) > 100
    assert len({rule.code for rule in listed}) == len(listed)
    for rule in listed:
        assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", rule.code), rule
        assert rule.says, rule
        assert not rule.says.endswith("."), rule
        assert rule.says.isprintable(), rule


def test_the_page_names_every_step():
    from rafsight.verbs.check.steps import TITLES

    steps = re.findall(
        r"^\| `([a-z-]+)` \| [^|]+ \|[^|]*\|$", PAGE.read_text().partition("## The verdict")[0], re.MULTILINE
    )
    assert steps == list(TITLES)
