"""Finished layers go to a target, one at a time, while the next one is made.

This module alone decides how many layers lie in temporary files: the one that is made and the one that is sent.
"""

from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from rafsight.access.layer_draft import DraftedLayer, LayerDraft
from rafsight.access.target import Pushed, Target
from rafsight.access.threads import threads
from rafsight.base.events import Advanced, Finished, Listener, Started


class LayerSender:
    """Sends layers; made by `send_layers`."""

    def __init__(self, target: Target, pool: ThreadPoolExecutor, listener: Listener) -> None:
        self._target = target
        self._pool = pool
        self._listener = listener
        self._is_over = Event()
        self._under_way: Future[Pushed] | None = None
        self._pushed: list[Pushed] = []

    def send(self, draft: LayerDraft, layer: DraftedLayer) -> None:
        """Begin to send a layer, once the one before is there; the draft is closed when it was sent.

        Raises: what the target raises for the layer before.
        """
        try:
            self._settle()
        except BaseException:
            draft.close()
            raise
        self._under_way = self._pool.submit(self._send, draft, layer)

    def finish(self) -> list[Pushed]:
        """Wait for the last layer; return what became of each, in order.

        Raises: what the target raises.
        """
        self._settle()
        return self._pushed

    def stop(self) -> None:
        """End what is under way at its next piece."""
        self._is_over.set()

    def _settle(self) -> None:
        if self._under_way is not None:
            future, self._under_way = self._under_way, None
            self._pushed.append(future.result())

    def _send(self, draft: LayerDraft, layer: DraftedLayer) -> Pushed:
        operation = f"sending {layer.digest}"
        self._listener(Started(operation=operation, title="sending a layer", total=layer.size, unit="bytes"))

        @contextmanager
        def pieces() -> Iterator[Iterator[bytes]]:
            with draft.pieces() as found:
                yield self._counted(found, operation)

        try:
            return self._target.push_blob(layer.digest, layer.size, pieces)
        finally:
            self._listener(Finished(operation=operation))
            draft.close()

    def _counted(self, pieces: Iterator[bytes], operation: str) -> Iterator[bytes]:
        for piece in pieces:
            if self._is_over.is_set():
                raise CancelledError
            yield piece
            self._listener(Advanced(operation=operation, amount=len(piece)))


@contextmanager
def send_layers(target: Target, listener: Listener) -> Iterator[LayerSender]:
    """Give a sender; when the block ends badly, what is under way ends, too.

    Args:
        target: takes the layers.
        listener: told how many bytes were sent.
    """
    with threads(1, name="rafsight-send") as pool:
        sender = LayerSender(target, pool, listener)
        try:
            yield sender
        except BaseException:
            sender.stop()
            raise
