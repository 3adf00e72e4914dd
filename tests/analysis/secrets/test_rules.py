"""The rules that come with the package: each does what stands beside it, none can take long."""

import re
from importlib.resources import files

import pytest

from rafsight.analysis.secrets.configuration import default_settings
from rafsight.analysis.secrets.examples import expand, run_examples
from rafsight.analysis.secrets.rule import RuleKind
from rafsight.analysis.secrets.rule_file import shipped_rules
from rafsight.analysis.secrets.widths import WAYS, count_ways

RULES = shipped_rules().rules


def test_every_example_does_what_is_written():
    outcomes = list(run_examples(shipped_rules()))
    assert [outcome for outcome in outcomes if not outcome.is_met] == []
    assert len(outcomes) > 300


def test_every_rule_has_an_example_that_it_finds():
    assert [rule.id for rule in RULES if not any(example.is_secret for example in rule.examples)] == []


def test_there_are_enough_and_each_has_a_name_of_its_own():
    ids = [rule.id for rule in RULES] + [rule.id for rule in shipped_rules().file_rules]
    assert len(RULES) > 200
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_patterns_are_fast_and_keywords_lie_in_what_they_match(rule):
    assert count_ways(rule.pattern) <= WAYS
    assert all(keyword == keyword.lower() for keyword in rule.keywords)
    for number, example in enumerate(rule.examples, 1):
        if example.is_secret and rule.keywords:
            text = expand(example.text, f"{rule.id} {number}").encode().lower()
            assert any(keyword in text for keyword in rule.keywords)


def test_tokens_are_long_enough_to_be_told_from_words():
    short = [rule.id for rule in RULES if rule.kind is RuleKind.TOKEN and min(map(len, rule.keywords)) < 2]
    assert short == []


def test_the_files_of_rules_have_nothing_that_looks_like_a_secret():
    shapes = re.compile(
        r"(?:ghp|gho|npm)_[A-Za-z0-9]{36}|AKIA[A-Z2-7]{16}\b(?<!EXAMPLE)|[sr]k_live_(?!x)[A-Za-z0-9]{10}|xox[bp]-[0-9]{8}"
    )
    for file in (files("rafsight.analysis.secrets") / "rules").iterdir():
        text = file.read_text().replace("AKIAIOSFODNN7EXAMPLE", "").replace("AKIAAAAAAAAAAAAAAAAA", "")
        assert not shapes.search(text.replace("ghp_" + 36 * "x", "")), file.name


def test_generators_make_the_same_each_time():
    assert expand("{{alnum 20}} {{uuid}} {{nothing 3}}", "a") == expand("{{alnum 20}} {{uuid}} {{nothing 3}}", "a")
    assert expand("{{alnum 20}}", "a") != expand("{{alnum 20}}", "b")
    assert expand("{{nothing 3}} {{ x }}", "a") == "{{nothing 3}} {{ x }}"


def test_loading_is_cached():
    assert default_settings().rules is shipped_rules()
