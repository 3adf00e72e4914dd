"""Finding what a digest was made of when nobody remembers: the cache was emptied, or another replica has shown it.

The images of the repository are made by their tags, one after the other, until one has the digest: the same image gives
the same digests everywhere. This module alone decides how far that goes, and how often.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from threading import Lock
from typing import Final

from rafsight.base.errors import RafsightError
from rafsight.base.units import GiB
from rafsight.verbs.present.answers import Answer
from rafsight.verbs.present.flights import Flights
from rafsight.verbs.present.making import Maker
from rafsight.verbs.present.origins import Origins
from rafsight.verbs.present.upstream import Client, Upstream

REST: Final = 60.0
"""[s] between two searches through a repository that found nothing."""
_AT_ONCE: Final = 2
_ROUNDS: Final = 2
"""A search that others began for another digest ends when it has found that."""
_MOST_TAGS: Final = 256
_MOST_WORK: Final = 4 * GiB
"""[bytes] of images that are made in one search: anybody can ask for a digest that there never was."""
_MOST_REMEMBERED: Final = 10_000
_LIST_SIZE: Final = 1 << 20
"""[bytes] of a list of tags that is looked at."""


class Search:
    """Looks for what shows a digest. Thread-safe: one search through a repository at a time."""

    def __init__(
        self, maker: Maker, origins: Origins, upstream: Upstream, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Look at nothing yet."""
        self._maker = maker
        self._origins = origins
        self._upstream = upstream
        self._clock = clock
        self._searched: OrderedDict[str, float] = OrderedDict()
        self._searches: Flights[None] = Flights(_AT_ONCE, clock=clock)
        self._lock = Lock()

    def find(self, client: Client, repository: str, digest: str) -> bool:
        """Tell whether an image of a repository shows a digest, making its images to find out.

        Args:
            client: in whose name.
            repository: where.
            digest: that the registry behind does not know.
        Raises: RegistryFault; what the relay raises.
        Cost: a list of tags and a manifest a tag; what it costs to make each image that was not made before.
        """
        for _ in range(_ROUNDS):
            if self._origins.is_known(repository, digest):
                return True
            with self._lock:
                if self._clock() < self._searched.get(repository, float("-inf")) + REST:
                    return False
            self._searches.run(repository, lambda: self._go_through(client, repository, digest))
        return self._origins.is_known(repository, digest)

    def _go_through(self, client: Client, repository: str, digest: str) -> None:
        """Make the images of a repository, until one shows a digest."""
        tags = self._tags(client, repository)
        if tags is None:
            return
        before = self._maker.counter.numbers.original_size
        for tag in tags[:_MOST_TAGS]:
            if self._shows(client, repository, tag, digest):
                return
            if self._maker.counter.numbers.original_size - before > _MOST_WORK:
                break  # the next search goes on from here: what is made now is known then
        with self._lock:
            self._searched[repository] = self._clock()
            self._searched.move_to_end(repository)
            while len(self._searched) > _MOST_REMEMBERED:
                self._searched.popitem(last=False)

    def _shows(self, client: Client, repository: str, tag: str, digest: str) -> bool:
        asking = replace(client, method="GET", headers=_only_authorization(client), query="")
        with suppress(RafsightError):  # an image that cannot be shown is not the one
            document = self._upstream.document(asking, repository, tag)
            if isinstance(document, Answer):
                document.body.close()
                return False
            shown = self._maker.show(asking, repository, document)
            if shown is not None:
                for one in (shown, *self._maker.children(shown)):
                    self._origins.remember(repository, one)
        return self._origins.is_known(repository, digest)

    def _tags(self, client: Client, repository: str) -> tuple[str, ...] | None:
        """Return the tags of a repository; None if the client does not get them."""
        import msgspec

        from rafsight.access.registry import wire

        asking = replace(client, method="GET", headers=_only_authorization(client), query=f"n={_MOST_TAGS}")
        answer = self._upstream.pass_on(asking, f"/v2/{repository}/tags/list", repository)
        try:
            if answer.status != 200:
                return None
            content = b""
            for piece in answer.body.pieces():
                content += piece
                if len(content) > _LIST_SIZE:
                    return None
            return tuple(msgspec.json.decode(content, type=wire.Tags).tags or ())
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return None
        finally:
            answer.body.close()


def _only_authorization(client: Client) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in client.headers if pair[0] == "authorization")
