"""Swift's lock file: `Package.resolved`, versions 1 to 3.

This module alone decides what a Swift package is called: its repository's address without scheme and `.git`.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.json_text import decode_json, decode_part, text_in
from rafsight.analysis.locks.locked import locked
from rafsight.base.units import MiB
from rafsight.image.selection import Wants


class _Pins(msgspec.Struct):
    pins: list[msgspec.Raw] = []


class _Lock(msgspec.Struct):
    object: _Pins | None = None
    pins: list[msgspec.Raw] = []


class _State(msgspec.Struct):
    version: str | None = None
    branch: str | None = None


class _Pin(msgspec.Struct):
    location: str = ""
    older: str = msgspec.field(name="repositoryURL", default="")
    state: _State = msgspec.field(default_factory=_State)


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file; pins to a commit or a branch have no version.

    Raises: MalformedFile.
    """
    lock = decode_json(file.content, _Lock)
    for raw in (*lock.pins, *(lock.object.pins if lock.object else ())):
        pin = decode_part(raw, _Pin)
        if pin is not None:
            yield locked(Ecosystem.SWIFT, _name(text_in(pin.location or pin.older)), pin.state.version)


def _name(address: str) -> str:
    """Write an address as `HOST/PATH`; `git@HOST:PATH` is one, too."""
    plain = address.partition("://")[2] or address.removeprefix("git@").replace(":", "/", 1)
    return plain.rpartition("@")[2].removesuffix("/").removesuffix(".git")


SWIFT_LOCK: Final = Extractor(
    name="locks/swift-lock",
    version=1,
    wants=Wants(patterns=(b"**/Package.resolved",), max_size=4 * MiB),
    extract=read_lock,
    declared=True,
)
