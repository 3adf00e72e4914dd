"""Connections that do not wait for ever: for headers that do not come, and for answers that nobody reads.

uvicorn bounds the time between two requests; this module alone bounds the rest. Nor do they let clients wait: small
parts of answers leave at once.
"""

import asyncio
import socket
from typing import Any, ClassVar, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

HEADER_TIME: Final = 10.0
ANSWER_TIME: Final = 60.0


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with an end to patience. `patient_protocol` makes it with the times of the settings."""

    header_time: ClassVar[float] = HEADER_TIME
    """[s] from the first byte of a request (or from the connection) to the end of its headers."""
    answer_time: ClassVar[float] = ANSWER_TIME
    """[s] that a client may leave an answer unread."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._waiting: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request; uvicorn gives the base class the same signature."""
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            # head and body leave in two parts, and the second is not to wait until the client has confirmed the first
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        if self._writing is not None:
            self._writing.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """See whether a request is there as a whole, or only its beginning."""
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self.conn.trailing_data[0] and self._waiting is None:
            self._wait()

    def pause_writing(self) -> None:
        """Begin to watch whether the client reads."""
        super().pause_writing()
        if self._writing is None:
            self._watch()

    def resume_writing(self) -> None:
        """Stop watching."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _watch(self) -> None:
        left = self.transport.get_write_buffer_size()
        self._writing = self.loop.call_later(self.answer_time, self._look, left)

    def _look(self, left_before: int) -> None:
        """End the connection if nothing was read since the last look."""
        if self.transport.get_write_buffer_size() >= left_before:
            self.transport.abort()
        else:
            self._watch()

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(self.header_time, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self.transport.abort()


def patient_protocol(header_time: float, answer_time: float) -> type[PatientProtocol]:
    """Make a protocol for uvicorn.

    Args:
        header_time: [s] until the headers of a request are there.
        answer_time: [s] that a client may leave a part of an answer unread.
    """
    members = {"header_time": header_time, "answer_time": answer_time}
    return type("PatientProtocol", (PatientProtocol,), members)
