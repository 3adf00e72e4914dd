import pytest

from rafsight.interfaces.service.web.rules import EVERYTHING, Rule, matches, rule_for


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("team/*", "team/app", True),
        ("team/*", "team/sub/app", False),
        ("team/**", "team/sub/app", True),
        ("**", "", True),
        ("**/app", "team/sub/app", True),
        ("v?", "v1", True),
        ("v?", "v12", False),
        ("v1.*", "v1x2", False),
        ("v1.*", "v1.2", True),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
        ("app", "app2", False),
        ("***", "a/b", True),
        ("", "", True),
    ],
)
def test_patterns(pattern, text, fits):
    assert matches(pattern, text) is fits


def test_many_stars_cost_no_time():
    assert not matches("*a" * 12 + "b", "a" * 255)


RULES = (
    Rule(repository="team/secret/**", scan=False),
    Rule(repository="team/**", tag="v*", scanners=("vuln", "secret"), deliver=("chat",)),
    Rule(registry="*.example.com", repository="**"),
)


@pytest.mark.parametrize(
    ("registry", "repository", "tag", "found"),
    [
        ("r", "team/secret/app", "v1", None),
        ("r", "team/app", "v1", 1),
        ("r", "team/app", "latest", None),
        ("r", "team/app", "", None),
        ("a.example.com", "team/app", "latest", 2),
        ("a.example.com", "other", "", 2),
    ],
)
def test_the_first_rule_that_names_an_image_decides(registry, repository, tag, found):
    rule = rule_for(RULES, registry=registry, repository=repository, tag=tag)
    assert rule == (None if found is None else RULES[found])


def test_without_rules_everything_is_scanned():
    assert rule_for((), registry="r", repository="a", tag="") is EVERYTHING
