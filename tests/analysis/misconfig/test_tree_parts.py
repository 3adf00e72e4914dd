"""What checks ask of trees, against the plain way of asking."""

import re
import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.analysis.misconfig.support import Spec, capability, tree_of
from tests.image.small_trees import flat, nested, synthetic
from tests.image.small_trees import tree_of as plain_tree

from rafsight.analysis.misconfig import capabilities, texts
from rafsight.analysis.misconfig.capabilities import read_capabilities
from rafsight.analysis.misconfig.name_index import NameIndex
from rafsight.analysis.misconfig.privileged import expected_by
from rafsight.analysis.misconfig.tree_facts import TreeFacts
from rafsight.formats.tables import MalformedImage
from rafsight.image.tree import ImageTree
from rafsight.testing.trees import Link


@given(nested, some.sampled_from([b"a", b"ab", b"a*", b"*b", b"*", b"a.b", b"long name*", b"*s", b"l*g*s", b"none"]))
def test_names_are_found_by_globs(files, glob):
    tree = plain_tree(flat(files))
    pattern = re.compile(b".*".join(map(re.escape, glob.split(b"*"))), re.DOTALL)
    expected = [row for row in range(len(tree)) if pattern.fullmatch(tree.name(row))]
    assert sorted(NameIndex(tree).rows(glob).tolist()) == expected


@given(nested, some.integers(1, 50))
def test_joined_texts(files, block):
    tree = plain_tree(flat(files))
    entries = tree.entries
    old, texts.BLOCK = texts.BLOCK, block
    try:
        blocks = list(texts.joined_texts(tree, entries.name_offset, entries.name_size))
    finally:
        texts.BLOCK = old
    names = [tree.name(row) for row in range(len(tree))]
    joined = b"".join(block.octets.tobytes()[:-1] for block in blocks)
    assert joined == b"".join(b"/" + name for name in names)
    for one in blocks:
        assert one.octets[-1] == ord("/")
        for place, byte in enumerate(one.octets.tobytes()[:-1]):
            owner = int(one.owners(np.array([place]))[0])
            assert byte == ord("/") or byte in names[owner]


@given(nested)
def test_below_and_sizes(files):
    tree = plain_tree(flat(files))
    facts = TreeFacts(tree)
    folder = facts.folder(b"a")
    below = {row for row in range(len(tree)) if row != folder and (b"/" + tree.path(row)).startswith(b"/a/")}
    expected = below if folder is not None and not tree.is_symlink(tree.child(0, b"a")) else None
    if expected is not None:
        assert set(np.flatnonzero(facts.below((b"a",))).tolist()) == expected
    total = sum(int(tree.entries.size[row]) for row in range(len(tree)) if tree.is_file(row))
    assert int(facts.content_sizes[0]) == total
    order = facts.in_walk_order(np.arange(len(tree))).tolist()
    assert order == list(tree.walk())


def test_links_lead_to_folders():
    facts = tree_of(Spec(files={"bin": Link(b"usr/bin"), "usr/bin/x": b"", "usr/lib/y": b"", "srv/z": b""}))
    paths = {facts.tree.path(row) for row in np.flatnonzero(facts.is_system).tolist()}
    assert paths == {b"usr/bin", b"usr/bin/x", b"usr/lib", b"usr/lib/y"}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/usr/bin", ""),
        ("/open/x", "/open can be written by everybody"),
        ("/open", "/open can be written by everybody"),
        ("/tmp/gone/x", "anybody can make it in /tmp"),
        ("/tmp/own/x", ""),
        ("/gone", ""),
        ("/link", "/open can be written by everybody"),
        ("/usr/bin/file", "/usr/bin/file can be written by everybody"),
        ("", ""),
    ],
)
def test_who_may_write_somewhere(path, said):
    facts = tree_of(
        Spec(
            files={"usr/bin/file": b"", "open/x": b"", "tmp/own/x": b"", "link": Link(b"/open")},
            modes={"open": 0o777, "tmp": 0o1777, "usr/bin/file": 0o777},
        )
    )
    assert facts.open_folder(path) == said


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (capability(10), (("net_bind_service",), True)),
        (capability(10, 21, effective=False), (("net_bind_service", "sys_admin"), False)),
        (struct.pack("<III", 0x01000001, 1 << 7, 0), (("setuid",), True)),
        (struct.pack("<IIIIII", 0x03000000, 0, 1, 1 << 8, 0, 1000), (("chown", "checkpoint_restore"), False)),
        (struct.pack("<IIIII", 0x02000000, 0, 0, 1 << 20, 0), (("unknown",), False)),
        (b"", None),
        (b"\0\0\0\2", None),
        (b"\0\0\0\4" + bytes(16), None),
    ],
)
def test_capabilities(value, expected):
    assert read_capabilities(value) == expected


