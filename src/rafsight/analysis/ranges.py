"""Ranges of files, and the runs of bytes that were read of them."""

from collections.abc import Iterable


def merge_ranges(ranges: Iterable[tuple[int, int]], size: int) -> tuple[tuple[int, int], ...]:
    """Cut ranges to a file of `size` bytes, order them, and join those that touch. Negative ones are dropped."""
    merged: list[tuple[int, int]] = []
    for offset, length in sorted(ranges):
        end = min(offset + length, size)
        if offset < 0 or end <= offset:
            continue
        if merged and offset <= sum(merged[-1]):
            start, before = merged[-1]
            merged[-1] = (start, max(before, end - start))
        else:
            merged.append((offset, end - offset))
    return tuple(merged)


def subtract_ranges(
    ranges: tuple[tuple[int, int], ...], known: Iterable[tuple[int, int]]
) -> tuple[tuple[int, int], ...]:
    """Return what is left of ordered ranges without the known ones."""
    left = list(ranges)
    for offset, length in known:
        end = offset + length
        parts = []
        for start, size in left:
            stop = start + size
            parts.append((start, min(stop, offset) - start))
            parts.append((max(start, end), stop - max(start, end)))
        left = [(start, size) for start, size in parts if size > 0]
    return tuple(left)


def merge_runs(runs: Iterable[tuple[int, bytes]]) -> tuple[tuple[int, bytes], ...]:
    """Order runs of bytes and join those that touch or overlap, as `FileView` wants them."""
    merged: list[tuple[int, list[bytes], int]] = []
    for offset, content in sorted((run for run in runs if run[1]), key=lambda run: (run[0], -len(run[1]))):
        if merged and offset <= merged[-1][2]:
            start, parts, end = merged.pop()
            parts.append(content[end - offset :])
            merged.append((start, parts, max(end, offset + len(content))))
        else:
            merged.append((offset, [content], offset + len(content)))
    return tuple((start, parts[0] if len(parts) == 1 else b"".join(parts)) for start, parts, _ in merged)
