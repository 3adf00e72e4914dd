"""A PostgreSQL server of the tests' own: without a network, in a temporary folder, gone at the end."""

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

OWNER = "postgres"
"""The server refuses to run as root."""


def find_programs():
    """Return the folder with `initdb` and `postgres`; None if there is none."""
    beside = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name)
    on_path = shutil.which("initdb")
    folders = [*([Path(on_path).parent] if on_path else []), *reversed(beside)]
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def _owner():
    try:
        return pwd.getpwnam(OWNER) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    except KeyError:
        return None


@contextmanager
def running_server():
    """Run a server; gives the address of its database."""
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'rafsight[postgres]'")
    programs, owner = find_programs(), _owner()
    if programs is None or owner is None:
        pytest.skip("needs PostgreSQL's server: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="rafsight-pg-"))  # a socket's path is short
    identity = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}
    more = {"cwd": folder, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **identity}
    process = None
    try:
        data = folder / "data"
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "rafsight", "-A", "trust", "-E", "UTF8", "-N"], check=True, **more
        )
        settings = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off", "max_connections=40")
        process = subprocess.Popen(
            [programs / "postgres", "-D", data, *(part for one in settings for part in ("-c", one))], **more
        )
        address = f"postgresql://rafsight@/postgres?host={folder}"
        _wait(address, process)
        yield address
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
        shutil.rmtree(folder)


def _wait(address, process):
    import psycopg

    for _ in range(3000):
        assert process.poll() is None, "the server ended"
        try:
            psycopg.connect(address, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the server does not begin")
