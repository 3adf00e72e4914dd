"""A small registry on loopback, over OCI layouts: for `rafsight demo` and for tests.

It answers well or, if asked, badly (`Mischief`). It speaks the pull side of the OCI distribution specification
(manifests, blobs with ranges, lists of tags) and, if it shall, the push side (uploads, mounts, manifests, referrers).

    with serve_layout(PLANTED, repository="planted") as registry:
        rafsight.open_image(registry.reference("v6"))

    with serve_writable(folder) as registry:
        ...  # push to f"{registry.host}/team/app:v1", and find it as a layout in registry.layout("team/app")
"""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Final

from rafsight.testing.registry_mischief import Mischief
from rafsight.testing.registry_server import Gate, Plan, Served, Server
from rafsight.testing.registry_uploads import Uploads

__all__ = ["PLANTED", "Gate", "Mischief", "Registry", "Served", "serve_layout", "serve_writable"]

PLANTED: Final = Path(__file__).parent / "data" / "planted"
"""The shipped layout: tags `v5` and `v6`."""
_SETTLE: Final = 5.0
"""[s] that a reader of the log waits for answers which the client has already, and the log not yet."""


class Registry:
    """A registry that runs."""

    def __init__(self, server: Server, repository: str, *, scheme: str) -> None:
        """Wrap the server; `repository` is what `reference` uses."""
        self._server = server
        self.repository = repository
        self.host = f"127.0.0.1:{server.server_address[1]}"
        """`127.0.0.1:PORT`."""
        self.url = f"{scheme}://{self.host}"

    def reference(self, name: str) -> str:
        """Write the reference of a tag or a digest."""
        return f"{self.host}/{self.repository}{'@' if ':' in name else ':'}{name}"

    def layout(self, repository: str) -> Path:
        """Return the layout of a repository, which must have been pushed to or handed over.

        Raises: KeyError.
        """
        return self._server.plan.all_layouts()[repository]

    @property
    def log(self) -> tuple[Served, ...]:
        """What was answered so far, in the order of the ends; waits a moment for answers that are on their way."""
        with self._server.idle:
            self._server.idle.wait_for(lambda: self._server.busy == 0, timeout=_SETTLE)
            return tuple(self._server.log)

    def wait_for_hang(self, timeout: float = 30.0) -> bool:
        """Wait until a request hangs (`Mischief.hang`); False if none does in time [s]."""
        return self._server.hanging.wait(timeout)

    def forget(self) -> None:
        """Empty the log."""
        with self._server.idle:
            self._server.idle.wait_for(lambda: self._server.busy == 0, timeout=_SETTLE)
            self._server.log.clear()


@contextmanager
def serve_layout(
    layout: Path | Mapping[str, Path],
    *,
    repository: str = "app",
    latency: float = 0.0,
    mischief: Sequence[Mischief] = (),
    gate: Gate | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Registry]:
    """Serve OCI layouts as repositories, on a free port of 127.0.0.1, until the block ends.

    Args:
        layout: the directory of one layout, or a directory for each repository.
        repository: the name of the one layout; with several, the one that `Registry.reference` uses.
        latency: [s] before each answer.
        mischief: the first that fits a request is done to it.
        gate: looks at each call first (authentication, tokens).
        tls: a server context; None: plain HTTP.
    """
    layouts = {repository: layout} if isinstance(layout, Path) else dict(layout)
    first = repository if repository in layouts else next(iter(layouts), repository)
    plan = Plan(layouts=layouts, latency=latency, mischief=tuple(mischief), gate=gate, tls=tls)
    with _serve(plan, first) as registry:
        yield registry


@contextmanager
def serve_writable(
    folder: Path,
    *,
    layouts: Mapping[str, Path] | None = None,
    repository: str = "app",
    referrers: bool = True,
    latency: float = 0.0,
    mischief: Sequence[Mischief] = (),
    gate: Gate | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Registry]:
    """Serve a registry that can be pushed to, on a free port of 127.0.0.1, until the block ends.

    Args:
        folder: holds a layout for each repository, with `+` for the slashes of its name; what is there already is
            served, too.
        layouts: more repositories, which can only be read, and blobs be mounted from.
        repository: the one that `Registry.reference` uses.
        referrers: keep account of what refers to an image, and say so.
        latency: [s] before each answer.
        mischief: the first that fits a request is done to it.
        gate: looks at each call first, which holds nothing of the body of an upload or a manifest.
        tls: a server context; None: plain HTTP.
    """
    uploads = Uploads(folder, layouts=layouts or {}, referrers=referrers)
    try:
        plan = Plan(uploads=uploads, latency=latency, mischief=tuple(mischief), gate=gate, tls=tls)
        with _serve(plan, repository) as registry:
            yield registry
    finally:
        uploads.close()


@contextmanager
def _serve(plan: Plan, repository: str) -> Iterator[Registry]:
    server = Server(plan)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="rafsight-registry")
    thread.start()
    try:
        yield Registry(server, repository, scheme="https" if plan.tls else "http")
    finally:
        server.stop()
        thread.join()
