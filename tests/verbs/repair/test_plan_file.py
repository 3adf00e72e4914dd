"""Wishes in YAML."""

from pathlib import Path

import pytest

from rafsight.verbs.repair.packages.replacing import PackageFile
from rafsight.verbs.repair.plan_file import UnusablePlan, parse_mode, read_plan
from rafsight.verbs.repair.wishes import Addition, Removal, Replacement, Wishes

pytest.importorskip("yaml", reason="needs PyYAML")

PLAN = """\
# what the hotfix needs
- replace: /etc/ssl/openssl.cnf
  with: openssl.cnf
- {add: /opt/run.sh, with: /abs/run.sh, mode: 0755}
- add: /opt/na=me
  with: sub/folder
- remove: /usr/share/doc
- wheel: urllib3.whl
- npm: on.tgz
- deb: "no"
"""


def plan(folder, text):
    file = folder / "plan.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_a_plan_says_all_that_the_command_line_can(tmp_path):
    assert read_plan(plan(tmp_path, PLAN)) == Wishes(
        files=(
            Replacement(path=b"/etc/ssl/openssl.cnf", local=tmp_path / "openssl.cnf"),
            Addition(path=b"/opt/run.sh", local=Path("/abs/run.sh"), mode=0o755),
            Addition(path=b"/opt/na=me", local=tmp_path / "sub/folder"),
            Removal(path=b"/usr/share/doc"),
        ),
        packages=(
            PackageFile(kind="wheel", path=tmp_path / "urllib3.whl"),
            PackageFile(kind="npm", path=tmp_path / "on.tgz"),
            PackageFile(kind="deb", path=tmp_path / "no"),
        ),
    )


def test_texts_stay_texts(tmp_path):
    (one, other) = read_plan(plan(tmp_path, "- remove: 2024-01-01\n- remove: 0x10\n")).files
    assert (one.path, other.path) == (b"2024-01-01", b"0x10")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no list"),
        ("replace: /x", "no list"),
        ("- replace: /x", "entry 1 lacks `with`"),
        ("- remove: /x\n- remove: /y\n  with: z", "entry 2 must not have `with`"),
        ("- {remove: /x, add: /y, with: z}", "has to say one of: replace, add, remove, wheel, npm, deb"),
        ("- {with: z}", "has to say one of"),
        ("- {add: /x, with: y, mode: rwx}", "has a mode that is none: rwx"),
        ("- {add: /x, with: y, mode: 12345}", "has a mode that is none"),
        ("- {add: /x, with: [y]}", "no list of names and texts"),
        ("- /x", "no list of names and texts"),
        ("- {remove: [", "while parsing"),
        ("- !!python/object/apply:os.system [x]", "no list of names and texts"),
        (b"- remove: \xff", "special characters"),
        ("- " * 3000 + "x", "nested too deeply"),
        ("[" * 3000, "nested too deeply"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path, text, why):
    with pytest.raises(UnusablePlan, match=why):
        read_plan(plan(tmp_path, text))


def test_a_plan_has_to_be_there_and_not_too_large(tmp_path):
    with pytest.raises(UnusablePlan, match="No such file"):
        read_plan(tmp_path / "no")
    with pytest.raises(UnusablePlan, match="larger"):
        read_plan(plan(tmp_path, b"#" * (4 << 20) + b"\n"))


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("644", 0o644),
        ("0644", 0o644),
        ("0o755", 0o755),
        ("4755", 0o4755),
        ("7", 7),
        ("8", None),
        ("", None),
        ("u+x", None),
    ],
)
def test_modes_are_octal(text, mode):
    assert parse_mode(text) == mode
