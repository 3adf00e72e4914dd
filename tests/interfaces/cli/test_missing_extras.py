"""A command whose extra is not installed says which one it is, and never that rafsight is wrong."""

import subprocess
import sys

import pytest

from rafsight.base.errors import ExitStatus

NOWHERE = "127.0.0.1:1"
CALLS = [
    ("starlette", "service", ["serve"]),
    ("jinja2", "service", ["serve"]),
    ("anyio", "service", ["token", "create", "--scope", "read"]),
    ("psycopg", "postgres", ["token", "list", "--store", f"postgresql://u@{NOWHERE}/x"]),
    ("psycopg", "postgres", ["hunt", "oci:x", "--package", "pkg:deb/a", "--cache", f"postgresql://u@{NOWHERE}/x"]),
    ("duckdb", "fleet", ["index", "build", "--index", "x", "oci:y"]),
    ("fsspec", "fleet", ["hunt", "--index", "memory://x", "--name", "a"]),
    ("distributed", "cluster", ["hunt", "oci:x", "--name", "a", "--dask", f"tcp://{NOWHERE}"]),
    ("re2", "re2", ["hunt", "oci:x", "--content", "a[bc]+"]),
]


@pytest.mark.parametrize(
    ("module", "extra", "arguments"), CALLS, ids=[f"{module}-{arguments[0]}" for module, _, arguments in CALLS]
)
def test_the_extra_is_named(module, extra, arguments, tmp_path):
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        f"from rafsight.interfaces.cli import run; sys.exit(run({arguments!r}))"
    )
    places = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path), "RAFSIGHT_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path, env=places
    )
    assert done.returncode in (ExitStatus.HOST, ExitStatus.USAGE), done.stderr
    assert f"rafsight[{extra}]" in done.stderr, done.stderr
