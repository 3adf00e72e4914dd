"""The peer's daemon: a Nydus image mounted by it, its blobs from a registry, and what that cost.

    python -m bench.nydusd HOST REPOSITORY FILE

fetches the bootstrap of the image `latest`, as whoever mounts it has to, and prints how many seconds that took. It is a
process of its own: a child's peak of memory begins at that of its parent, which has to stay small.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import python, run

ACCEPT = "application/vnd.oci.image.manifest.v1+json"


class Mount:
    """A mounted image; what the daemon cost is known once it ended."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mount_seconds = 0.0
        self.cpu_seconds = 0.0
        self.peak_bytes = 0


@contextmanager
def mounted(work: Path, *, host: str, repository: str, bootstrap: Path) -> Iterator[Mount]:
    """Mount an image until the end of the block.

    Args:
        work: for the cache, which stays there, and the mount.
        host: the registry, in plain HTTP.
        repository: where its blobs are.
        bootstrap: the file with the tree.
    """
    work.mkdir(parents=True, exist_ok=True)
    mount = Mount(work / "mnt")
    mount.root.mkdir(exist_ok=True)
    config = work / "config.json"
    config.write_text(json.dumps(settings(work, host, repository)))
    places = ["--mountpoint", str(mount.root), "--bootstrap", str(bootstrap), "--config", str(config)]
    command = ["nydusd", "fuse", *places, "--fuse-threads", "4", "--rlimit-nofile", "0"]
    quiet = subprocess.DEVNULL
    started = time.perf_counter()
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        while not os.path.ismount(mount.root):
            assert process.poll() is None, "nydusd ends"
            time.sleep(0.005)
        mount.mount_seconds = time.perf_counter() - started
        yield mount
    finally:
        if process.poll() is None:
            process.terminate()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            mount.cpu_seconds = usage.ru_utime + usage.ru_stime
            mount.peak_bytes = usage.ru_maxrss * 1024
        subprocess.run(["umount", "-l", str(mount.root)], stderr=quiet, check=False)


def settings(work: Path, host: str, repository: str) -> dict[str, object]:
    """The daemon's configuration: no prefetch, and no digests, which it verifies for RAFS v5 alone."""
    registry = {"scheme": "http", "host": host, "repo": repository}
    cache = {"type": "blobcache", "config": {"work_dir": str(work / "cache")}}
    device = {"backend": {"type": "registry", "config": registry}, "cache": cache}
    return {"device": device, "mode": "direct", "digest_validate": False, "fs_prefetch": {"enable": False}}


def fetch_bootstrap(host: str, repository: str, file: Path) -> float:
    """Fetch a bootstrap into a file; returns the seconds without the start of a process."""
    sample = run(python("-m", "bench.nydusd", host, repository, str(file)))
    assert sample.status == 0, "the bootstrap cannot be fetched"
    return float(sample.output)


def main() -> None:
    """Fetch a bootstrap."""
    host, repository, file = sys.argv[1:]

    def get(path: str) -> bytes:
        request = urllib.request.Request(f"http://{host}/v2/{repository}/{path}", headers={"Accept": ACCEPT})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    started = time.perf_counter()
    layer = json.loads(get("manifests/latest"))["layers"][-1]
    with tarfile.open(fileobj=io.BytesIO(get(f"blobs/{layer['digest']}"))) as archive:
        member = archive.extractfile("image/image.boot")
        assert member is not None
        Path(file).write_bytes(member.read())
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
