"""An image as an fsspec file system: `rafs://REF!/PATH` for pandas, DuckDB and all that take fsspec URLs.

    fsspec.open("rafs://registry.example.com/app:v6!/etc/os-release")
    fsspec.filesystem("rafs", reference="oci:layout:v6").find("/usr/lib")

REF is what the command line takes; it ends at the first `!/` (fsspec's own `::` means something else). Storage options
are the fields of `rafsight.Options`. This module translates and nothing more, and nobody but fsspec imports it: it
needs `pip install rafsight[fsspec]`.

Names are text: bytes that are no UTF-8 are surrogate escapes, as Python's own file functions have them. Links are
followed, as `open` and `os.stat` do; in listings a link to a file looks like that file, any other link is `other`, so
that no walk runs in a circle.
"""

import os
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from rafsight.access.options import Options
from rafsight.access.session import Image, open_image
from rafsight.base.errors import RafsightError
from rafsight.base.text import escape
from rafsight.base.units import MiB
from rafsight.image.plan import FileRange
from rafsight.image.tree import NoSuchPath, TooManyLinks, require_kind

_SEPARATOR: Final = "!/"
_PIECE: Final = 1 * MiB
_BATCH: Final = 16 * MiB
_PATHS: Final = frozenset(("cache_dir", "certificate", "key", "blob_dir"))


class RafsFileSystem(AbstractFileSystem):  # type: ignore[misc] # fsspec is untyped
    """The files of one image, read-only. The image is opened when the first file is asked for."""

    protocol = "rafs"
    root_marker = ""

    def __init__(self, reference: str = "", **storage_options: Any) -> None:
        """Take the image.

        Args:
            reference: as `rafsight.open_image` takes it.
            storage_options: fields of `rafsight.Options` (paths may be text), and what fsspec itself takes.
        Raises: TypeError: an option that neither knows.
        """
        super().__init__(reference=reference, **storage_options)
        if not reference:
            message = "rafs:// needs an image: rafs://REF!/PATH, or reference=REF"
            raise ValueError(message)
        self.reference = reference
        own = {"use_listings_cache", "listings_expiry_time", "max_paths", "skip_instance_cache", "asynchronous", "loop"}
        self._options = _options({name: value for name, value in storage_options.items() if name not in own})
        self._open_images = ExitStack()
        self._image: Image | None = None
        weakref.finalize(self, self._open_images.close)

    @property
    def image(self) -> Image:
        """The open image."""
        if self._image is None:
            self._image = self._open_images.enter_context(open_image(self.reference, options=self._options))
        return self._image

    def close(self) -> None:
        """Close the image; it is opened again when it is needed."""
        self._image = None
        self._open_images.close()

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        """Return paths in the image, without a leading slash: of URLs, and of what is a path already."""
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        text = str(path)
        if text.startswith("rafs://"):
            text = text.partition(_SEPARATOR)[2]
        return text.strip("/")

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        return (
            {"reference": path.removeprefix("rafs://").partition(_SEPARATOR)[0]} if path.startswith("rafs://") else {}
        )

    def unstrip_protocol(self, name: str) -> str:
        """Return the URL of a path."""
        return f"rafs://{self.reference}{_SEPARATOR}{self._strip_protocol(name)}"

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Describe what a path leads to.

        Raises: FileNotFoundError.
        """
        name = self._strip_protocol(path)
        return self._describe(name, self._row(name, follow=False), is_listing=False)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a folder, or name a single file.

        Raises: FileNotFoundError.
        """
        name = self._strip_protocol(path)
        row = self._row(name)
        tree = self.image.tree
        if not tree.is_directory(row):
            found = [self._describe(name, row, is_listing=False)]
        else:
            above = f"{name}/" if name else ""
            found = [
                self._describe(above + os.fsdecode(tree.name(child)), child, is_listing=True)
                for child in tree.children(row)
            ]
        return found if detail else [one["name"] for one in found]

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """Read a file, or a part of it; negative numbers count from the end.

        Raises: FileNotFoundError, IsADirectoryError; RegistryFault, ImageFault.
        Cost: the chunks that the part touches, as one plan for each `_BATCH` of it.
        """
        row = self._file(path)
        size = int(self.image.tree.entries.size[row])
        first, last, _step = slice(start, end).indices(size)
        return b"".join(_read(self.image, row, first, last))

    def modified(self, path: str) -> Any:
        """Return when a file was changed.

        Raises: FileNotFoundError.
        """
        from datetime import UTC, datetime, timedelta

        about = self.image.tree.attributes(self._row(self._strip_protocol(path)))
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=about.mtime, microseconds=about.mtime_nsec // 1000)

    def _open(self, path: str, mode: str = "rb", block_size: Any = None, **more: Any) -> "RafsFile":
        if mode != "rb":
            raise OSError(30, "an image is read-only", path)
        size = int(self.image.tree.entries.size[self._file(path)])
        return RafsFile(self, path, mode, block_size or "default", size=size, **more)

    def _file(self, path: str) -> int:
        """Return the row of a regular file."""
        row = self._row(self._strip_protocol(path))
        if self.image.tree.is_directory(row):
            raise IsADirectoryError(path)
        return require_kind(self.image.tree, row, "file")

    def _row(self, name: str, *, follow: bool = True) -> int:
        try:
            return self.image.tree.lookup(os.fsencode(name), follow=follow)
        except (NoSuchPath, TooManyLinks) as error:
            raise FileNotFoundError(2, str(error), self.unstrip_protocol(name)) from error

    def _describe(self, name: str, row: int, *, is_listing: bool) -> dict[str, Any]:
        tree = self.image.tree
        about = tree.attributes(row)
        found = {
            "name": name,
            "size": about.size if about.kind == "file" else 0,
            "type": about.kind if about.kind in ("file", "directory") else "other",
            "mode": about.mode,
            "uid": about.uid,
            "gid": about.gid,
            "mtime": about.mtime + about.mtime_nsec / 1e9,
            "nlink": about.nlink,
            "islink": about.kind == "symlink",
        }
        if about.kind == "symlink":
            found["destination"] = os.fsdecode(tree.target(row))
            end = tree.find(os.fsencode(name))
            if end is not None and (tree.is_file(end) or not is_listing):
                led = tree.attributes(end)
                found["type"] = led.kind if led.kind in ("file", "directory") else "other"
                found["size"] = led.size if led.kind == "file" else 0
            elif end is None and not is_listing:
                raise FileNotFoundError(2, "a link that leads nowhere", self.unstrip_protocol(name))
        return found


