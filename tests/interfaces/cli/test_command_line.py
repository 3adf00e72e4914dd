"""The command line as a whole: help, statuses, errors. What needs an image is tested end to end elsewhere."""

import subprocess
import sys

import pytest

from rafsight._version import __version__
from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli import COMMANDS, run

HEAVY = ("numpy", "rich", "urllib3", "sqlite3", "zstandard", "cryptography", "msgspec")


def imported_by(arguments):
    code = (
        "import sys\n"
        "from rafsight.interfaces.cli import run\n"
        f"status = run({arguments!r})\n"
        f"print(status, [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["scan", "--help"], ["ls", "--help"], ["db", "--help"], ["db", "import", "--help"]],
)
def test_help_imports_nothing_heavy(arguments):
    assert imported_by(arguments) == "0 []\n"


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(option, capsys):
    assert run([option]) == 0
    assert capsys.readouterr().out == f"rafsight {__version__}\n"


def test_help_names_every_command_without_importing_it(capsys):
    assert run(["-h"]) == 0
    text = capsys.readouterr().out
    for entry in COMMANDS:
        assert f"{entry.name} " in text
        assert entry.summary in text


@pytest.mark.parametrize(
    "arguments",
    [[entry.name] for entry in COMMANDS] + [["db", name] for name in ("import", "status", "update")],
    ids=" ".join,
)
def test_every_command_has_help(arguments, capsys):
    assert run([*arguments, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"Usage: rafsight {' '.join(arguments)} ")
    assert err == ""


@pytest.mark.parametrize("arguments", [["scan"], ["index", "update"], ["db", "update"]], ids=" ".join)
def test_the_help_begins_with_what_is_the_commands_own(arguments, capsys):
    assert run([*arguments, "--help"]) == 0
    headings = [line for line in capsys.readouterr().out.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings[0] == "Options:"
    assert headings[-1] == "Global options:"
    assert "Registry options:" not in headings[:-2]


@pytest.mark.parametrize("command", ["scan", "ls", "cat", "find", "inspect", "check"])
def test_what_takes_a_reference_takes_the_registry_options(command, capsys):
    run([command, "--help"])
    text = capsys.readouterr().out
    for option in ("--platform", "--plain-http", "--insecure", "--ca-file", "--cert", "--key", "--username"):
        assert option in text
    for option in ("--password-stdin", "--blob-dir", "--offline", "--timeout", "--quiet", "--debug", "--cache-dir"):
        assert option in text


def test_no_command_gets_the_help_and_a_usage_status(capsys):
    assert run([]) == ExitStatus.USAGE
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scna", "x"], "No such command 'scna'. Did you mean 'scan'?"),
        (["frobnicate"], "No such command 'frobnicate'."),
        (["scan"], "Missing argument 'REF'."),
        (["scan", "--formt", "json", "x"], "No such option '--formt'"),
        (["scan", "--format", "xml", "x"], "'xml' is not one of"),
        (["scan", "--exit-code", "256", "x"], "256 is not in the range"),
        (["scan", "--ca-file", "/does/not/exist", "x"], "does not exist"),
        (["scan", "--key", "KEY", "x"], "--key needs --cert."),
        (["scan", "--username", "me", "x"], "--username and --password-stdin need each other."),
        (["ls", "--password-stdin", "x"], "--username and --password-stdin need each other."),
        (["ls", "--timeout", "0", "x"], "'0' is not between 0.1s and 86400s"),
        (["ls", "--timeout", "5x", "x"], "'5x' is no span of time, such as 90s, 5m, 12h or 7d"),
        (["ls", "--timeout", "2d", "x"], "'2d' is not between 0.1s and 86400s"),
        (["cache", "prune", "--unused-for", "-1"], "'-1' is no span of time"),
        (["scan", "--config", "KEY", "x"], "--config is about secrets and misconfiguration: it needs --scanners"),
        (["scan", "--secret-budget", "1M", "x"], "--secret-budget is about secrets: it needs --scanners secret"),
        (["scan", "-o", "json", "x"], "-o json names a file: for a format write -f table|json|"),
        (["sbom", "-o", "spdx-json", "x"], "-o spdx-json names a file: for a format write -f cyclonedx|spdx, "),
        (["check", "-o", "junit", "x"], "-o junit names a file: for a format write -f text|json|junit, "),
        (["view", "--umount"], "Option '--umount' requires an argument."),
        (["export", "x", "--to", "y.tar.xz"], "a folder of that name is y.tar.xz/"),
        (["cat", "x"], "Missing argument 'PATH...'"),
        (["find", "--type", "x", "ref", "*"], "'x' is not one of"),
        (["find", "-0", "--json", "ref", "*"], "--print0 and --json exclude each other."),
        (["db", "import", "/does/not/exist"], "does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_one_line_and_a_hint(arguments, said, capsys, tmp_path):
    key = tmp_path / "key.pem"
    key.touch()
    status = run([str(key) if argument == "KEY" else argument for argument in arguments])
    out, err = capsys.readouterr()
    assert status == ExitStatus.USAGE == 2
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("rafsight: error: ")
    assert said in first
    assert second.startswith("  hint: `rafsight")


def test_a_severity_that_is_none_is_refused_before_anything_is_done(capsys):
    assert run(["scan", "--severity", "SEVERE", "x"]) == ExitStatus.USAGE
    assert capsys.readouterr().err.splitlines() == [
        "rafsight: error: 'SEVERE' is not a severity",
        "  hint: Severities are UNKNOWN, LOW, MEDIUM, HIGH and CRITICAL, separated by commas.",
    ]


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_done(capsys, tmp_path):
    assert run(["scan", "--output", str(tmp_path / "missing" / "report.json"), "x"]) == ExitStatus.OUTPUT
    assert f"there is no folder {tmp_path / 'missing'}" in capsys.readouterr().err


def in_a_process(*arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "rafsight", *arguments], capture_output=True, text=True, check=False, **more
    )


def test_a_process_ends_with_the_status():
    assert in_a_process("--version").returncode == 0
    assert in_a_process("scan").returncode == 2
    assert in_a_process("scan", "-s", "nonsense", "x").returncode == 2


def test_output_in_a_narrow_encoding_still_works():
    import os

    answer = in_a_process("scan", "-s", "\u6f22", "x", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert answer.returncode == 2
    assert "'\\u6f22' is not a severity" in answer.stderr


def test_colour_stays_out_of_pipes():
    assert "\x1b" not in in_a_process("scan").stderr
