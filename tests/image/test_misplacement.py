"""The model of the peer's mistake with directories that archives do not name, against a literal one."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.access.source_images import Entry, folder, tar_of

from rafsight.formats.tables import MalformedImage
from rafsight.formats.tar import read_members
from rafsight.image.misplacement import Misplacer
from rafsight.image.overlay import LayerMerger, LayerSource
from rafsight.image.source_history import PathRoom
from rafsight.image.tree import ImageTree

SOURCE = LayerSource(digest="sha256:" + "0" * 64)


def model(entries, room=None):
    misplacer, merger = Misplacer(room), LayerMerger()
    misplacer.begin_layer()
    merger.begin_layer(SOURCE)
    for member in read_members(iter([tar_of(entries)]), where="layer"):
        for placed in misplacer.place(member):
            merger.add(placed)
    return ImageTree(merger.finish().tables), misplacer


def listed(tree):
    return {tree.path(row): (tree.kind(row), int(tree.entries.mtime[row])) for row in tree.walk()}


class Node:
    """A tree as the peer holds it: children in the order of their names, and one more directory made on the way."""

    def __init__(self, name, kind, mtime):
        self.name, self.kind, self.mtime, self.children = name, kind, mtime, []

    def find(self, name):
        return next((child for child in self.children if child.name == name), None)

    def insert(self, node):
        self.children.append(node)
        self.children.sort(key=lambda child: child.name)


def literal(entries):
    """Do what the peer does, with its own kind of tree."""
    root = Node(b"", "directory", 0)
    for entry in entries:
        node, parts = root, entry.path.split(b"/")
        kind = "directory" if entry.mode & 0o040000 else "file"
        for depth, name in enumerate(parts):
            found, is_last = node.find(name), depth == len(parts) - 1
            if found is not None and is_last:
                found.kind, found.mtime = kind, entry.mtime[0]
            elif found is not None:
                node = found
            elif is_last:
                node.insert(Node(name, kind, entry.mtime[0]))
            else:
                node.insert(Node(name, "directory", 0))
                node = node.children[-1]
    result, waiting = {}, [(b"", root)]
    while waiting:
        path, node = waiting.pop()
        result[path] = (node.kind, node.mtime)
        if node.kind == "directory":
            waiting += [((path + b"/" if path else b"") + child.name, child) for child in node.children]
    return result


NAMES = st.sampled_from([b"a", b"b", b"c", b"z"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)


@settings(deadline=None, max_examples=150)
@given(paths=st.lists(st.tuples(PATHS, st.booleans()), max_size=12, unique_by=lambda pair: pair[0]))
def test_the_model_places_entries_as_a_literal_peer_does(paths):
    files = {path for path, is_directory in paths if not is_directory}
    sane = [  # nothing below a file
        (path, is_directory) for path, is_directory in paths if not any(path.startswith(file + b"/") for file in files)
    ]
    entries = [
        replace(folder(path) if is_directory else Entry(path), mtime=(number + 1, 0))
        for number, (path, is_directory) in enumerate(sane)
    ]
    tree, _ = model(entries)
    if not _is_overwritten(entries):
        assert listed(tree) == literal(entries)


def _is_overwritten(entries):
    """Tell whether a file came to lie over a directory, or the reverse: what is below then is nobody's to say."""
    kinds = {}
    for count in range(len(entries) + 1):
        for path, (kind, _) in literal(entries[:count]).items():
            if kinds.setdefault(path, kind) != kind:
                return True
    return False


@settings(deadline=None, max_examples=50)
@given(paths=st.lists(PATHS, max_size=8, unique=True))
def test_archives_with_all_entries_are_left_as_they_are(paths):
    above = {b"/".join(path.split(b"/")[:depth]) for path in paths for depth in range(1, path.count(b"/") + 1)}
    entries = [folder(path) for path in sorted(above)] + [Entry(path) for path in sorted(set(paths) - above)]
    misplacer = Misplacer()
    misplacer.begin_layer()
    for member in read_members(iter([tar_of(entries)]), where="layer"):
        assert list(misplacer.place(member)) == [member]
    assert [misplacer.implied, misplacer.detours, misplacer.by_place, misplacer.by_path] == [set(), [], {}, {}]


def test_what_is_remembered_of_a_detour():
    entries = [folder(b"srv"), Entry(b"etc/ssl/one"), Entry(b"etc/ssl/two"), folder(b"etc")]
    tree, misplacer = model(entries)
    assert sorted(listed(tree)) == [b"", b"etc", b"etc/ssl", b"etc/ssl/two", b"srv", b"srv/ssl", b"srv/ssl/one"]
    [detour] = misplacer.detours
    assert (detour.directory, detour.landing, detour.is_lost, detour.count) == (b"etc", b"srv", False, 2)
    assert detour.examples == [b"etc/ssl", b"etc/ssl/one"]
    assert misplacer.by_place == {b"srv/ssl": (0, b"etc/ssl"), b"srv/ssl/one": (0, b"etc/ssl/one")}
    assert misplacer.implied == {(0, b"srv/ssl"), (0, b"etc/ssl")}  # `etc` got an entry in the end


def test_paths_that_would_fill_the_memory_are_refused():
    deep = [Entry(b"/".join([b"x%d" % number] + [b"d"] * 500)) for number in range(20)]
    with pytest.raises(MalformedImage, match="more and deeper paths"):
        model(deep, PathRoom(1_000_000))
    model(deep)