class RafsFile(AbstractBufferedFile):  # type: ignore[misc] # fsspec is untyped
    """One open file; fsspec's caches decide which ranges are asked for."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        content: bytes = self.fs.cat_file(self.path, max(start, 0), end)
        return content


def _read(image: Image, row: int, start: int, end: int) -> Iterator[bytes]:
    """Yield a part of a file in order.

    Raises: RegistryFault, ImageFault, and what else a read may end in.
    """
    for low in range(start, end, _BATCH):
        high = min(low + _BATCH, end)
        wanted = [FileRange(row=row, offset=at, size=min(_PIECE, high - at)) for at in range(low, high, _PIECE)]
        found = sorted(image.read(wanted), key=lambda part: part.index)
        fault: RafsightError | None = next((part.error for part in found if part.error is not None), None)
        if fault is not None:
            fault.add_note(f"while reading /{escape(image.tree.path(row))}")
            raise fault
        yield from (part.content for part in found)


def _options(values: dict[str, Any]) -> Options:
    """Make options; text becomes a path where one is wanted."""
    said: dict[str, Any] = {
        name: Path(value) if name in _PATHS and isinstance(value, str) else value for name, value in values.items()
    }
    if "ca_files" in said:
        said["ca_files"] = tuple(Path(one) for one in said["ca_files"])
    said.setdefault("environment", dict(os.environ))
    return Options(**said)
