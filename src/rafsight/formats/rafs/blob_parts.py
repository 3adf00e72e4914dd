"""Write the parts of a blob one behind the other, each with the tar header that names it, and a table of contents.

This module alone decides how the forms of blobs that carry more than chunks are written (sections 5.2 and 5.3 of the
format reference); `toc` reads them. Nothing is kept but sums and sizes: the bytes go to a sink.
"""

import hashlib
from collections.abc import Callable
from typing import Final

import numpy as np

from rafsight.formats.rafs import blob_meta_layout as layout
from rafsight.formats.rafs import toc
from rafsight.formats.tables import Compressor

Sink = Callable[[bytes], object]

_FLAGS: Final = {
    Compressor.NONE: layout.TOC_PLAIN,
    Compressor.ZSTD: layout.TOC_ZSTD,
    Compressor.LZ4_BLOCK: layout.TOC_LZ4_BLOCK,
}
_BLANK: Final = b" "
_SIZE_DIGITS: Final = 11


class PartsWriter:
    """Writes a file that is made of parts."""

    def __init__(self, sink: Sink) -> None:
        """Begin; `sink` takes the bytes of the file in their order."""
        self._sink = sink
        self._whole = hashlib.sha256()
        self._part_start = 0
        self._entries: list[np.ndarray] = []
        self.size = 0
        """[bytes] written."""

    @property
    def digest(self) -> str:
        """SHA-256 of what was written, in hex: the name of the file."""
        return self._whole.hexdigest()

    @property
    def part_size(self) -> int:
        """[bytes] of the part that is being written."""
        return self.size - self._part_start

    def write(self, piece: bytes) -> None:
        """Append a piece to the present part."""
        self._whole.update(piece)
        self.size += len(piece)
        self._sink(piece)

    def end_part(self, name: str) -> None:
        """Write the tar header of the present part, and begin the next one."""
        self.write(tar_header(name, self.part_size))
        self._part_start = self.size

    def end_data(self, uncompressed_size: int) -> None:
        """End the part of the chunks; its entry has the digest of the part with its tar header.

        Only for a file that began with it.

        Args:
            uncompressed_size: [bytes] of the blob's uncompressed space.
        """
        size = self.part_size
        self.end_part(toc.DATA)
        self._entries.append(
            _entry(toc.DATA, Compressor.NONE, self._whole.digest(), offset=0, stored=size, size=uncompressed_size)
        )

    def add_entry(self, name: str, content: bytes, *, stored: int, offset: int, compressor: Compressor) -> None:
        """Enter a part, or a piece of one, into the table of contents.

        Args:
            name: of the entry.
            content: uncompressed.
            stored: [bytes] in the file.
            offset: [bytes] in the file.
            compressor: of the stored bytes.
        """
        digest = hashlib.sha256(content).digest()
        self._entries.append(_entry(name, compressor, digest, offset=offset, stored=stored, size=len(content)))

    def end_toc(self) -> tuple[bytes, int]:
        """Write the table of contents as the last part; return its digest and size [bytes], tar header included."""
        table = b"".join(entry.tobytes() for entry in self._entries)
        whole = table + tar_header(toc.TOC, len(table))
        self.write(whole)
        return hashlib.sha256(whole).digest(), len(whole)


def tar_header(name: str, size: int) -> bytes:
    """Write the GNU tar header that follows a part.

    Args:
        name: of the part.
        size: [bytes] of it.
    """
    row = np.zeros(1, layout.TAR_HEADER.dtype)
    row["name"], row["magic"], row["type"] = name.encode(), layout.TAR_MAGIC, b"0"
    row["size"] = b"%0*o\0" % (_SIZE_DIGITS, size)
    row["mtime"] = b"0" * _SIZE_DIGITS + b"\0"
    row["checksum"] = _BLANK * 8
    row["checksum"] = b"%07o\0" % sum(row.tobytes())
    return row.tobytes()


def _entry(name: str, compressor: Compressor, digest: bytes, *, offset: int, stored: int, size: int) -> np.ndarray:
    row = np.zeros(1, layout.TOC_ENTRY.dtype)
    row["flags"], row["name"], row["digest"] = _FLAGS[compressor], name.encode(), digest
    row["offset"], row["compressed_size"], row["uncompressed_size"] = offset, stored, size
    return row
