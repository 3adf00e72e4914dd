"""A PostgreSQL server of the tests' own: Debian's programs, a folder that goes again, a socket and no port."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "shared_buffers=16MB")
_USERS = ("postgres", "nobody")


def find_programs():
    """Return the folder with the newest server's programs; None if there is none."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if folders:
        return max(folders, key=lambda path: int(path.parent.name.partition(".")[0]))
    found = shutil.which("postgres")
    return Path(found).resolve().parent if found else None


def _user():
    """Return who runs the server: not root, which it refuses."""
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("PostgreSQL does not run as root, and there is no other user")
    return None


@contextmanager
def postgres_server():
    """Run a server; yield the URL of a database in it."""
    programs = find_programs()
    if programs is None:
        pytest.skip("needs PostgreSQL's server: apt-get install postgresql")
    user = _user()
    who = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="rafsight-pg-"))
    try:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        data = folder / "data"
        words = ["-A", "trust", "-U", "rafsight", "--no-sync", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        made = subprocess.run(
            [programs / "initdb", "-D", data, *words], capture_output=True, check=False, cwd=folder, **who
        )
        if made.returncode:
            pytest.fail(made.stderr.decode())
        settings = [word for setting in (*_QUICK, "listen_addresses=") for word in ("-c", setting)]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-k", folder, *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                **who,
            )
        try:
            _wait(server, folder)
            yield f"postgresql://rafsight@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server, folder):
    import psycopg

    end = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(f"postgresql://rafsight@/postgres?host={folder}").close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > end:
                pytest.fail((folder / "log").read_text(errors="replace"))
            time.sleep(0.02)
        else:
            return


def empty(url):
    """Remove everything of ours from a database."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages TO warning")
        connection.execute("DROP SCHEMA IF EXISTS rafsight CASCADE")
