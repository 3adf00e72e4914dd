"""Where an index lies: a folder of this machine, or any URL that fsspec has a filesystem for.

Files of an index are never changed: they are written whole, and removed when nothing has named them for a while. The
one thing that a place has to do well is `create`: of two writers that want the same name, only one may have it. This
module alone talks to folders and filesystems.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from rafsight.base.errors import CallerError, ExitStatus, HostLimit, RegistryFault

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*(::|://)", re.IGNORECASE)
_LOCAL: Final = ("file", "local")
_DRAFT: Final = ".draft-"


class NoFsspec(HostLimit):
    """The library that reaches URLs is not there."""

    code = "no-fsspec"
    template = "{url} cannot be reached without the Python package fsspec"
    remedy = "Install it: pip install 'rafsight[fleet]', and what fsspec wants for this kind of URL, such as s3fs."


class UnknownIndexUrl(CallerError):
    """No filesystem is known for a URL."""

    code = "unknown-index-url"
    template = "no filesystem is known for {url}: {why}"
    remedy = "Name a folder, or a URL that fsspec knows (s3://, gs://, az://, sftp://, ...) and install what it needs."
    exit_status = ExitStatus.REFERENCE


class IndexUnreachable(RegistryFault):
    """The place of an index does not do its part."""

    code = "index-unreachable"
    template = "the index at {place}: {what} failed: {why}"
    remedy = "Check that the place is there, and that you may read it (and write it, to build or update)."
    permanent = False


class IndexPlace(Protocol):
    """A place with files; names are relative, with `/`. Every method raises IndexUnreachable."""

    @property
    def name(self) -> str:
        """What people call it; without a password."""
        ...

    def listing(self, folder: str) -> list[str]:
        """Return the names of the files in a folder, without it; nothing if it is not there."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return a small file; None if it is not there."""
        ...

    def path(self, name: str) -> Path | None:
        """Return where a file lies on this machine; None if it has to be fetched."""
        ...

    def fetch(self, name: str, target: Path) -> bool:
        """Copy a file to this machine; False if it is not there."""
        ...

    def put(self, name: str, source: Path) -> None:
        """Copy a file of this machine to a new name."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file; False, and nothing is changed, if there is one of that name."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is none."""
        ...


def find_place(url: str) -> IndexPlace:
    """Find the place that a user names; nothing is asked of it yet.

    Args:
        url: a path, or a URL.
    Raises: NoFsspec, UnknownIndexUrl.
    """
    if not url.strip() or "\0" in url:
        raise UnknownIndexUrl(url=url, why="it is empty" if not url.strip() else "it has a NUL")
    if not _URL.match(url):
        return LocalPlace(Path(url))
    parts = urlsplit(url)
    if parts.scheme.lower() in _LOCAL and "::" not in url:
        return LocalPlace(Path(unquote(parts.netloc + parts.path)))
    return FsspecPlace(url)


