"""Objects on their way to a target: from memory, or from the place that another image lies in."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rafsight.access.backend import Backend
from rafsight.access.target import Pushed, Target
from rafsight.base.digest import digest_of


def push_bytes(target: Target, content: bytes) -> Pushed:
    """Push a small object that is in memory.

    Raises: RegistryFault, HostLimit.
    """
    return target.push_blob(digest_of(content), len(content), lambda: nullcontext(iter((content,))))


def copy_blob(backend: Backend, repository: str, digest: str, size: int, target: Target) -> Pushed:
    """Make sure that a blob of one place is in another, without moving it if they are neighbours.

    Args:
        backend: where it lies.
        repository: `HOST/REPO` of that place, empty if it is none.
        digest: of the blob; the target refuses other bytes.
        size: [bytes].
        target: where it is wanted.
    Raises: RegistryFault, ImageFault, HostLimit.
    Cost: a request or two, or the blob twice.
    """

    @contextmanager
    def content() -> Iterator[Iterator[bytes]]:
        with backend.open_blob(digest) as pieces:
            yield pieces
            backend.meter.count(needed=size)

    return target.push_blob(digest, size, content, neighbour=repository or backend.place)