@given(some.binary(max_size=30))
def test_any_attribute_is_read_or_refused(value):
    read_capabilities(value)


def test_of_many_entries_with_attributes_only_those_of_the_name_are_decoded(monkeypatch):
    spec = Spec(
        files={f"x{n}": b"" for n in range(6)},
        xattrs={f"x{n}": {(b"security.capability" if n == 3 else b"user.note"): capability(21)} for n in range(6)},
    )
    facts = tree_of(spec)
    decoded = []
    inner = facts.tree.tables.read_xattrs
    facts = TreeFacts(
        ImageTree(replace(facts.tree.tables, read_xattrs=lambda area: decoded.append(bytes(area)) or inner(area)))
    )
    monkeypatch.setattr(capabilities, "_FEW", 2)
    assert [facts.tree.path(one.row) for one in facts.capabilities.files] == [b"x3"]
    assert len(decoded) == 1


def test_attributes_that_cannot_be_read_are_said():
    def refuse(area):
        raise MalformedImage(where="xattrs", what="broken", offset=0)

    facts = tree_of(Spec(files={"x": b""}, xattrs={"x": {b"user.a": b""}}))
    facts = TreeFacts(ImageTree(replace(facts.tree.tables, read_xattrs=refuse)))
    assert (facts.capabilities.files, len(facts.capabilities.unread)) == ((), 1)


@pytest.mark.parametrize(
    ("path", "bits", "expected"),
    [
        (b"usr/bin/passwd", "u", True),
        (b"bin/su", "u", True),
        (b"usr/lib/openssh/ssh-keysign", "u", True),
        (b"usr/libexec/openssh/ssh-keysign", "g", True),
        (b"usr/lib/dbus-1.0/dbus-daemon-launch-helper", "u", True),
        (b"usr/libexec/utempter/utempter", "g", True),
        (b"usr/lib/x86_64-linux-gnu/utempter/utempter", "g", True),
        (b"usr/lib/x86_64-linux-gnu/gstreamer1.0/gstreamer-1.0/gst-ptp-helper", "c", True),
        (b"usr/bin/passwd", "ug", False),
        (b"srv/passwd", "u", False),
        (b"usr/local/bin/su", "u", False),
        (b"usr/bin/passwd2", "u", False),
        (b"usr/bin/\xff", "u", False),
    ],
)
def test_what_distributions_bring(path, bits, expected):
    assert expected_by(tree_of(Spec()))(path, bits) is expected


def test_where_dpkg_has_lists_the_package_has_to_be_there():
    expected = expected_by(tree_of(Spec(files={"var/lib/dpkg/info/passwd:amd64.list": b""})))
    assert expected(b"usr/bin/passwd", "u")
    assert not expected(b"usr/bin/sudo", "u")


def test_a_large_tree_takes_few_steps_of_python():
    import sys

    facts = TreeFacts(synthetic(20_000))
    from tests.analysis.misconfig.support import TODAY

    from rafsight.analysis.misconfig.checks import leftovers, names, writing
    from rafsight.analysis.misconfig.subject import Subject

    subject = Subject(tree=facts, today=TODAY)
    calls = 0

    def count(frame, event, arg):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        for check in (*leftovers.CHECKS, *names.CHECKS, *writing.CHECKS):
            check.find(subject)
    finally:
        sys.setprofile(None)
    assert calls < len(facts.tree) // 2
