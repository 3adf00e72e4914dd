"""What an index consists of: one small document a generation.

    generations/0000000012.json     this document; the highest number counts
    images/ID.parquet               the images of a generation
    parts/ID-entries.parquet        distinct entries, each with its group; see `grouping.py`
    parts/ID-spans.parquet          which trees have which group
    parts/ID-trees.parquet          the trees

A part stands for itself: its trees are whole in it, so that what is lost with a part is these trees and nothing else.
This module alone decides what the document looks like, and what names are accepted.
"""

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from rafsight.base.errors import ExitStatus, ImageFault
from rafsight.base.units import MiB
from rafsight.hunt.corpus import Corpus

FORMAT: Final = "rafsight-index"
VERSION: Final = 1
MANIFEST_SIZE: Final = 64 * MiB
"""[bytes]"""
_FILE: Final = re.compile(r"(?:images|parts)/[0-9a-f]{8}-[0-9a-f]{16}(?:-entries|-spans|-trees)?\.parquet\Z")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}\Z")


class DamagedIndex(ImageFault):
    """A document or a table of an index is not what rafsight writes."""

    code = "damaged-index"
    template = "the index at {place} is damaged: {what}"
    remedy = "`rafsight index update --verify` makes tables again; for all else take a copy or build it anew elsewhere."


class NewerIndex(ImageFault):
    """An index was written by a later release."""

    code = "newer-index"
    template = "the index at {place} has version {version}, and this release reads version {known}"
    remedy = "Use the release that wrote it, or build the index anew."
    exit_status = ExitStatus.UNSUPPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of an index."""

    name: str
    size: int
    """[bytes]"""
    digest: str
    """BLAKE3, in hex."""
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPart:
    """The three tables of a part."""

    entries: StoredFile
    spans: StoredFile
    trees: StoredFile

    @property
    def files(self) -> tuple[StoredFile, StoredFile, StoredFile]:
        """All of them."""
        return (self.entries, self.spans, self.trees)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """A file that is not needed any more; readers of an earlier generation may still have it open."""

    name: str
    since: int
    """[s since 1970]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A generation of an index."""

    format: str = FORMAT
    version: int = VERSION
    generation: int
    writer: str
    """Random: tells the documents of two writers apart."""
    written_at: int
    """[s since 1970]"""
    corpus: Corpus
    """What `update` looks at."""
    all_platforms: bool
    images: StoredFile
    parts: tuple[StoredPart, ...]
    retired: tuple[Retired, ...] = ()

    @property
    def size(self) -> int:
        """[bytes] of all tables."""
        return self.images.size + sum(file.size for part in self.parts for file in part.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    format: str
    version: int


def manifest_name(generation: int) -> str:
    """Return where the document of a generation lies."""
    return f"generations/{generation:010d}.json"


def parse_generation(file: str) -> int | None:
    """Return the generation that the name of a document says; None for other files."""
    found = re.match(r"([0-9]{10})\.json\Z", file)
    return int(found[1]) if found else None


def write_manifest(manifest: Manifest) -> bytes:
    """Write the document."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1)


def read_manifest(content: bytes, place: str) -> Manifest:
    """Read the document.

    Args:
        content: of the file.
        place: of the index, for errors.
    Raises: DamagedIndex, NewerIndex.
    """
    if len(content) > MANIFEST_SIZE:
        raise DamagedIndex(place=place, what=f"its document has {len(content)} bytes")
    try:
        head = msgspec.json.decode(content, type=_Head)
        if head.format == FORMAT and head.version > VERSION:
            raise NewerIndex(place=place, version=head.version, known=VERSION)
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedIndex(place=place, what=str(error)) from error
    files = [manifest.images, *(file for part in manifest.parts for file in part.files)]
    if manifest.format != FORMAT or not all(map(_is_sound, files)):
        raise DamagedIndex(place=place, what="its document is not that of an index")
    if not all(_FILE.match(retired.name) for retired in manifest.retired):
        raise DamagedIndex(place=place, what="its document names files that are none of an index")
    return manifest


def _is_sound(file: StoredFile) -> bool:
    """Tell whether a file of an index may look so."""
    return bool(_FILE.match(file.name) and _DIGEST.match(file.digest)) and file.size >= 0 and file.rows >= 0
