"""Certificates, and Debian's docker-registry on loopback."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import urllib3
from tests.access.registry.certificates import Certificates, make_certificates

from rafsight.testing.registry import PLANTED

PROGRAM = shutil.which("docker-registry", path="/usr/bin:/usr/local/bin")
START = 60.0
"""[s] that a registry may take to start, on a machine with much else to do."""


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def run_registry(folder: Path, storage: Path, more: str, http: str = "", *, read_only: bool = False) -> Iterator[str]:
    """Run docker-registry until the block ends; yields HOST:PORT."""
    maintenance = ", maintenance: {readonly: {enabled: true}}" if read_only else ""
    settings = (
        f"version: 0.1\nlog: {{level: error}}\n"
        f"storage: {{filesystem: {{rootdirectory: {storage}}}{maintenance}}}\n"
        f"http:\n  addr: 127.0.0.1:PORT\n  secret: only-for-this-test\n{http}{more}"
    )
    process, port = _start(folder, settings)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        _end(process)


def _start(folder: Path, settings: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start it on a port that is free, which another process may take before it does: then on another one."""
    assert PROGRAM is not None
    said = ""
    for _ in range(5):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = folder / f"registry-{port}.yml"
        config.write_text(settings.replace("127.0.0.1:PORT", f"127.0.0.1:{port}"))
        with (folder / f"registry-{port}.log").open("wb") as log:
            process = subprocess.Popen([PROGRAM, "serve", str(config)], stdout=log, stderr=log)
        until = time.monotonic() + START
        while process.poll() is None and time.monotonic() < until:
            if _listens(process.pid, port):
                return process, port
            time.sleep(0.01)
        _end(process)
        said = Path(log.name).read_text(errors="replace")[-500:]
        if "address already in use" not in said:
            break
    pytest.fail(f"docker-registry does not start: {said}")


def _listens(pid: int, port: int) -> bool:
    """Tell whether it is this process that listens, and not another one that has got the port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listeners = {f"socket:[{row[9]}]" for row in rows if row[1] == f"0100007F:{port:04X}" and row[3] == "0A"}
    try:
        return any(os.readlink(one) in listeners for one in Path(f"/proc/{pid}/fd").iterdir())  # noqa: PTH115
    except OSError:  # it has ended, or a file was closed just now
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage folder into which the planted layout was pushed as `app`, over HTTP."""
    if PROGRAM is None:
        pytest.skip("docker-registry is not installed")
    storage = tmp_path_factory.mktemp("storage")
    with run_registry(tmp_path_factory.mktemp("push"), storage, "") as host, urllib3.PoolManager(retries=False) as pool:
        push_layout(pool, f"http://{host}/v2/app")
    return storage


def push_layout(pool: urllib3.PoolManager, base: str) -> None:
    index = json.loads((PLANTED / "index.json").read_bytes())
    manifests = {entry["digest"] for entry in index["manifests"]}
    for path in sorted((PLANTED / "blobs" / "sha256").iterdir()):
        if (digest := f"sha256:{path.name}") not in manifests:
            where = pool.request("POST", f"{base}/blobs/uploads/").headers["Location"]
            headers = {"Content-Type": "application/octet-stream"}
            answer = pool.request("PUT", f"{where}&digest={digest}", body=path.read_bytes(), headers=headers)
            assert answer.status == 201, answer.data
    for entry in index["manifests"]:
        tag = entry["annotations"]["org.opencontainers.image.ref.name"]
        content = (PLANTED / "blobs" / entry["digest"].replace(":", "/")).read_bytes()
        answer = pool.request(
            "PUT", f"{base}/manifests/{tag}", body=content, headers={"Content-Type": entry["mediaType"]}
        )
        assert answer.status == 201, answer.data


StartRegistry = Callable[..., str]


@pytest.fixture
def start_registry(pushed: Path, tmp_path: Path) -> Iterator[StartRegistry]:
    """Start docker-registry over the pushed images: `start_registry(auth=YAML, http=YAML)` returns HOST:PORT."""
    with ExitStack() as stack:

        def start(*, auth: str = "", http: str = "") -> str:
            return stack.enter_context(run_registry(tmp_path, pushed, auth, http))

        yield start
