from dataclasses import replace

import numpy as np
import pytest

from rafsight.formats.tables import Xattr
from rafsight.hunt.files import describe_file, make_file_asker
from rafsight.hunt.question import FileQuestion, parse_mode, parse_size_range
from rafsight.image.tree import ImageTree
from rafsight.testing.trees import Link, build_image

FILES = {
    b"bin/su": b"x" * 100,
    b"bin/ping": b"x" * 200,
    b"bin/ls": b"x" * 300,
    b"bin/link": Link(b"ls"),
    b"tmp": None,
}
MODES = {b"bin/su": 0o104755, b"bin/ping": 0o100755, b"bin/ls": 0o102755, b"tmp": 0o041777}


@pytest.fixture(scope="module")
def tree() -> ImageTree:
    """`ping` has a capability, `su` and `ls` have bits."""
    tables = build_image(FILES).tables
    plain = ImageTree(tables)
    mode, xattr_size = tables.entries.mode.copy(), np.zeros(len(plain), dtype=np.int32)
    for path, bits in MODES.items():
        mode[plain.lookup(path)] = bits
    xattr_size[plain.lookup(b"bin/ping")] = 1
    return ImageTree(
        replace(
            tables,
            entries=replace(tables.entries, mode=mode, xattr_size=xattr_size),
            read_xattrs=lambda area: (Xattr(name=b"security.capability", value=bytes(area)),),
        )
    )


@pytest.mark.parametrize(
    ("question", "paths"),
    [
        (FileQuestion(mode=parse_mode("-4000")), [b"bin/su"]),
        (FileQuestion(mode=parse_mode("/6000")), [b"bin/ls", b"bin/su"]),
        (FileQuestion(mode=parse_mode("-6000")), []),
        (FileQuestion(mode=parse_mode("1777")), [b"tmp"]),
        (FileQuestion(mode=parse_mode("/6000"), paths=(b"/bin/s*",)), [b"bin/su"]),
        (FileQuestion(size=parse_size_range("200..250"), kinds=("file",)), [b"bin/ping"]),
        (FileQuestion(size=parse_size_range("100"), kinds=("file",)), [b"bin/su"]),
        (FileQuestion(names=(b"l*",)), [b"bin/link", b"bin/ls"]),
        (FileQuestion(names=(b"l*", b"su"), kinds=("file",)), [b"bin/ls", b"bin/su"]),
        (FileQuestion(kinds=("symlink",)), [b"bin/link"]),
        (FileQuestion(xattr=b"security.*"), [b"bin/ping"]),
        (FileQuestion(xattr=b"user.*"), []),
        (FileQuestion(names=(b"l*",), content="x"), [b"bin/ls"]),  # what has content is a regular file
        (FileQuestion(paths=(b"/bin/ls", b"**/ls"), names=(b"ls",)), [b"bin/ls"]),
    ],
)
def test_conditions_hold_together(tree, question, paths):
    rows = make_file_asker(question).select(tree)
    assert sorted(tree.path(row) for row in rows.tolist()) == paths


def test_a_match_says_what_stat_says(tree):
    link = describe_file(tree, tree.lookup(b"bin/link", follow=False))
    assert (link.path, link.kind, link.target, link.evidence) == (b"bin/link", "symlink", b"ls", ())
    su = describe_file(tree, tree.lookup(b"bin/su"))
    assert (su.mode, su.size, su.target) == (0o104755, 100, None)


def test_what_a_stream_keeps():
    asker = make_file_asker(FileQuestion(paths=(b"/opt/**/*.jar",), content="x", size=parse_size_range("10..20")))
    assert asker.keep(b"opt/a/x.jar", 15)
    assert not asker.keep(b"opt/a/x.jar", 25)
    assert not asker.keep(b"opt/a/x.war", 15)
    assert not make_file_asker(FileQuestion(content="x", max_size=10)).keep(b"a", 11)
