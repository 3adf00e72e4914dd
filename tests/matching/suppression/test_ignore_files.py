from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.matching.suppression.purls import parse_purl
from rafsight.matching.suppression.reading import IGNORE_SIZE, parse_ignore_file
from rafsight.matching.suppression.rule import ALL_KINDS, MalformedRules, Target

LINES = b"""# why not
CVE-2018-14618

CVE-2019-14697 exp:2023-01-01
  ghsa-aaaa-bbbb-cccc   # nobody calls it
CVE-2024-3456 purl:pkg:npm/lodash path:srv/app/** exp:2026-12-31 reason: the function: never called
aws-access-key-id path:test/* path:docs/* reason:an example
"""
YAML = b"""
vulnerabilities:
  - id: CVE-2022-40897
    paths:
      - "usr/local/lib/python3.9/site-packages/setuptools-58.1.0.dist-info/METADATA"
    statement: Accept the risk
  - id: CVE-2023-2650
  - id: CVE-2023-3446
    expired_at: 2023-09-01
  - id: CVE-2023-29491
    purls: ["pkg:deb/debian/libncursesw6", "pkg:deb/debian/libtinfo6@6.2"]
misconfigurations:
  - id: AVD-DS-0001
  - id: AVD-DS-0002
    paths: ["docs/Dockerfile"]
    statement: The image needs root privileges
secrets:
  - id: aws-access-key-id
licenses:
  - id: GPL-3.0
"""


def test_lines():
    plain, dated, commented, full, secret = parse_ignore_file(LINES, ".rafsightignore")
    assert (plain.names, plain.kinds, plain.status) == ({"cve-2018-14618"}, ALL_KINDS, "ignored")
    assert (plain.statement, plain.source, plain.expires) == ("", ".rafsightignore", None)
    assert dated.expires == date(2023, 1, 1)
    assert dated.is_current(date(2022, 12, 31))
    assert not dated.is_current(date(2023, 1, 1))
    assert commented.statement == "nobody calls it"
    assert full.targets == (Target(package=parse_purl("pkg:npm/lodash")),)
    assert (full.paths, full.expires) == (("srv/app/**",), date(2026, 12, 31))
    assert full.statement == "the function: never called"
    assert (secret.paths, secret.statement) == (("test/*", "docs/*"), "an example")


def test_yaml():
    rules = parse_ignore_file(YAML, ".trivyignore.yaml")
    assert [(sorted(rule.names), sorted(rule.kinds)) for rule in rules] == [
        (["cve-2022-40897"], ["vuln"]),
        (["cve-2023-2650"], ["vuln"]),
        (["cve-2023-3446"], ["vuln"]),
        (["cve-2023-29491"], ["vuln"]),
        (["avd-ds-0001"], ["misconfig"]),
        (["avd-ds-0002"], ["misconfig"]),
        (["aws-access-key-id"], ["secret"]),
    ]
    assert rules[0].statement == "Accept the risk"
    assert rules[0].paths[0].endswith("METADATA")
    assert rules[2].expires == date(2023, 9, 1)
    assert [target.package.name for target in rules[3].targets] == ["libncursesw6", "libtinfo6"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"CVE-1 exp:tomorrow", "line 1"),
        (b"# x\nCVE-1 2026-01-01", "line 2"),
        (b"CVE-1 expires:2026-01-01", "line 1"),
        (b"CVE-1 purl:lodash", "line 1"),
        (b"CVE-1 exp:", "line 1"),
        (b"x" * 5000, "line 1"),
    ],
)
def test_lines_that_nobody_understands(content, says):
    with pytest.raises(MalformedRules, match=says):
        parse_ignore_file(content, "f")


@pytest.mark.parametrize(
    "content",
    [
        b"- CVE-1",
        b"vulns:\n  - id: x",
        b"vulnerabilities:\n  - name: x",
        b"vulnerabilities:\n  - id: x\n    expired_at: soon",
        b"vulnerabilities:\n  - id: x\n    purls: [lodash]",
        b"a: &a [x]\nb: *a",
        b"vulnerabilities:\n  - id: x\n    path: y",
        b"vulnerabilities:\n  - id: x\n    paths: y",
        b"vulnerabilities:\n  - id: x\n    paths: [[y]]",
        b"vulnerabilities:\n  - id: x\n    paths: ['']",
        b"vulnerabilities:\n  - id: x\n    purls: y",
        b"vulnerabilities:\n  - id: x\n    expired_at: [2026-12-31]",
        b"vulnerabilities:\n  - id: [x]",
        b"vulnerabilities:\n  - x",
        b"vulnerabilities: x",
        b"[" * 5000,
        b"{",
        b"vulnerabilities: \xff\xfe",
    ],
)
def test_yaml_that_nobody_understands(content):
    with pytest.raises(MalformedRules):
        parse_ignore_file(content, "f.yaml")


def test_empty_members_of_yaml_say_nothing():
    (rule,) = parse_ignore_file(b"secrets:\nvulnerabilities:\n  - id: x\n    paths:\n    statement:\n", "f.yaml")
    assert (rule.paths, rule.statement, rule.expires) == ((), "", None)


def test_empty_files_say_nothing():
    assert parse_ignore_file(b"", ".trivyignore") == ()
    assert parse_ignore_file(b"", "f.yaml") == ()
    assert parse_ignore_file(b"\xef\xbb\xbf# x\n", ".trivyignore") == ()


def test_a_file_may_not_be_any_size():
    with pytest.raises(MalformedRules, match="bytes"):
        parse_ignore_file(b"#" * (IGNORE_SIZE + 1), "f")


@given(content=st.binary(max_size=200), name=st.sampled_from(["f", "f.yaml"]))
def test_any_bytes_are_rules_or_refused(content, name):
    with suppress(MalformedRules):
        parse_ignore_file(content, name)
