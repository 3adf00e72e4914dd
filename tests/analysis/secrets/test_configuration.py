"""Configuration files: what they may say, and how mistakes are told."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.secrets.support import made, read, search

from rafsight.analysis.secrets.configuration import default_settings, read_settings
from rafsight.analysis.secrets.examples import run_examples
from rafsight.analysis.secrets.fields import MalformedConfiguration
from rafsight.analysis.secrets.trivy_rules import go_pattern

RULE = "    - {id: own-token, title: Own, keywords: [own_], pattern: 'own_[a-z]{8}', %s}\n"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("secrets:\n  rule: []\n", 2, "no key rule"),
        ("secrets: [a]\n", 1, "secrets has to be a mapping"),
        ("secrets:\n  disable: [nothing-like-that]\n", 2, "no rule 'nothing-like-that'"),
        ("secrets:\n  severity:\n    jwt: awful\n", 3, "awful"),
        ("secrets:\n  severity:\n    nope: low\n", 2, "no rule 'nope'"),
        ("secrets:\n  allow:\n    - {reason: x}\n", 3, "needs paths"),
        ("secrets:\n  allow:\n\n    - {values: ['(']}\n", 4, "no regular expression"),
        ("secrets:\n  allow:\n    - {fingerprints: [abc]}\n", 3, "no fingerprint"),
        ("secrets:\n  rules:\n" + RULE % "kind: odd", 3, "kind is 'odd'"),
        ("secrets:\n  rules:\n" + RULE % "checks: [magic]", 3, "checks has 'magic'"),
        ("secrets:\n  rules:\n" + RULE % "entropy: high", 3, "entropy has to be a number"),
        ("secrets:\n  rules:\n" + RULE % "colour: red", 3, "no key colour"),
        ("secrets:\n  rules:\n    - {id: X Y, title: t, keywords: [a], pattern: b}\n", 3, "id 'X Y'"),
        ("secrets:\n  rules:\n    - {id: slow, title: t, keywords: [a], pattern: '(a+)+b'}\n", 3, "very long"),
        ("secrets:\n  rules:\n    - {id: none, title: t, pattern: b}\n", 3, "needs keywords"),
        ("secrets:\n  rules:\n    - {id: own, title: t, keywords: [a], pattern: b, checks: [assigned]}\n", 3, "group"),
        ("secrets:\n  files:\n    - {id: own, title: t, paths: [a], magic: [XY]}\n", 3, "magic 'XY'"),
        ("secrets:\n  built-in: 3\n", 2, "true or false"),
        ("a: [\n", 2, ""),
        ("- a\n", 1, "has to be a mapping"),
        ("secret: {}", 1, "there is no part secret; there are secrets, checks, misconfig"),
        ("secrets:\n  allow:\n    - rules: [stripe-live-ke]", 3, "there is no rule 'stripe-live-ke'"),
        ("secrets:\n  disable: [jwt]\n  allow: []\n  disable: []", 4, "disable is there twice"),
    ],
)
def test_mistakes_are_told_with_their_line(text, line, what):
    with pytest.raises(MalformedConfiguration) as told:
        read_settings(text.encode(), "my.yaml")
    assert str(told.value).startswith(f"my.yaml, line {line}: ")
    assert what in str(told.value)


def test_without_a_configuration_the_shipped_rules_apply():
    assert read_settings(b"") == default_settings()
    assert read_settings(b"misconfig: {a: b}\n") == default_settings()  # the part of somebody else


def test_the_shipped_rules_can_be_left_out_and_replaced():
    settings = read_settings(b"secrets:\n  built-in: false\n  rules:\n" + (RULE % "kind: token").encode())
    assert [rule.id for rule in settings.rules.rules] == ["own-token"]
    settings = read_settings((("secrets:\n  rules:\n" + RULE) % "severity: low").replace("own-token", "jwt").encode())
    assert [rule.source for rule in settings.rules.rules if rule.id == "jwt"] == ["rafsight.yaml, line 3"]


def test_examples_of_own_rules_run():
    text = "secrets:\n  rules:\n" + RULE % "found: ['own_{{base32-lower 8}}', 'OWN_x'], ignored: ['own_1']"
    outcomes = list(run_examples(read_settings(text.encode()).rules, only=frozenset({"own-token"})))
    assert [(outcome.number, outcome.is_secret, outcome.is_met) for outcome in outcomes] == [
        (1, True, False),  # base32 has digits
        (2, True, False),
        (3, False, True),
    ]


TRIVY = rb"""
disable-rules: [jwt]
rules:
  - id: acme
    category: ACME
    title: ACME key
    severity: HIGH
    keywords: [ACME]
    path: .*\.conf$
    regex: (?i)acme-(?P<key>[[:xdigit:]]{12})
    secret-group-name: key
    allow-rules:
      - {id: dev, description: not real, regex: '^dead'}
allow-rules:
  - {id: tests, path: ^srv/tests/}
"""


def test_trivys_keys_are_understood():
    def found(path, text):
        one = search(read_settings(TRIVY, "trivy-secret.yaml"))
        read(one, path, text)
        return [(secret.rule_id, secret.match) for secret in one.finish().secrets]

    assert found(b"srv/a.conf", b"k: ACME-0123456789ab\n") == [("acme", "k: ACME-" + "*" * 12)]
    assert found(b"srv/a.conf", b"k: ACME-dead456789ab\n") == []
    assert found(b"srv/a.txt", b"k: ACME-0123456789ab\n") == []
    assert found(b"srv/tests/a.conf", b"k: ACME-0123456789ab\n") == []
    assert found(b"srv/a.conf", made("{{jwt}}")) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("rules: []\nexclude-block: {regexes: [a]}\n", "exclude-block"),
        ("rules:\n  - {id: a, severity: HIGH, regex: b}\n", "keywords are needed"),
        ("rules:\n  - {id: a, severity: HIGH, keywords: [b], regex: '(?<x'}\n", "regular expression"),
        ("enable-builtin-rules: [nope]\n", "nope"),
        ("disable-allow-rules: [tests]\n", "disable-allow-rules"),
    ],
)
def test_what_of_trivys_cannot_be_done_is_refused(text, what):
    with pytest.raises(MalformedConfiguration, match=re.escape(what)):
        read_settings(text.encode())


def test_only_some_of_the_shipped_rules():
    settings = read_settings(b"enable-builtin-rules: [jwt, git-repository]\n")
    assert [rule.id for rule in (*settings.rules.rules, *settings.rules.file_rules)] == ["jwt", "git-repository"]


def test_go_patterns():
    assert go_pattern(r"a(?i)b\z") == r"a(?i:b\Z)"
    assert go_pattern(r"[[:alnum:]_]") == "[A-Za-z0-9_]"


@given(
    st.one_of(
        st.binary(max_size=200), st.text(alphabet="secrets: rules-\n[]{}&*!'\"|> a", max_size=120).map(str.encode)
    )
)
def test_any_file_is_read_or_refused(content):
    with suppress(MalformedConfiguration):
        assert read_settings(content).rules.rules


def test_the_example_of_the_documentation_works():
    page = Path(__file__).resolve().parents[3] / "docs" / "secrets.md"
    example = page.read_text().partition("```yaml\n")[2].partition("```")[0]
    settings = read_settings(example.encode())
    outcomes = list(run_examples(settings.rules, only=frozenset({"acme-token"})))
    assert [outcome.is_met for outcome in outcomes] == [True, True]
    assert (settings.salt, len(settings.allowances)) == (b"any text of your team", 3)
