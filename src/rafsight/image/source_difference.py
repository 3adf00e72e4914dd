"""Where an image's tree differs from that of its source, entry by entry and field by field. Nothing is explained here.

This module alone decides what counts as a difference. Not compared are what no container sees (the bits of symbolic
links, the sizes of directories, `trusted.overlay.*`), what the image format cannot store (attributes outside of the
five namespaces of section 2.11), and what converters drop on purpose: fractions of seconds, the root's time if it is 0,
the files that only estargz needs.
"""

import stat as st
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from rafsight.base.text import escape
from rafsight.formats.judge import Rule
from rafsight.formats.records import Bools
from rafsight.formats.tables import MalformedImage, Rows
from rafsight.image import source_rules as rules
from rafsight.image.pairing import Pairs
from rafsight.image.tree import ImageTree, device_of

_TYPE: Final = np.uint32(0o170000)
_PERMISSIONS: Final = np.uint32(0o7777)
_NAMESPACES: Final = (b"user.", b"trusted.", b"security.")
_ACLS: Final = (b"system.posix_acl_access", b"system.posix_acl_default")
_OVERLAY: Final = b"trusted.overlay."
_ESTARGZ: Final = (b"stargz.index.json", b".prefetch.landmark", b".no.prefetch.landmark")
_ATTRIBUTES_SHOWN: Final = 4
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One entry that differs in one thing."""

    rule: Rule
    row: int
    """Of the image; -1 if it does not have the entry."""
    source_row: int
    """Of the source; -1 if it does not have the entry."""
    detail: str
    """The field with both values."""


def entry_differences(tree: ImageTree, source: ImageTree, pairs: Pairs) -> Iterator[Difference]:
    """Yield entries that only one of the trees has, and those that are of two kinds, in path order each."""
    for row in pairs.only_right.tolist():
        if int(source.entries.parent[row]) == 0 and source.name(row) in _ESTARGZ:
            continue
        yield Difference(rule=rules.MISSING, row=-1, source_row=row, detail="is in the source, and not here")
    for row in pairs.only_left.tolist():
        yield Difference(rule=rules.EXTRA, row=row, source_row=-1, detail="is here, and not in the source")
    differs = (_types(tree, pairs.left) != _types(source, pairs.right)).nonzero()[0]
    for row, other in zip(pairs.left[differs].tolist(), pairs.right[differs].tolist(), strict=True):
        detail = f"a {source.kind(other)} in the source"
        yield Difference(rule=rules.TYPE, row=row, source_row=other, detail=detail)


def attribute_differences(tree: ImageTree, source: ImageTree, left: Rows, right: Rows) -> Iterator[Difference]:
    """Yield what differs between entries of one path and one kind, field by field, in path order each.

    Args:
        tree: the image.
        source: the source.
        left: (k,) rows of the image.
        right: (k,) rows of the source.
    """
    mine, theirs, kind = tree.entries, source.entries, _types(tree, left)
    is_device = (kind == st.S_IFCHR) | (kind == st.S_IFBLK)
    columns: tuple[tuple[Rule, Bools], ...] = (
        (rules.MODE, (((mine.mode[left] ^ theirs.mode[right]) & _PERMISSIONS) != 0) & (kind != st.S_IFLNK)),
        (rules.OWNER, (mine.uid[left] != theirs.uid[right]) | (mine.gid[left] != theirs.gid[right])),
        (rules.SIZE, (mine.size[left] != theirs.size[right]) & (kind == st.S_IFREG)),
        (rules.MTIME, _times_differ(tree, source, left, right)),
        (rules.DEVICE, (mine.rdev[left] != theirs.rdev[right]) & is_device),
    )
    for rule, differs in columns:
        for row, other in zip(left[differs].tolist(), right[differs].tolist(), strict=True):
            yield _difference(rule, tree, row, source, other)
    yield from _texts(tree, source, left, right)
    yield from _links(tree, source, left[kind == st.S_IFREG], right[kind == st.S_IFREG])


def same_content_wanted(tree: ImageTree, source: ImageTree, left: Rows, right: Rows) -> Bools:
    """Tell which pairs of one kind are regular files whose content has to be compared: of one size, not empty.

    Returns: (k,) bool.
    """
    sizes = tree.entries.size[left]
    wanted: Bools = (_types(tree, left) == st.S_IFREG) & (sizes == source.entries.size[right]) & (sizes > 0)
    return wanted


def same_kind(tree: ImageTree, source: ImageTree, pairs: Pairs) -> tuple[Rows, Rows]:
    """Return the rows of the pairs that are of one kind."""
    same = _types(tree, pairs.left) == _types(source, pairs.right)
    return pairs.left[same], pairs.right[same]


def value_of(rule: Rule, tree: ImageTree, row: int) -> object:
    """Return the field that a rule is about, in a form that can be compared; None for rules about more than a field."""
    reader = _FIELDS.get(rule.code)
    return reader[1](tree, row) if reader else None


def _types(tree: ImageTree, rows: Rows) -> "np.ndarray[tuple[int], np.dtype[np.uint32]]":
    return tree.entries.mode[rows] & _TYPE


def _times_differ(tree: ImageTree, source: ImageTree, left: Rows, right: Rows) -> Bools:
    mine, theirs = tree.entries, source.entries
    seconds, other = mine.mtime[left], theirs.mtime[right]
    part, other_part = mine.mtime_nsec[left], theirs.mtime_nsec[right]
    is_rounded_up = (part == 0) & (other_part != 0) & (other < 0) & (seconds == other + 1)  # -1.5 s became -1 s
    differs: Bools = (seconds != other) & ~is_rounded_up
    differs |= (part != other_part) & (part != 0) & (other_part != 0)
    differs &= ~((left == 0) & (seconds == 0))
    return differs


def _texts(tree: ImageTree, source: ImageTree, left: Rows, right: Rows) -> Iterator[Difference]:
    """Yield differences of targets and extended attributes."""
    links = _types(tree, left) == st.S_IFLNK
    for row, other in zip(left[links].tolist(), right[links].tolist(), strict=True):
        if tree.target(row) != source.target(other):
            yield _difference(rules.TARGET, tree, row, source, other)
    has_some = (tree.entries.xattr_size[left] > 0) | (source.entries.xattr_size[right] > 0)
    for row, other in zip(left[has_some].tolist(), right[has_some].tolist(), strict=True):
        mine, theirs = _attributes(tree, row), _attributes(source, other)
        if mine != theirs:
            if mine is None or theirs is None:
                detail = f"xattrs: they cannot be read {'here' if mine is None else 'in the source'}"
            else:
                detail = _attribute_detail(dict(mine), dict(theirs))
            yield Difference(rule=rules.XATTR, row=row, source_row=other, detail=detail)


def _links(tree: ImageTree, source: ImageTree, left: Rows, right: Rows) -> Iterator[Difference]:
    """Yield the files whose first name, of those that both trees have, is not the same."""
    firsts = _first_names(tree.entries.link_row[left]), _first_names(source.entries.link_row[right])
    for index in (firsts[0] != firsts[1]).nonzero()[0].tolist():
        here, there = (
            "nothing before it" if first[index] == index else "/" + escape(tree.path(int(left[first[index]])))
            for first in firsts
        )
        detail = f"linked with {here}, in the source with {there}"
        yield Difference(rule=rules.LINKS, row=int(left[index]), source_row=int(right[index]), detail=detail)


def _first_names(inodes: Rows) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
    """Return the index of the first of equals for each."""
    _, first, back = np.unique(inodes, return_index=True, return_inverse=True)
    return first[back]


def _difference(rule: Rule, tree: ImageTree, row: int, source: ImageTree, other: int) -> Difference:
    name, reader, show = _FIELDS[rule.code]
    detail = f"{name}: {show(reader(tree, row))}, in the source {show(reader(source, other))}"
    return Difference(rule=rule, row=row, source_row=other, detail=detail)


def _attributes(tree: ImageTree, row: int) -> tuple[tuple[bytes, bytes], ...] | None:
    """Return the attributes that are compared, by name, of equal names the last; None if they are broken."""
    try:
        found = {one.name: one.value for one in tree.xattrs(row)}
    except MalformedImage:  # of an image that was read on in spite of its faults
        return None
    return tuple(sorted((name, value) for name, value in found.items() if _is_compared(name)))


def _is_compared(name: bytes) -> bool:
    return (name.startswith(_NAMESPACES) and not name.startswith(_OVERLAY)) or name in _ACLS


def _attribute_detail(mine: dict[bytes, bytes], theirs: dict[bytes, bytes]) -> str:
    """Say which attributes differ, and how."""
    parts = []
    for name in sorted(mine.keys() | theirs.keys()):
        here, there = mine.get(name), theirs.get(name)
        if here == there:
            continue
        values = ("none" if value is None else _show_value(value) for value in (here, there))
        parts.append("xattr {}: {}, in the source {}".format(escape(name), *values))
    shown = "; ".join(parts[:_ATTRIBUTES_SHOWN])
    return shown if len(parts) <= _ATTRIBUTES_SHOWN else f"{shown}; and {len(parts) - _ATTRIBUTES_SHOWN} more"


def _show_value(value: bytes) -> str:
    return f"0x{value[:24].hex()}" + (f"... ({len(value)} bytes)" if len(value) > 24 else "")


def _time(tree: ImageTree, row: int) -> tuple[int, int]:
    return int(tree.entries.mtime[row]), int(tree.entries.mtime_nsec[row])


def _show_time(value: tuple[int, int]) -> str:
    """Write a time in UTC, as `stat` does; those that no calendar has in seconds since 1970."""
    part = f".{value[1]:09d}" if value[1] else ""
    try:
        return f"{_EPOCH + timedelta(seconds=value[0]):%Y-%m-%d %H:%M:%S}{part} UTC"
    except OverflowError:
        return f"{value[0]}{part}"


_Reader = Callable[[ImageTree, int], object]
_Show = Callable[..., str]
_FIELDS: Final[dict[str, tuple[str, _Reader, _Show]]] = {
    rules.TYPE.code: ("type", lambda tree, row: tree.kind(row), str),
    rules.MODE.code: ("mode", lambda tree, row: int(tree.entries.mode[row]) & 0o7777, lambda value: f"{value:04o}"),
    rules.OWNER.code: (
        "owner",
        lambda tree, row: (int(tree.entries.uid[row]), int(tree.entries.gid[row])),
        lambda value: f"{value[0]}:{value[1]}",
    ),
    rules.SIZE.code: ("size", lambda tree, row: int(tree.entries.size[row]), lambda value: f"{value} bytes"),
    rules.MTIME.code: ("mtime", _time, _show_time),
    rules.XATTR.code: ("xattrs", _attributes, str),
    rules.TARGET.code: ("target", lambda tree, row: tree.target(row), lambda value: f"'{escape(value[:200])}'"),
    rules.DEVICE.code: (
        "device",
        lambda tree, row: device_of(int(tree.entries.rdev[row])),
        lambda value: f"{value[0]}:{value[1]}",
    ),
}
