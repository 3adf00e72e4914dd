"""Slices of a gzip file: which of its points are kept so that every chunk can be inflated on its own.

Pure, by columns. This module alone decides how large slices are: a chunk lies in one slice, slices begin at points,
and where a chunk begins before the next point, slices overlap. Only what chunks need is in a slice.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.errors import Defect
from rafsight.base.limits import Limits
from rafsight.base.units import KiB, MiB
from rafsight.formats.rafs.zran_points import GzipPoints, NotReferable
from rafsight.formats.records import Bools
from rafsight.formats.tables import Offsets

_STORED_SIZE: Final = 1 * MiB
"""[bytes] of the gzip file from which on a slice takes no more chunks."""
_DECODED_SIZE: Final = 2 * MiB
"""[bytes] of content, likewise."""
_FIRST_OCTET: Final = 1 * KiB
"""[bytes] of a member, behind its header, that give its first byte of content: code tables have no more than 600."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """The s slices that m chunks lie in, both in the order of the file."""

    point: Offsets
    """(s,) where each begins."""
    stored_size: Offsets
    """(s,) [bytes] of the gzip file."""
    decoded_size: Offsets
    """(s,) [bytes] of content, up to the end of the last chunk, or one more."""
    crosses: Bools
    """(s,) whether it goes on over the end of a member."""
    slice_index: Offsets
    """(m,) slice of each chunk."""
    slice_offset: Offsets
    """(m,) [bytes] of the chunk in its slice, decoded."""
    near_offset: Offsets
    """(m,) [bytes] of the gzip file from which on the chunk's bytes come: no more than a hint."""
    near_size: Offsets
    """(m,) [bytes] in which they come."""


def cut_slices(points: GzipPoints, offset: Offsets, size: Offsets, limits: Limits, layer: str) -> Slices:
    """Choose slices.

    Args:
        points: of the gzip file.
        offset: (m,) [bytes] of each chunk in the content.
        size: (m,) [bytes] of each, not 0; they follow each other and do not overlap.
        limits: what readers accept.
        layer: what to call the gzip file.
    Raises: NotReferable: a slice would be too large, since the file's deflate blocks are. Defect: the chunks are not
        as they should be.
    Cost: linear in the chunks, one step each.
    """
    _check_chunks(points, offset, size)
    ends = offset + size
    start = np.searchsorted(points.uncompressed_offset, offset, side="right") - 1
    follow = np.searchsorted(points.uncompressed_offset, ends, side="left")
    stored_ends = np.append(points.compressed_offset, points.compressed_size)[follow]
    first, slice_index = _group(points, start, follow, stored_ends, ends)
    last = np.searchsorted(slice_index, np.arange(len(first)), side="right") - 1
    point = start[first]
    stored_end, end = _beyond_members(points, stored_ends[last], ends[last])
    stored, decoded = stored_end - points.compressed_offset[point], end - points.uncompressed_offset[point]
    most = limits.zran_decoded_size
    if bool(((stored > most) | (decoded > most)).any()):
        raise NotReferable(layer=layer, why=f"its deflate blocks are so large that a slice has more than {most} bytes")
    member = points.member
    end_point = np.searchsorted(points.uncompressed_offset, end, side="left") - 1
    near = points.compressed_offset[start]
    return Slices(
        point=point,
        stored_size=stored,
        decoded_size=decoded,
        crosses=member[end_point] != member[point],
        slice_index=slice_index,
        slice_offset=offset - points.uncompressed_offset[point][slice_index],
        near_offset=near,
        near_size=stored_ends - near,
    )


def _check_chunks(points: GzipPoints, offset: Offsets, size: Offsets) -> None:
    ends = offset + size
    ordered = bool((offset[1:] >= ends[:-1]).all() and (size > 0).all())
    inside = not len(offset) or (int(offset[0]) >= 0 and int(ends[-1]) <= points.uncompressed_size)
    if not (ordered and inside):
        raise Defect(what="chunks that do not follow each other in the layer were to be found there")


def _beyond_members(points: GzipPoints, stored_end: Offsets, end: Offsets) -> tuple[Offsets, Offsets]:
    """Let slices that would end where a member does go on for one byte.

    The peer's daemon begins with the next member whenever one has ended, and fails if it has no room left for its
    content.

    Returns: (s,) where slices end in the gzip file, and in the content.
    """
    left, right = (np.searchsorted(points.uncompressed_offset, end, side=side) for side in ("left", "right"))
    members_before = np.concatenate(([0], points.member))
    is_at_end = (members_before[right] > members_before[left]) & (end < points.uncompressed_size)
    following = np.append(points.compressed_offset, points.compressed_size)[right]
    enough = np.minimum(points.compressed_offset[right - 1] + _FIRST_OCTET, following)
    return np.where(is_at_end, enough, stored_end), end + is_at_end


def _group(
    points: GzipPoints, start: Offsets, follow: Offsets, stored_ends: Offsets, ends: Offsets
) -> tuple[Offsets, Offsets]:
    """Give chunks to slices.

    A slice ends where a member does, since a beginning without a window costs nothing; where it has enough; and before
    a gap of whole blocks that no chunk needs. Another that would begin at the same point would be no better.

    Returns: (s,) first chunk of each slice, (m,) slice of each chunk.
    """
    member, stored, decoded = points.member.tolist(), points.compressed_offset.tolist(), points.uncompressed_offset
    firsts: list[int] = []
    answer = np.zeros(len(start), np.int64)
    most_stored = most_decoded = -1
    begin, reach = -1, -1
    rows = zip(start.tolist(), follow.tolist(), stored_ends.tolist(), ends.tolist(), strict=True)
    for chunk, (point, after, stored_end, end) in enumerate(rows):
        is_other = begin < 0 or member[point] != member[begin]
        is_full = stored_end > most_stored or end > most_decoded or point > reach
        if is_other or (point > begin and is_full):
            begin = point
            most_stored, most_decoded = stored[point] + _STORED_SIZE, int(decoded[point]) + _DECODED_SIZE
            firsts.append(chunk)
        reach = after
        answer[chunk] = len(firsts) - 1
    return np.array(firsts, np.int64), answer
