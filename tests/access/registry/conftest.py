"""Certificates, and Debian's docker-registry on loopback."""

import json
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
START = 10.0
"""[s] that a registry may take to start."""


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def run_registry(folder: Path, storage: Path, more: str, http: str = "", *, read_only: bool = False) -> Iterator[str]:
    """Run docker-registry until the block ends; yields HOST:PORT."""
    assert PROGRAM is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    host = f"127.0.0.1:{port}"
    config = folder / f"registry-{port}.yml"
    maintenance = ", maintenance: {readonly: {enabled: true}}" if read_only else ""
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\n"
        f"storage: {{filesystem: {{rootdirectory: {storage}}}{maintenance}}}\n"
        f"http:\n  addr: {host}\n  secret: only-for-this-test\n{http}{more}"
    )
    with (folder / f"registry-{port}.log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "serve", str(config)], stdout=log, stderr=log)
    try:
        until = time.monotonic() + START
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    pytest.fail("docker-registry does not start: " + Path(log.name).read_text(errors="replace")[-500:])
                time.sleep(0.02)
        yield host
    finally:
        process.terminate()
        try:
            process.wait(5)
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
