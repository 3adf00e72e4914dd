"""Completion by Tab, as bash asks for it."""

import shutil
import subprocess
import sys

import pytest

from rafsight.interfaces.cli import run
from rafsight.interfaces.cli.completion import SHELLS


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_a_script(shell, capsys):
    assert run(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert "_RAFSIGHT_COMPLETE" in out
    assert f"{shell}_complete" in out
    assert err == ""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["rafsight", "sc"], ["scan"]),
        (["rafsight", "scan", "--ignore-u"], ["--ignore-unfixed"]),
        (["rafsight", "scan", "-f", "cy"], ["cyclonedx"]),
        (["rafsight", "db", ""], ["import", "status", "update"]),
        (["rafsight", "ls", "oci"], []),
    ],
    ids=" ".join,
)
def test_bash_completes(words, completed, capsys, tmp_path):
    assert run(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    quoted = " ".join(f"'{word}'" for word in words)
    script += f"\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
    program = tmp_path / "rafsight"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rafsight "$@"\n')
    program.chmod(0o755)
    script += f"_rafsight_completion '{program}'\n" + 'printf "%s\\n" "${COMPREPLY[@]}"\n'
    answer = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.split() == completed


def test_what_is_not_ours_to_complete_may_be_a_file(capsys):
    run(["completion", "bash"])
    assert "-o default -F _rafsight_completion" in capsys.readouterr().out
