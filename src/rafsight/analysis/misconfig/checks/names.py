"""Checks of links and names: links that leave the tree or lead where they should not, names that deceive."""

import re
from typing import Final

import numpy as np

from rafsight.analysis.misconfig.check import SYMLINKS, Check, Spots
from rafsight.analysis.misconfig.subject import Subject
from rafsight.analysis.misconfig.texts import joined_texts
from rafsight.analysis.misconfig.tree_facts import TreeFacts
from rafsight.base.severity import Severity
from rafsight.base.text import printable
from rafsight.image.selection import RowArray

CATEGORY: Final = "names"
_SLASH, _DOT = 0x2F, 0x2E
_PROCESS: Final = re.compile(
    rb"/*proc/+(?:[0-9]{1,9}|self|thread-self)/+(?:\./+)*(?:root|cwd|exe|mem|map_files|ns|task)\b|/*proc/+(?:1|kcore|sysrq-trigger)\b"
)
_SOCKETS: Final = (b"docker.sock", b"containerd.sock", b"podman.sock", b"crio.sock", b"cri-dockerd.sock")
_LOOSE_FOLDERS: Final = (b"tmp/", b"var/tmp/", b"dev/shm/", b"run/lock/")
_PROC: Final = re.compile(rb"/proc/")
_LOOSE: Final = re.compile(rb"/(?:tmp|shm|lock)/")
_RUN_TIME: Final = re.compile(rb"/*(?:proc|sys|dev|run|var/run|tmp|var/tmp)(?:/|\Z)")
_BIDI: Final = ("\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069", "\u200e",
                "\u200f", "\u061c", "\u200b", "\u2060", "\ufeff", "\u3164", "\u115f", "\u1160", "\uffa0")  # fmt: skip
"""Characters that turn the direction of text, or that nobody sees."""
_MOST: Final = 100_000
"""Candidates that are looked at one by one."""


def escaping_links(subject: Subject) -> Spots:
    """Find relative links that climb above the root: a container stops there, a tool that unpacks may not."""
    tree = subject.tree
    rows = tree.links
    climbs = np.zeros(len(rows), dtype=np.int64)
    entries = tree.tree.entries
    for block in joined_texts(tree.tree, entries.target_offset[rows], entries.target_size[rows]):
        octets = block.octets
        is_dots = (octets[1:-2] == _DOT) & (octets[2:-1] == _DOT) & (octets[:-3] == _SLASH) & (octets[3:] == _SLASH)
        climbs += np.bincount(block.owners(np.flatnonzero(is_dots) + 1), minlength=len(rows))
    suspects = rows[climbs > tree.depth[rows] - 1][:_MOST]
    keep = [row for row in suspects.tolist() if _climbs_out(tree.tree.target(row), int(tree.depth[row]) - 1)]
    return _targets(tree, np.array(keep, dtype=np.int64))


def process_links(subject: Subject) -> Spots:
    """Find links into other processes, memory, and namespaces."""
    tree = subject.tree
    rows = _containing(tree, tree.links, _PROC)
    keep = [row for row in rows[~tree.is_pseudo[rows]].tolist() if _PROCESS.match(_absolute(tree, row))]
    return _targets(tree, np.array(keep, dtype=np.int64))


def engine_sockets(subject: Subject) -> Spots:
    """Find sockets of container engines, or files and links of their names in their places."""
    tree = subject.tree
    rows = tree.named(_SOCKETS, ~tree.is_directory)
    inside = tree.below((b"run", b"var/run"))[rows]
    kind = tree.mode[rows] & 0o170000
    links = _starting(tree, tree.links, (b"/var/run/docker.sock", b"/run/docker.sock", b"/run/containerd/"))
    return Spots(rows=np.union1d(rows[inside | (kind == 0o140000)], links), detail=tree.tree.kind)


def loose_links(subject: Subject) -> Spots:
    """Find programs, libraries and settings that are links into folders where everybody may write."""
    tree = subject.tree
    mask = tree.is_system | tree.below((b"etc",))
    rows = tree.links[mask[tree.links]]
    rows = _containing(tree, rows, _LOOSE)
    keep = [row for row in rows.tolist() if _absolute(tree, row).lstrip(b"/").startswith(_LOOSE_FOLDERS)]
    return _targets(tree, np.array(keep, dtype=np.int64))


def dangling_programs(subject: Subject) -> Spots:
    """Find commands that lead nowhere."""
    tree = subject.tree
    rows = []
    for path in (b"bin", b"sbin", b"usr/bin", b"usr/sbin", b"usr/local/bin", b"usr/local/sbin"):
        folder = tree.folder(path)
        for row in tree.tree.children(folder) if folder is not None else ():
            leads_somewhere = not tree.is_link[row] or tree.tree.find(tree.tree.path(row)) is not None
            if not leads_somewhere and not _RUN_TIME.match(tree.tree.target(row)):
                rows.append(row)
    return _targets(tree, np.unique(np.array(rows, dtype=np.int64)))


