"""What a conversion may be asked for, and which wishes do not go together."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rafsight.access.layer_packing import PackTerms
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.formats.rafs.codec import CODECS
from rafsight.formats.rafs.shared_layout import MAX_CHUNK_SIZE, MIN_CHUNK_SIZE
from rafsight.formats.tables import Compressor, Digester

COMPRESSORS: Final = {"zstd": Compressor.ZSTD, "lz4_block": Compressor.LZ4_BLOCK, "none": Compressor.NONE}
DIGESTERS: Final = {"blake3": Digester.BLAKE3, "sha256": Digester.SHA256}
WHOLE_TREE: Final = (b"/",)
_LEVELS: Final = range(-7, 23)


class UnsuitableTerms(CallerError):
    """What a conversion was asked for cannot be."""

    code = "unsuitable-terms"
    template = "this conversion cannot be: {what}"
    remedy = "`rafsight convert --help` says what goes together."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertTerms:
    """How an image is converted."""

    fs_version: int = 6
    """Of RAFS."""
    compressor: str = "zstd"
    """A name of COMPRESSORS."""
    level: int = 3
    """Of zstd."""
    digester: str = "blake3"
    """A name of DIGESTERS."""
    chunk_size: int = 1 << 20
    """[bytes] a power of two, 4 KiB to 16 MiB."""
    inlined: bool = True
    """Blobs have the bootstrap of their layer and a table of contents in them, as other builders want to find them."""
    prefetch: tuple[bytes, ...] = WHOLE_TREE
    """Files and folders that a daemon fetches first, the most urgent first."""
    chunk_dict: str = ""
    """Reference of a Nydus image whose chunks are not stored again; empty: none."""
    merge_platform: bool = False
    """Make an index of the untouched source and the Nydus image."""
    with_referrer: bool = False
    """The Nydus image names its source as subject."""
    oci_ref: bool = False
    """Chunks stay in the gzip layers of the source."""
    oci: bool = False
    """Write OCI media types, whatever the source has."""
    platforms: tuple[str, ...] = ()
    """Platforms of an index; empty: the one of the options."""
    all_platforms: bool = False
    work_dir: Path | None = None
    """Folder for unfinished work; None: a temporary one, and an interrupted conversion begins anew."""

    def packing(self) -> PackTerms:
        """Check the wishes, and return those that are about layers.

        Raises: UnsuitableTerms.
        """
        if all(self.fs_version != codec.VERSION for codec in CODECS):
            raise UnsuitableTerms(what=f"there is no version {self.fs_version} of RAFS to write")
        if self.compressor not in COMPRESSORS or self.digester not in DIGESTERS:
            raise UnsuitableTerms(what=f"nobody knows {self.compressor} with {self.digester}")
        if self.level not in _LEVELS:
            raise UnsuitableTerms(what=f"zstd has no level {self.level}")
        if self.chunk_size.bit_count() != 1 or not MIN_CHUNK_SIZE <= self.chunk_size <= MAX_CHUNK_SIZE:
            raise UnsuitableTerms(
                what=f"a chunk size of {self.chunk_size} bytes is no power of two from 4 KiB to 16 MiB"
            )
        terms = PackTerms(
            version=self.fs_version,
            compressor=COMPRESSORS[self.compressor],
            level=self.level,
            digester=DIGESTERS[self.digester],
            chunk_size=self.chunk_size,
            is_inlined=self.inlined,
        )
        if self.oci_ref and not terms.is_aligned:
            raise UnsuitableTerms(what="chunks can stay in gzip layers with RAFS v6 only")
        if self.oci_ref and self.chunk_dict:
            raise UnsuitableTerms(what="chunks that stay in gzip layers cannot lie in a chunk dictionary, too")
        if self.all_platforms and self.platforms:
            raise UnsuitableTerms(what="some platforms and all platforms were asked for")
        # as other builders say it of such images, whose layers are compressed by gzip
        return replace(terms, compressor=Compressor.GZIP, digester=Digester.SHA256) if self.oci_ref else terms
