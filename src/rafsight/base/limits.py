"""The bounds that keep hostile input from costing more than it may.

This module alone decides how much of anything is accepted. All are far above what real images need.
"""

from dataclasses import dataclass

from rafsight.base.units import GiB, KiB, MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of anything is accepted; sizes in bytes."""

    manifest_size: int = 4 * MiB
    index_size: int = 8 * MiB
    config_size: int = 8 * MiB
    index_depth: int = 4
    bootstrap_size: int = 2 * GiB
    blob_meta_size: int = 384 * MiB
    toc_size: int = 1 * MiB
    entry_count: int = 16_000_000
    """Directory entries in one image."""
    chunk_count: int = 1 << 24
    """Chunks in one blob (the format's own bound)."""
    blob_count: int = 4096
    layer_count: int = 1024
    path_size: int = 4096
    symlink_depth: int = 40
    decoded_size: int = 16 * MiB
    """One chunk, batch or zran slice after decompression (the format's own bound is 16 MiB)."""
    zran_decoded_size: int = 64 * MiB
    tar_header_size: int = 1 * MiB
    """Extended headers (PAX, GNU long names) of one tar entry."""
    whole_file_size: int = 512 * MiB
    """The largest file that may be asked for as one piece of memory."""
    token_size: int = 64 * KiB
    """One header or token answered by a registry."""
