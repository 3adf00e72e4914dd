"""What was shown of a registry's images: which plain image each became, and where each of its digests came from.

    FOLDER/RECIPE/images/ALGORITHM-HEX     what became of the manifest or index with that digest
    FOLDER/RECIPE/images/ALGORITHM-HEX~    which layers it has so far, while it is being made
    FOLDER/RECIPE/origins/HEX              digests of the manifests whose images have shown an object, one a line

This module alone decides how that is kept. Records are written aside and renamed, begin with their checksum, and are
forgotten if it is wrong: all of it can be made again. It says nothing about who may see an image.
"""

import hashlib
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rafsight.base.digest import digest_of, is_digest
from rafsight.base.units import KiB, MiB

_LARGEST: Final = 64 * MiB
"""[bytes] of a record."""
_ORIGINS_SIZE: Final = 64 * KiB
"""[bytes] of a list of origins: some 900."""
_MOST_ORIGINS: Final = 32
"""Origins of one object that anybody looks at; the last ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLayer:
    """A layer that was made."""

    digest: str
    """Of the tar, which is not compressed: the same in the config."""
    size: int
    """[bytes]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A plain image, or an index of some, made of what a registry has."""

    origin: str
    """Digest of the registry's manifest or index."""
    media_type: str
    manifest: bytes
    config: bytes = b""
    """Empty for an index."""
    layers: tuple[ShownLayer, ...] = ()
    """The lowest first; none for an index."""
    original_size: int = 0
    """[bytes] of the layers that the registry has."""
    fetched: int = 0
    """[bytes] that it took to make it."""

    @property
    def digest(self) -> str:
        """Of the manifest."""
        return digest_of(self.manifest)

    @property
    def config_digest(self) -> str:
        """Of the config; empty for an index."""
        return digest_of(self.config) if self.config else ""

    @property
    def objects(self) -> tuple[str, ...]:
        """Digests of all that was made."""
        layers = tuple(layer.digest for layer in self.layers)
        return (self.digest, self.config_digest, *layers) if self.config else (self.digest,)


class ShownImages:
    """Records in a folder. Thread-safe; several processes may share the folder. What cannot be kept is no error."""

    def __init__(self, folder: Path, recipe: str) -> None:
        """Take the folder of presented images, and the key of a recipe."""
        self._images = folder / recipe / "images"
        self._origins = folder / recipe / "origins"

    def find(self, origin: str) -> Shown | None:
        """Return what a manifest or index became; None if it is not known."""
        found: Shown | None = _read(self._images / _name(origin), Shown)
        return found

    def keep(self, shown: Shown) -> None:
        """Remember what became of a manifest or index."""
        _write(self._images / _name(shown.origin), shown)
        with suppress(OSError):
            (self._images / f"{_name(shown.origin)}~").unlink()
        for digest in shown.objects:
            self._add_origin(digest, shown.origin)

    def begun(self, origin: str) -> tuple[ShownLayer, ...]:
        """Return the layers that an image has so far, of one that is being made, the lowest first."""
        return _read(self._images / f"{_name(origin)}~", tuple[ShownLayer, ...]) or ()

    def keep_begun(self, origin: str, layers: tuple[ShownLayer, ...]) -> None:
        """Remember the layers that an image has so far: to go on with it later costs what is left."""
        _write(self._images / f"{_name(origin)}~", layers)

    def origins(self, digest: str) -> tuple[str, ...]:
        """Return the manifests and indexes whose images have shown an object, the last ones first."""
        found = [line for line in self._read_origins(digest) if is_digest(line)]
        return tuple(dict.fromkeys(reversed(found)))[:_MOST_ORIGINS]

    def _add_origin(self, digest: str, origin: str) -> None:
        lines = self._read_origins(digest)
        if origin in lines:
            return
        with suppress(OSError):
            self._origins.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._origins / _name(digest)
            if sum(len(line) + 1 for line in lines) > _ORIGINS_SIZE:
                path.unlink(missing_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, f"{origin}\n".encode())  # one write: several processes may do the same
            finally:
                os.close(descriptor)

    def _read_origins(self, digest: str) -> list[str]:
        try:
            with (self._origins / _name(digest)).open("rb") as file:
                return file.read(2 * _ORIGINS_SIZE).decode("ascii", "replace").splitlines()
        except OSError:
            return []


def _name(digest: str) -> str:
    return digest.replace(":", "-") if is_digest(digest) else "none"


def _read(path: Path, shape: Any) -> Any:
    """Read a record; None if there is none, or one that is damaged, which goes."""
    import msgspec

    try:
        with path.open("rb") as file:
            said, content = file.read(65), file.read(_LARGEST)
    except OSError:
        return None
    try:
        if hashlib.sha256(content).hexdigest().encode() == said.rstrip():
            return msgspec.json.decode(content, type=shape)
    except msgspec.MsgspecError:
        pass  # of another version
    with suppress(OSError):
        path.unlink()
    return None


def _write(path: Path, record: object) -> None:
    import msgspec

    content = msgspec.json.encode(record)
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(prefix=".new-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
            Path(aside).replace(path)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
