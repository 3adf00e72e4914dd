"""Shared by the tests of the registry client."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rafsight.access.counting import Meter
from rafsight.access.registry.client import RegistryBackend
from rafsight.access.registry.credentials import Credentials
from rafsight.access.registry.endpoint import Endpoint
from rafsight.access.registry.messages import Request, Response
from rafsight.access.registry.push import RegistryTarget
from rafsight.access.retry import Retrier, RetryPolicy
from rafsight.base.errors import RafsightError
from rafsight.testing.registry import PLANTED, Registry

NOWHERE = Path("/nonexistent")


@dataclass(slots=True)
class Time:
    """A clock that only moves when somebody sleeps."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now

    def retrier(self, *, deadline: float | None = None, **policy: Any) -> Retrier:
        return Retrier(
            policy=RetryPolicy(**policy), sleep=self.sleep, clock=self.clock, dice=lambda: 1.0, deadline=deadline
        )


def backend_for(
    registry: Registry | str,
    *,
    credentials: Credentials | None = None,
    time: Time | None = None,
    repository: str = "app",
    **options: Any,
) -> RegistryBackend:
    """Make a backend that does not really sleep and knows nothing of this machine."""
    host = registry if isinstance(registry, str) else registry.host
    settings: dict[str, Any] = {"certificate_folders": (), "connect_timeout": 5.0, "read_timeout": 5.0, **options}
    return RegistryBackend(
        Endpoint(host=host, repository=repository, **settings),
        credentials=lambda host, repository: credentials,
        retrier=(time or Time()).retrier(),
        meter=Meter(),
    )


def target_for(
    registry: Registry | str,
    *,
    credentials: Credentials | None = None,
    time: Time | None = None,
    repository: str = "app",
    **options: Any,
) -> RegistryTarget:
    """Make a target that does not really sleep and knows nothing of this machine."""
    host = registry if isinstance(registry, str) else registry.host
    settings: dict[str, Any] = {"certificate_folders": (), "connect_timeout": 5.0, "read_timeout": 5.0, **options}
    return RegistryTarget(
        Endpoint(host=host, repository=repository, **settings),
        credentials=lambda host, repository: credentials,
        retrier=(time or Time()).retrier(),
        meter=Meter(),
    )


@dataclass(slots=True)
class Content:
    """A blob's bytes to be pushed, and what became of them."""

    content: bytes
    piece: int = 100_000
    fault: BaseException | None = None
    """Raised in the middle."""
    opened: int = 0
    closed: int = 0

    @contextmanager
    def __call__(self) -> Iterator[Iterator[bytes]]:
        self.opened += 1
        try:
            yield self._pieces()
        finally:
            self.closed += 1

    def _pieces(self) -> Iterator[bytes]:
        for start in range(0, len(self.content), self.piece):
            if self.fault is not None and start >= len(self.content) // 2:
                raise self.fault
            yield self.content[start : start + self.piece]


def play(conversation: Generator[Request, Response, Any], *answers: Response) -> tuple[list[Request], Any]:
    """Send answers into a conversation; the requests it made, and what it returned or raised."""
    requests = []
    left = iter(answers)
    try:
        request = next(conversation)
        while True:
            requests.append(request)
            answer = next(left, None)
            assert answer is not None, f"unexpected: {request.method} {request.url}"
            request = conversation.send(
                Response(status=answer.status, url=answer.url or request.url, headers=answer.headers, body=answer.body)
            )
    except StopIteration as end:
        assert next(left, None) is None, "fewer requests than answers"
        return requests, end.value
    except RafsightError as error:
        assert next(left, None) is None, "fewer requests than answers"
        return requests, error


def authorization(request: Request) -> str | None:
    return dict(request.headers).get("Authorization")


def planted_manifest(tag: str = "v6") -> tuple[str, Any]:
    """The digest of a planted manifest, and its JSON."""
    index = json.loads((PLANTED / "index.json").read_bytes())
    digest = next(
        e["digest"] for e in index["manifests"] if e["annotations"]["org.opencontainers.image.ref.name"] == tag
    )
    return digest, json.loads(planted_blob(digest))


def planted_blob(digest: str) -> bytes:
    return (PLANTED / "blobs" / digest.replace(":", "/")).read_bytes()


def largest_layer() -> tuple[str, bytes]:
    """Digest and bytes of the planted image's largest layer (1.2 MB)."""
    _, manifest = planted_manifest()
    digest = max(manifest["layers"], key=lambda layer: layer["size"])["digest"]
    return digest, planted_blob(digest)
