"""What a file system is asked and what it answers, whoever carries the messages.

This module alone decides the contract between a file system and the threads that serve it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from rafsight.views.fuse.wire import InitFlag

Piece = bytes | bytearray | memoryview
Answer = int | Sequence[Piece] | None
"""An errno (0: done, nothing to say), or the pieces of an answer's body, or None where the kernel wants no answer."""

ONE_YEAR: Final = 365 * 86_400
"""[s] that names and attributes may be cached: nothing here ever changes."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question of the kernel."""

    opcode: int
    """wire.Opcode, or one that we do not know."""
    node: int
    """Number of the inode that is asked about."""
    body: memoryview
    """What follows the header; valid until the answer is given."""


class Filesystem(Protocol):
    """Something that can be mounted. Called by several threads at a time."""

    @property
    def init_flags(self) -> InitFlag:
        """Flags that it wants beside those that all want."""
        ...

    def answer(self, request: Request) -> Answer:
        """Answer a request; a faulty image or a missing registry is EIO, never an exception."""
        ...
