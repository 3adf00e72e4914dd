from dataclasses import replace
from pathlib import Path

import pytest
from tests.reports import samples

from rafsight.interfaces.cli.scan_suppression import Suppression, UnreadableRules, apply_rules, read_rules


class Warned:
    def __init__(self):
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


def asked(*ignore_files, vex=()):
    return Suppression(ignore_files=ignore_files, vex_files=vex, is_shown=False)


def test_files_of_the_folder_are_taken_unless_others_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_rules(asked()) == ()
    (tmp_path / ".trivyignore").write_text("CVE-1\n")
    (tmp_path / ".rafsightignore").write_text("CVE-2\n")
    (tmp_path / ".trivyignore.yaml").write_text("secrets: [{id: key}]\n")
    assert [(rule.source, *rule.names) for rule in read_rules(asked())] == [
        (".rafsightignore", "cve-2"),
        (".trivyignore", "cve-1"),
        (".trivyignore.yaml", "key"),
    ]
    (tmp_path / "mine").write_text("CVE-3\n")
    assert [rule.source for rule in read_rules(asked(Path("mine")))] == ["mine"]


def test_a_file_that_was_named_has_to_be_there(tmp_path):
    with pytest.raises(UnreadableRules, match="gone"):
        read_rules(asked(tmp_path / "gone"))
    with pytest.raises(UnreadableRules):
        read_rules(asked(vex=(tmp_path,)))


def test_rules_that_expired_are_told(tmp_path):
    (tmp_path / "f").write_text("CVE-2024-5535 exp:2026-11-23\nCVE-2024-2961\n")
    rules = read_rules(asked(tmp_path / "f"))
    ui = Warned()
    report = replace(samples.FULL, suppressed=())
    assert len(apply_rules(report, rules, day="2026-11-22T23:59:59Z", ui=ui).suppressed) == 4
    assert ui.warnings == []
    assert len(apply_rules(report, rules, day="2026-11-23T00:00:00Z", ui=ui).suppressed) == 2
    assert ui.warnings == [f"1 rule has expired in {tmp_path / 'f'}: what it named is shown again"]
