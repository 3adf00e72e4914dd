"""Which of the registry's images something of ours was made of, and whether a client may have it.

This module alone decides access: the registry behind is asked each time, with what the client shows, for the manifest
that an object was made of, in the repository that the client names. Nobody is remembered as somebody who may.
"""

from collections import OrderedDict
from threading import Lock
from typing import Final

from rafsight.verbs.present.answers import Answer
from rafsight.verbs.present.upstream import Client, Upstream
from rafsight.views.presenting.shown import Shown, ShownImages

_MOST_HINTS: Final = 50_000


class Origins:
    """Origins of objects. Thread-safe."""

    def __init__(self, images: ShownImages, upstream: Upstream) -> None:
        """Take what was shown, and who is asked."""
        self._images = images
        self._upstream = upstream
        self._hints: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = Lock()

    def remember(self, repository: str, shown: Shown) -> None:
        """Note where objects were shown: the next question about them is answered by one request."""
        with self._lock:
            for digest in shown.objects:
                self._hints[repository, digest] = shown.origin
                self._hints.move_to_end((repository, digest))
            while len(self._hints) > _MOST_HINTS:
                self._hints.popitem(last=False)

    def is_known(self, repository: str, digest: str) -> bool:
        """Tell whether an object was shown in a repository by this process."""
        with self._lock:
            return (repository, digest) in self._hints

    def admitted(self, client: Client, repository: str, digest: str) -> str | Answer | None:
        """Return the manifest by which a client may have an object of ours.

        Args:
            client: who asks.
            repository: where.
            digest: of the object.

        Returns: the digest of the manifest; None if there is none; an answer if the registry wants to see something
            else, or cannot answer.
        Raises: RegistryFault; what the relay raises.
        Cost: nothing for what is not ours; else one small request, or one for each image that has shown it.
        """
        with self._lock:
            hint = self._hints.get((repository, digest))
        found = self._images.origins(digest)
        for origin in dict.fromkeys((hint, *found) if hint else found):
            verdict = self._upstream.admits(client, repository, origin)
            if isinstance(verdict, Answer):
                return verdict
            if verdict:
                return origin
        return None
