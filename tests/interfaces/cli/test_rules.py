"""`rafsight rules`: the list, the tests of one's own rules, wrong files."""

import json

import pytest

from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli import run

OWN = """secrets:
  rules:
    - id: own-token
      title: Own token
      severity: high
      keywords: [own_]
      pattern: own_[a-z2-7]{8}
      found: ["own_{{base32-lower 8}}"]
      ignored: ["own_short"%s]
"""


def rules(capfd, *arguments):
    status = run(["rules", *map(str, arguments)])
    written = capfd.readouterr()
    return status, written.out, written.err


def test_the_shipped_rules_are_listed_and_pass(capfd):
    status, text, _ = rules(capfd, "list")
    assert status == 0
    assert any(line.split()[:3] == ["github-pat", "CRITICAL", "token"] for line in text.splitlines())
    status, text, _ = rules(capfd, "test")
    assert (status, text.endswith(" rules, 0 failed\n")) == (0, True)


def test_own_rules_are_listed_first_and_tested_alone(capfd, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(OWN % "")
    status, text, _ = rules(capfd, "list", "--json", file)
    first = json.loads(text)[0]
    assert (status, first["id"], first["severity"], first["examples"]) == (0, "own-token", "HIGH", 2)
    assert first["source"] == f"{file}, line 3"
    assert rules(capfd, "test", file)[:2] == (0, "2 examples of 1 rule, 0 failed\n")


def test_an_example_that_fails(capfd, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(OWN % ', "own_{{base32-lower 8}}"')
    status, text, _ = rules(capfd, "test", file)
    assert status == 1
    assert text.splitlines() == [
        "own-token: example 3 is found, and should not be; found by own-token",
        "3 examples of 1 rule, 1 failed",
    ]


@pytest.mark.parametrize("command", ["list", "test"])
def test_a_wrong_file(capfd, tmp_path, command):
    file = tmp_path / "own.yaml"
    file.write_text("secrets:\n  colour: red\n")
    status, text, said = rules(capfd, command, file)
    assert (status, text) == (ExitStatus.USAGE, "")
    assert f"{file}, line 2: there is no key colour here" in said
