"""An OCI layout directory (image-spec 1.1, image-layout.md) as a target.

This module alone decides how a layout is written: blobs appear whole under their digests or not at all, and whoever
changes `index.json` holds a lock on `oci-layout`, so that no two writers lose each other's tags.
"""

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from rafsight.access.backend import Document, NotFound, ShortRead
from rafsight.access.chunk_store.locking import exclusive
from rafsight.access.counting import Meter
from rafsight.access.local_files import LocalFile, Unreadable
from rafsight.access.oci_layout import LayoutBackend
from rafsight.access.outgoing import WrongContent, verified
from rafsight.access.registry.referrers import Referred, referrer_of
from rafsight.access.target import OpenPieces, Pushed
from rafsight.base.digest import check_digest, digest_of
from rafsight.base.errors import CallerError, ExitStatus, HostLimit, RafsightError
from rafsight.base.limits import Limits
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.manifest import decode

_VERSION: Final = b'{"imageLayoutVersion":"1.0.0"}'
_SCHEME: Final = "oci:"
_INDEX: Final = "index.json"
_MARK: Final = "oci-layout"

Write = Callable[[bytes], None]


class NotALayout(CallerError):
    """The directory to write to holds something else."""

    code = "not-a-layout"
    template = "{place} is no OCI layout: {why}"
    remedy = "Name a new or an empty directory, or one that holds a layout already."
    exit_status = ExitStatus.OUTPUT


class LayoutNotWritten(HostLimit):
    """The system refuses to write."""

    code = "layout-not-written"
    template = "{place} cannot be written: {why}"
    remedy = "Check the space and the permissions there; what the layout held before is whole."
    exit_status = ExitStatus.OUTPUT