class LocalPlace:
    """A folder."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; `put` and `create` make it."""
        self._folder = folder

    @property
    def name(self) -> str:
        """The folder as the user wrote it."""
        return str(self._folder)

    def listing(self, folder: str) -> list[str]:
        """See `IndexPlace`."""
        with self._blamed("listing"):
            try:
                found = [path.name for path in (self._folder / folder).iterdir()]
            except (FileNotFoundError, NotADirectoryError):
                return []
        return sorted(name for name in found if not name.startswith(_DRAFT))

    def read(self, name: str) -> bytes | None:
        """See `IndexPlace`."""
        with self._blamed("reading"):
            try:
                return (self._folder / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def path(self, name: str) -> Path | None:
        """See `IndexPlace`."""
        return self._folder / name

    def fetch(self, name: str, target: Path) -> bool:
        """See `IndexPlace`."""
        with self._blamed("reading"):
            try:
                shutil.copyfile(self._folder / name, target)
            except FileNotFoundError:
                return False
        return True

    def put(self, name: str, source: Path) -> None:
        """See `IndexPlace`."""
        with self._blamed("writing"), self._draft(name) as draft:
            shutil.copyfile(source, draft)
            _make_durable(draft)
            draft.rename(self._folder / name)
            _make_durable(draft.parent)

    def create(self, name: str, content: bytes) -> bool:
        """See `IndexPlace`."""
        with self._blamed("writing"), self._draft(name) as draft:
            draft.write_bytes(content)
            _make_durable(draft)
            try:
                os.link(draft, self._folder / name)  # unlike a rename, it never replaces
            except FileExistsError:
                return False
            _make_durable(draft.parent)
        return True

    def remove(self, name: str) -> None:
        """See `IndexPlace`."""
        with self._blamed("removing"):
            (self._folder / name).unlink(missing_ok=True)

    @contextmanager
    def _draft(self, name: str) -> Iterator[Path]:
        """Give a name beside the real one; what is left of it goes."""
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{_DRAFT}{secrets.token_hex(8)}")
        try:
            yield draft
        finally:
            with suppress(OSError):
                draft.unlink()

    @contextmanager
    def _blamed(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise IndexUnreachable(place=self.name, what=what, why=error.strerror or str(error)) from error


class FsspecPlace:
    """A folder of a filesystem of fsspec."""

    def __init__(self, url: str) -> None:
        """Find the filesystem.

        Raises: NoFsspec, UnknownIndexUrl.
        """
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise NoFsspec(url=_without_password(url)) from error
        try:
            self._system, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise UnknownIndexUrl(url=_without_password(url), why=str(error)) from error
        self._root = str(root).rstrip("/")
        self._name = _without_password(url)

    @property
    def name(self) -> str:
        """The URL."""
        return self._name

    def listing(self, folder: str) -> list[str]:
        """See `IndexPlace`."""
        with self._blamed("listing"):
            self._system.invalidate_cache()
            try:
                found = self._system.ls(self._whole(folder), detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
        return sorted(str(name).rstrip("/").rpartition("/")[2] for name in found)

    def read(self, name: str) -> bytes | None:
        """See `IndexPlace`."""
        with self._blamed("reading"):
            try:
                return bytes(self._system.cat_file(self._whole(name)))
            except FileNotFoundError:
                return None

    def path(self, name: str) -> Path | None:  # noqa: ARG002 - elsewhere it matters
        """See `IndexPlace`."""
        return None

    def fetch(self, name: str, target: Path) -> bool:
        """See `IndexPlace`."""
        with self._blamed("reading"):
            try:
                self._system.get_file(self._whole(name), str(target))
            except FileNotFoundError:
                return False
        return True

    def put(self, name: str, source: Path) -> None:
        """See `IndexPlace`."""
        with self._blamed("writing"):
            whole = self._whole(name)
            self._system.makedirs(whole.rpartition("/")[0], exist_ok=True)
            self._system.put_file(str(source), whole)

    def create(self, name: str, content: bytes) -> bool:
        """See `IndexPlace`; where a filesystem only pretends that it can do so, the last of two writers wins."""
        whole = self._whole(name)
        with self._blamed("writing"):
            self._system.makedirs(whole.rpartition("/")[0], exist_ok=True)
            try:
                self._system.pipe_file(whole, content, mode="create")
            except OSError:  # some say so in other words than FileExistsError
                if not self._system.exists(whole):
                    raise
            return bytes(self._system.cat_file(whole)) == content  # ours too if only the answer was lost

    def remove(self, name: str) -> None:
        """See `IndexPlace`."""
        with self._blamed("removing"), suppress(FileNotFoundError):
            self._system.rm_file(self._whole(name))

    def _whole(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _blamed(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # every filesystem has errors of its own
            raise IndexUnreachable(place=self._name, what=what, why=str(error) or type(error).__name__) from error


def _make_durable(path: Path) -> None:
    """Wait until a file or folder is on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _without_password(url: str) -> str:
    """Leave out what stands before the host."""
    return re.sub(r"//[^/@]*@", "//", url)
