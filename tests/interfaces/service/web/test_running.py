"""`rafsight serve` from outside: it begins, it is killed, it ends in order; and the tokens of `rafsight token`."""

import signal
import socket
import subprocess
import sys
import threading

import pytest
from tests.interfaces.service.web.running_service import (
    RunningService,
    command_line,
    environment,
    import_advisories,
    running,
)

from rafsight.testing.registry import PLANTED, serve_layout

SECRET = "a shared secret of sixteen"


def settings_of(folder, **more):
    return {
        "listen": "127.0.0.1:0",
        "store": str(folder / "jobs.sqlite"),
        "database": str(import_advisories(folder)),
        "cache": str(folder / "cache"),
        "registries": {"allow": ["127.0.0.1"]},
        **more,
    }


def test_what_was_accepted_survives_kill_9_and_is_done_later(tmp_path):
    with serve_layout(PLANTED) as registry:
        service = RunningService(tmp_path, settings_of(tmp_path, workers=0))
        scans = [service.scan(registry.reference(tag)) for tag in ("v5", "v6", "v5")]
        assert service.client.get("/v1/status").json()["jobs"]["waiting"] == 2
        assert service.end(signal.SIGKILL) == -signal.SIGKILL
        with running(tmp_path, registries={"allow": ["127.0.0.1"]}) as service:
            for scan_id in scans:
                assert service.ended(scan_id)["state"] == "done"
            assert service.client.get("/v1/status").json()["jobs"]["done"] == 2


def test_a_signal_ends_it_in_order(tmp_path):
    """What is under way is finished; what waits is still there."""
    go_on = threading.Event()

    def hold(call):
        assert go_on.wait(60)

    with serve_layout(PLANTED, gate=hold) as registry:
        service = RunningService(tmp_path, settings_of(tmp_path, workers=1))
        scans = [
            service.scan(registry.reference(tag), platform=f"linux/a{n}") for n, tag in enumerate(("v5", "v6") * 3)
        ]
        service.wait_for(lambda: service.client.get("/v1/status").json()["busy"])
        with socket.create_connection(service.url.removeprefix("http://").split(":")) as idle:
            service.process.send_signal(signal.SIGTERM)
            service.wait_for(lambda: "ending" in [line["message"] for line in service.lines()])
            go_on.set()
            assert service.process.wait(60) == service.end() == 0
            assert idle.recv(1) == b""
    assert [line["message"] for line in service.lines()][-1] == "ended"
    service = RunningService(tmp_path, settings_of(tmp_path, workers=0))
    states = [service.client.get(f"/v1/scans/{scan_id}").json()["state"] for scan_id in scans]
    assert service.end() == 0
    assert set(states) == {"done", "waiting"}


def test_ctrl_c_ends_it_in_order_too(tmp_path):
    service = RunningService(tmp_path, settings_of(tmp_path, workers=1))
    assert service.client.get("/probe/ready").status_code == 200
    assert service.end(signal.SIGINT) == 0


def test_a_token_from_the_command_line_opens_the_door(tmp_path):
    store = ("--store", tmp_path / "jobs.sqlite")
    made = command_line(tmp_path, "token", "create", "--scope", "read", "--name", "ci", "--expires", "1d", *store)
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    assert token not in made.stderr
    with running(tmp_path, workers=0) as service:
        assert service.client.get("/v1/status").status_code == 401
        headers = {"Authorization": f"Bearer {token}"}
        assert service.client.get("/v1/status", headers=headers).status_code == 200
        listed = command_line(tmp_path, "token", "list", *store).stdout
        assert "ci  read" in listed
        assert token not in listed
        token_id = listed.split(" ")[0]
        assert command_line(tmp_path, "token", "revoke", token_id, *store).returncode == 0
        again = command_line(tmp_path, "token", "revoke", token_id, *store)
        assert (again.returncode, "no token" in again.stderr) == (66, True)
    assert "revoked" in command_line(tmp_path, "token", "list", *store).stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--listen", "0.0.0.0:0"], 2, "no token says"),
        (["--store", "mysql://x"], 2, "store"),
        (["--workers", "-1"], 2, "--workers"),
    ],
)
def test_what_it_does_not_begin_with(tmp_path, arguments, status, words):
    done = command_line(tmp_path, "serve", "--db", tmp_path / "db", *arguments)
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_that_another_process_has(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = command_line(tmp_path, "serve", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 71
    assert "cannot listen" in done.stderr


def test_help_imports_none_of_it(tmp_path):
    code = (
        "import sys; from rafsight.interfaces.cli import run; run(['serve', '--help']); run(['token', '--help']);"
        "print([m for m in ('starlette', 'uvicorn', 'anyio', 'msgspec', 'sqlite3') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment(tmp_path)
    )
    assert done.stdout.endswith("[]\n")
