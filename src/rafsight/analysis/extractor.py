"""The contract of an extractor: it declares what it wants, and reads what it is given. It never fetches.

An extractor is a value: a name, what it wants, and a function from a file to what was found in it. It lives in a module
of its own, with one line in `catalogue.py`. Its results depend on the content that it is given (and on the base name of
the file, or what `name_of` makes of its path), never on the rest of the path or on other files, so that they can be
kept by content. What joins them
(distribution, location, owner) is the engine's.

The engine, in short:

    for wave in 1, 2, ...:
        rows = files that match the wants of this wave's extractors, and what ReadMore asked for in the last one
        for each file with its content:
            for each extractor that wants it: keep what extract(file) yields
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rafsight.analysis.inventory import Component, Distribution, GapReason, Inventory, Licensed, Ownership
from rafsight.base.errors import ImageFault
from rafsight.image.selection import Wants


class MalformedFile(ImageFault):
    """A file that an extractor wanted does not follow its format."""

    code = "malformed-file"
    template = "{what} (at {where})"
    remedy = "The file is damaged or of a kind that is not known yet; the rest of the image was scanned."


@dataclass(frozen=True, slots=True, kw_only=True)
class FileView:
    """A file, or the parts of it that were fetched."""

    path: bytes
    """Relative to the root, without a leading slash. An extractor looks at no more of it than its `name_of` gives."""
    size: int
    """[bytes] of the whole file."""
    runs: tuple[tuple[int, bytes], ...]
    """(offset, content), ordered, not touching; the whole file is ((0, content),)."""
    companions: Mapping[bytes, bytes] = field(default_factory=dict)
    """Content of the neighbours that the wants named, by suffix."""

    @property
    def name(self) -> bytes:
        """The base name."""
        return base_name(self.path)

    @property
    def content(self) -> bytes:
        """The run that begins at offset 0: the whole file where no part was asked for."""
        return self.runs[0][1] if self.runs and self.runs[0][0] == 0 else b""

    def slice(self, offset: int, size: int) -> bytes | None:
        """Return a range if it was fetched (cut at the end of the file), else None: then yield ReadMore."""
        end = min(offset + size, self.size)
        for start, content in self.runs:
            if start <= offset and end <= start + len(content):
                return content[offset - start : max(end, offset) - start]
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMore:
    """Yielded alone: call `extract` again, in the next wave, with these ranges of the same file as well."""

    ranges: tuple[tuple[int, int], ...]
    """(offset, size) [bytes]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Yielded for a part of a file that could not be read, where the rest could."""

    what: str
    reason: GapReason = GapReason.MALFORMED


Found = Component | Distribution | Ownership | Licensed | ReadMore | Skipped


def always(inventory: Inventory) -> bool:  # noqa: ARG001
    """Want the files of this extractor whatever was found before."""
    return True


def base_name(path: bytes) -> bytes:
    """Return the last component of a path."""
    return path.rpartition(b"/")[2]


def every_path(paths: Sequence[bytes], inventory: Inventory) -> Iterable[bytes]:  # noqa: ARG001
    """Choose every file that the patterns found."""
    return paths


@dataclass(frozen=True, slots=True, kw_only=True)
class Extractor:
    """One kind of file: what is wanted, and how it is read."""

    name: str
    """`os/dpkg`: stable, for people and for the cache."""
    version: int
    """Raised whenever results change."""
    wants: Wants
    extract: Callable[[FileView], Iterator[Found]]
    """Read one file. Raises MalformedFile; what was yielded before it is kept."""
    wave: int = 1
    """1, unless what earlier waves found decides whether it is needed."""
    needed: Callable[[Inventory], bool] = always
    """Asked once, before the extractor's wave, with what was found so far (not joined yet)."""
    choose: Callable[[Sequence[bytes], Inventory], Iterable[bytes]] = every_path
    """Which of the files that the patterns found are read, by their paths alone: for what a pattern cannot say."""
    name_of: Callable[[bytes], bytes] = base_name
    """The part of a path that counts with the content, where folders say what the file does not (`NAME-VERSION/x`)."""
    declared: bool = False
    """True if it reads what only asks for packages (lock files): it runs when that is wanted, and not otherwise."""
    licenses: bool = False
    """True if it reads what only says licences: it runs when those are asked for, and not otherwise."""
    unowned_only: bool = False
    """True if files that an official package of the distribution owns are left out: they are its affair, and cost
    nothing. Wave 3 or later, when the lists of all package managers were read."""