def deceiving_names(subject: Subject) -> Spots:
    """Find names with control characters, with characters that turn or hide text, or with blanks at an end."""
    tree = subject.tree
    entries = tree.tree.entries
    count = len(tree)
    odd = np.zeros(count, dtype=np.bool_)
    wide = np.zeros(count, dtype=np.bool_)
    for block in joined_texts(tree.tree, entries.name_offset, entries.name_size):
        octets = block.octets
        odd[block.owners(np.flatnonzero((octets < 0x20) | (octets == 0x7F)))] = True
        blank, edge = octets == 0x20, octets == _SLASH
        odd[block.owners(np.flatnonzero(blank[1:] & edge[:-1]) + 1)] = True
        odd[block.owners(np.flatnonzero(blank[:-1] & edge[1:]))] = True
        marks = (octets == 0xE2) | (octets == 0xD8) | (octets == 0xEF) | (octets == 0xE3) | (octets == 0xE1)
        wide[block.owners(np.flatnonzero(marks))] = True
        dots = (octets[:-1] == _DOT) & (octets[1:] == 0x5C)  # .\ as in ..\..\name
        odd[block.owners(np.flatnonzero(dots))] = True
    keep = [row for row in np.flatnonzero(wide & ~odd)[:_MOST].tolist() if _hides(tree.tree.name(row))]
    odd[keep] = True
    return Spots(rows=np.flatnonzero(odd), detail=lambda row: printable(tree.tree.name(row), 100))


def _hides(name: bytes) -> bool:
    text = name.decode("utf-8", "replace")
    return any(mark in text for mark in _BIDI)


def _targets(tree: TreeFacts, rows: RowArray) -> Spots:
    return Spots(rows=rows, detail=lambda row: f"leads to {printable(tree.tree.target(row), 200)}")


def _starting(tree: TreeFacts, rows: RowArray, starts: tuple[bytes, ...]) -> RowArray:
    """Return the links whose target begins with one of some texts."""
    entries, octets = tree.tree.entries, tree.tree.octets
    found = []
    for start in starts:
        left = rows[entries.target_size[rows] >= len(start)]
        for index, byte in enumerate(start):
            left = left[octets[entries.target_offset[left] + index] == byte]
        found.append(left)
    return np.unique(np.concatenate(found))[:_MOST]


def _containing(tree: TreeFacts, rows: RowArray, pattern: re.Pattern[bytes]) -> RowArray:
    """Return the links whose target, with a slash before and behind it, has a text."""
    entries = tree.tree.entries
    found = [
        block.owners(np.array([match.start() for match in pattern.finditer(block.octets.tobytes())], dtype=np.intp))
        for block in joined_texts(tree.tree, entries.target_offset[rows], entries.target_size[rows])
    ]
    return rows[np.unique(np.concatenate(found))][:_MOST] if found else rows


def _absolute(tree: TreeFacts, row: int) -> bytes:
    """Return where a link leads, as written, from the root."""
    target = tree.tree.target(row)
    if target.startswith(b"/"):
        return target
    parts = tree.tree.path(row).split(b"/")[:-1]
    for part in target.split(b"/"):
        if part == b"..":
            parts = parts[:-1]
        elif part not in {b"", b"."}:
            parts.append(part)
    return b"/" + b"/".join(parts)


def _climbs_out(target: bytes, depth: int) -> bool:
    if target.startswith(b"/"):
        depth = 0
    for part in target.split(b"/"):
        depth += -1 if part == b".." else part not in {b"", b"."}
        if depth < 0:
            return True
    return False


CHECKS: Final = (
    Check(
        id="RS-FS-050",
        title="Links that leave the tree",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="In a container such a link stops at the root; what unpacks an image may follow it to the host.",
        message="{count} link[|s] climb[s|] above the root",
        resolution="Make the link absolute, or shorten it.",
        references=(SYMLINKS, "https://cwe.mitre.org/data/definitions/59.html"),
        find=escaping_links,
    ),
    Check(
        id="RS-FS-051",
        title="Links into processes",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="Such a link leads into the root, the memory or the namespaces of another process: a way out.",
        message="{count} link[|s] lead[s|] into /proc of another process",
        resolution="Remove them, and look where they came from.",
        references=("https://man7.org/linux/man-pages/man5/proc.5.html",),
        find=process_links,
    ),
    Check(
        id="RS-FS-052",
        title="The socket of a container engine",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="The image expects the socket of the host's engine; whoever can write to it is root there.",
        message="{count} place[|s] [is|are] prepared for the socket of a container engine",
        resolution="Do not hand the socket to containers; see `docker context` and engines without root.",
        references=("https://docs.docker.com/engine/security/protect-access/",),
        find=engine_sockets,
    ),
    Check(
        id="RS-FS-053",
        title="Files of the system are links to where everybody may write",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="Everybody can put there what others then run or obey.",
        message="{count} link[|s] of the system lead[s|] into folders for temporary files",
        resolution="Put the file itself in its place.",
        references=(SYMLINKS, "https://cwe.mitre.org/data/definitions/59.html"),
        find=loose_links,
    ),
    Check(
        id="RS-FS-054",
        title="Commands that lead nowhere",
        severity=Severity.LOW,
        category=CATEGORY,
        description="Something was removed that is still asked for; who may write there can put his own in its place.",
        message="{count} command[|s] [is a link|are links] to nothing",
        resolution="Remove the link, or install what is missing.",
        references=(SYMLINKS,),
        find=dangling_programs,
    ),
    Check(
        id="RS-FS-055",
        title="Names that deceive",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="Control characters, turned text and blanks at an end make a name look like another one.",
        message="{count} name[|s] [has|have] characters that deceive readers or programs",
        resolution="Rename the files, and look where they came from.",
        references=("https://cwe.mitre.org/data/definitions/451.html",),
        find=deceiving_names,
    ),
)