class LayoutTarget:
    """The images of one layout directory, to push to. Thread-safe, and safe beside other processes that do the same.

    Every method that writes raises NotALayout and LayoutNotWritten.
    """

    def __init__(self, directory: Path, *, meter: Meter | None = None, limits: Limits | None = None) -> None:
        """Look at `directory`; it becomes a layout when the first object comes.

        Raises: NotALayout, LayoutNotWritten; MalformedDocument, UnsupportedFormat: a layout that cannot be read.
        """
        self.place = f"{_SCHEME}{directory}"
        self.meter = meter or Meter()
        self._directory = directory
        self._limits = limits or Limits()
        self._prepared: set[str] = set()
        """Algorithms of digests whose folders are there."""
        with self._writing():
            self._check()
            is_there = (directory / _INDEX).exists()
        if is_there:
            with self._locked():
                self._index()

    def has_blob(self, digest: str) -> bool:
        """Tell whether a blob is there."""
        return _size_at(self._directory, check_digest(digest)) is not None

    def push_blob(self, digest: str, size: int, content: OpenPieces, *, neighbour: str = "") -> Pushed:
        """Make sure that a blob is there.

        A neighbour is `oci:DIR`: its file gets a second name here, or is copied where that cannot be.

        Raises: WrongContent, LayoutNotWritten, NotALayout; what the content raises.
        Cost: One file is written, or none.
        """
        if _size_at(self._directory, check_digest(digest)) == size:
            return Pushed(sent=0, how="present")
        if neighbour.startswith(_SCHEME) and self._take(Path(neighbour.removeprefix(_SCHEME)), digest, size):
            return Pushed(sent=0, how="mounted")
        self._store(digest, size, content)
        self.meter.count(requests=1, sent=size)
        return Pushed(sent=size, how="sent")

    def push_manifest(self, content: bytes, media_type: str, *, tag: str = "") -> str:
        """Put a manifest or an index; return its digest. Whatever was called `tag` before loses that name.

        Raises: LayoutNotWritten, NotALayout; MalformedDocument: the layout's `index.json` is damaged.
        """
        digest = digest_of(content)
        self.push_blob(digest, len(content), lambda: nullcontext(iter((content,))))
        if tag:
            self._tag({"mediaType": media_type, "digest": digest, "size": len(content)}, tag)
        return digest

    def push_referrer(self, content: bytes, media_type: str) -> Referred:
        """Put a manifest that refers to another one: an entry of `index.json` without a name, once.

        Raises: LayoutNotWritten, NotALayout; MalformedDocument: the layout's `index.json` is damaged.
        """
        digest = self.push_manifest(content, media_type)
        referrer = referrer_of(content, media_type)
        assert referrer is not None  # what the caller wrote has a subject
        annotations = _unnamed(referrer.descriptor.get("annotations"))
        entry = {**referrer.descriptor, "annotations": annotations}
        with self._locked():
            index = self._index()
            if not any(one.get("digest") == digest for one in index["manifests"]):
                self._write_index({**index, "manifests": [*index["manifests"], entry]})
        return Referred(digest=digest, tag="")

    def fetch_manifest(self, name: str) -> Document:
        """Read a manifest or index, as `LayoutBackend.fetch_manifest` does."""
        return LayoutBackend(self._directory, meter=self.meter, limits=self._limits).fetch_manifest(name)

    def has_manifest(self, digest: str) -> bool:
        """Tell whether a manifest or index is there."""
        return self.has_blob(digest)

    def close(self) -> None:
        """Nothing is kept open."""

    def _check(self) -> None:
        """Refuse what is neither a layout nor empty.

        Raises: NotALayout; OSError.
        """
        if not self._directory.exists():
            return
        if not self._directory.is_dir():
            raise NotALayout(place=self.place, why="it is not a directory")
        names = {path.name for path in self._directory.iterdir()}
        if names and not names & {_MARK, _INDEX}:
            raise NotALayout(place=self.place, why="there is something else in it")

    def _tag(self, descriptor: dict[str, Any], tag: str) -> None:
        named = {**descriptor, "annotations": {keys.OCI_REF_NAME: tag}}
        with self._locked():
            index = self._index()
            kept = [one for one in index["manifests"] if (one.get("annotations") or {}).get(keys.OCI_REF_NAME) != tag]
            self._write_index({**index, "manifests": [*kept, named]})

    def _index(self) -> dict[str, Any]:
        """Read `index.json` with all that others wrote into it; an empty one if there is none. Only while it is held.

        Raises: MalformedDocument, UnsupportedFormat.
        """
        try:
            LayoutBackend(self._directory, limits=self._limits).tags()  # refuses what is no index
        except NotFound:
            return {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": []}
        content = _file(self._directory, _INDEX, _INDEX).read_whole(self._limits.index_size, Meter())
        index = decode(content or b"", dict[str, Any], _INDEX)
        return {**index, "manifests": index.get("manifests") or []}

    def _write_index(self, index: dict[str, Any]) -> None:
        with self._draft(self._directory / _INDEX) as write:
            write(json.dumps(index, indent=2).encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Make the layout if need be, and hold it: `oci-layout` is never replaced, so that all lock the same file."""
        with self._writing():
            self._directory.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._directory / _MARK, flags, 0o666)
            try:
                with exclusive(descriptor):
                    if os.fstat(descriptor).st_size == 0:
                        os.write(descriptor, _VERSION)
                    yield
            finally:
                os.close(descriptor)

    def _store(self, digest: str, size: int, content: OpenPieces) -> None:
        """Write a blob if its bytes are right."""
        with self._draft(self._path(digest)) as write:
            for piece in verified(content, digest, size, place=self.place):
                write(piece)

    def _take(self, directory: Path, digest: str, size: int) -> bool:
        """Take a blob from another layout; tell whether that was possible."""
        if _size_at(directory, digest) != size:
            return False
        file = _blob(directory, digest)
        if _link(file.path, self._path(digest)):
            return True
        try:
            self._store(digest, size, lambda: file.pieces(Meter()))
        except (NotFound, ShortRead, Unreadable, WrongContent):
            return False  # the content itself may be better
        return True

    def _path(self, digest: str) -> Path:
        """Return where a blob belongs; the layout and the folder are made if need be."""
        algorithm, _, name = digest.partition(":")
        folder = self._directory / "blobs" / algorithm
        if algorithm not in self._prepared:
            with self._writing():
                self._check()
            with self._locked():
                if not (self._directory / _INDEX).exists():
                    self._write_index(self._index())
                folder.mkdir(parents=True, exist_ok=True)
            if not Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(self._directory)):
                raise NotALayout(place=self.place, why="a link in it leads out")
            self._prepared.add(algorithm)
        return folder / name

    @contextmanager
    def _draft(self, target: Path) -> Iterator[Write]:
        """Write a file that appears when the block ends well, and leaves nothing otherwise."""
        draft = _draft_of(target)
        with self._writing():
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with _closing(os.fdopen(descriptor, "wb")) as file:

                def write(content: bytes) -> None:
                    with self._writing():
                        file.write(content)

                yield write
                with self._writing():
                    file.flush()
                    draft.replace(target)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn the system's refusals into ours."""
        try:
            yield
        except RafsightError:
            raise
        except OSError as error:
            why = error.strerror or os.strerror(error.errno or 0)
            raise LayoutNotWritten(place=self.place, why=why) from error


@contextmanager
def _closing(file: BinaryIO) -> Iterator[BinaryIO]:
    """Close a file; what is left in its buffer after a failure may be as hard to write as what failed."""
    try:
        yield file
    finally:
        with suppress(OSError):
            file.close()


def _link(source: Path, target: Path) -> bool:
    """Give a file a second name in place of whatever has it; tell whether that was possible."""
    draft = _draft_of(target)
    try:
        os.link(os.path.realpath(source), draft)
        draft.replace(target)
    except OSError:  # another file system, one that knows no links, or somebody else's file
        return False
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)  # it stays where both names were of the same file before
    return True


def _unnamed(annotations: Any) -> dict[str, Any]:
    """Return the annotations of a document without those that would be names in an index."""
    names = (keys.OCI_REF_NAME, keys.CONTAINERD_IMAGE_NAME)
    return {key: value for key, value in (annotations or {}).items() if key not in names}


def _draft_of(target: Path) -> Path:
    return target.with_name(f".{target.name[:24]}.{secrets.token_hex(8)}.part")


def _file(directory: Path, path: str, what: str) -> LocalFile:
    return LocalFile(path=directory / path, what=what, place=f"{_SCHEME}{directory}", root=directory)


def _blob(directory: Path, digest: str) -> LocalFile:
    return _file(directory, f"blobs/{digest.replace(':', '/')}", f"blob {digest}")


def _size_at(directory: Path, digest: str) -> int | None:
    """Return the size of a blob [bytes] in a layout; None if it is not there, or not to be read."""
    try:
        return _blob(directory, digest).size()
    except (NotFound, Unreadable):
        return None
