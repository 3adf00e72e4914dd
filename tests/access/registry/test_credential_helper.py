"""Helpers of every character."""

import os
import time
from pathlib import Path

import pytest

from rafsight.access.registry.credential_helper import ask_helper
from rafsight.access.registry.errors import CredentialHelperFailed
from rafsight.base.errors import ExitStatus

PATHS = "/usr/bin:/bin"


def ask(tmp_path: Path, script: str, *, name: str = "test", time_limit: float = 5.0):
    program = tmp_path / "docker-credential-test"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return ask_helper(
        name, "registry.test", file=Path("f"), search_path=str(tmp_path), environ={"PATH": PATHS}, time_limit=time_limit
    )


def test_user_and_password(tmp_path):
    found = ask(
        tmp_path, """test "$1" = get && test "$(cat)" = registry.test && echo '{"Username":"alice","Secret":"pw"}'"""
    )
    assert (found.username, found.password, found.identity_token) == ("alice", "pw", "")


def test_token(tmp_path):
    found = ask(tmp_path, """echo '{"Username":"<token>","Secret":"refresh"}'""")
    assert (found.username, found.password, found.identity_token) == ("", "", "refresh")


def test_helper_that_does_not_read(tmp_path):
    assert ask(tmp_path, """exec <&-; echo '{"Username":"alice","Secret":"pw"}'""").username == "alice"


@pytest.mark.parametrize(
    "script",
    [
        "echo s3cret; echo s3cret >&2; exit 3",
        "echo s3cret",
        'echo \'{"Username":"alice"}\'',
        "echo '[]'",
        "true",
        "kill -9 $$",
        "head -c 200000 /dev/zero",
        "yes s3cret",
    ],
)
def test_failures_are_named_and_not_quoted(tmp_path, script):
    with pytest.raises(CredentialHelperFailed, match="docker-credential-test") as caught:
        ask(tmp_path, script)
    assert "s3cret" not in str(caught.value) + caught.value.advice
    assert caught.value.exit_status is ExitStatus.HOST


@pytest.mark.parametrize("script", ["exec sleep 60", "exec >&-; exec sleep 60"])
def test_time_limit(tmp_path, script):
    start = time.monotonic()
    with pytest.raises(CredentialHelperFailed, match="within"):
        ask(tmp_path, script, time_limit=0.2)
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("name", ["missing", "../evil", "a/b", "", "-x", "a\0b", "a" * 100])
def test_names(tmp_path, name):
    with pytest.raises(CredentialHelperFailed):
        ask(tmp_path, "true", name=name)


def test_program_that_cannot_start(tmp_path):
    program = tmp_path / "docker-credential-bad"
    program.write_text("#!/nonexistent/interpreter\n")
    program.chmod(0o755)
    with pytest.raises(CredentialHelperFailed):
        ask_helper("bad", "h", file=Path("f"), search_path=str(tmp_path), environ=dict(os.environ))
