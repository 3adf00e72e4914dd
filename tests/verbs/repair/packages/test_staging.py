"""The state of an image while packages are replaced."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.formats.made_tables import Node, directory, symlink
from tests.image.edits import Model
from tests.verbs.repair.packages.support import applied, image_of

from rafsight.base.errors import Defect
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Changes, Put
from rafsight.verbs.repair.packages.exchange import Owner, exchange, make_folders
from rafsight.verbs.repair.packages.faults import InTheWay, MalformedPackageDatabase
from rafsight.verbs.repair.packages.places import held
from rafsight.verbs.repair.packages.staging import Staged

FILES = {
    b"bin": symlink(b"usr/bin"),
    b"usr/bin/sh": b"sh",
    b"usr/lib/x/y": b"y",
    b"loop": symlink(b"/loop"),
    b"gone": symlink(b"usr/nowhere/x"),
    b"up": symlink(b"../../usr/lib"),
}


def put(path, content=b"new", **more):
    return Put(path=path, kind=MemberKind.FILE, content=held(content), **more)


def test_paths_are_resolved_as_in_the_container():
    staged = Staged(image_of(FILES))
    for path, canonical in {
        b"bin/sh": b"usr/bin/sh",
        b"/bin/new/er": b"usr/bin/new/er",
        b"bin": b"bin",
        b"up/x/../z": b"usr/lib/z",
        b"../../etc/x": b"etc/x",
        b"gone/a": b"usr/nowhere/x/a",
        b"a/b/../../../c": b"c",
        b"": b"",
    }.items():
        assert staged.resolve(path) == canonical, path
    assert staged.find(b"loop") is None
    assert staged.find(b"bin/sh").path == b"usr/bin/sh"
    assert staged.find(b"bin", follow=False).kind is MemberKind.SYMLINK
    assert staged.exact(b"bin/sh") is None


def test_later_steps_see_earlier_ones():
    staged = Staged(image_of(FILES))
    staged.remove(b"usr/lib/x/y")
    staged.remove(b"usr/lib/x")
    staged.put(Put(path=b"usr/lib/x", kind=MemberKind.SYMLINK, target=b"/opt"))
    staged.put(Put(path=b"opt", kind=MemberKind.DIRECTORY))
    staged.put(put(b"opt/z", b"zz"))
    assert staged.find(b"usr/lib/x/z").path == b"opt/z"
    assert staged.read(staged.find(b"usr/lib/x/z"), 10) == b"zz"
    assert staged.names(staged.exact(b"usr/lib")) == [b"x"]
    assert [place.path for place in staged.walk(staged.exact(b"opt"))] == [b"opt/z"]
    assert staged.files(b"**/opt/*") == [b"opt/z"]
    assert staged.files(b"**/x/y") == []
    staged.take_changes()
    staged.remove(b"opt/z")
    assert staged.take_changes() == Changes(removed=(b"opt/z",))
    whole = staged.all_changes()
    assert [one.path for one in whole.puts] == [b"usr/lib/x", b"opt"]
    assert whole.removed == (b"usr/lib/x/y",)


def test_folders_that_are_not_empty_stay():
    staged = Staged(image_of(FILES))
    with pytest.raises(Defect):
        staged.remove(b"usr/lib")
    with pytest.raises(InTheWay, match="/usr/lib"):
        staged.put(put(b"usr/lib"))
    with pytest.raises(InTheWay, match="/usr/bin/sh"):
        staged.put(put(b"usr/bin/sh/x"))
    with pytest.raises(InTheWay):
        staged.put(Put(path=b"a", kind=MemberKind.HARDLINK, target=b"absent"))


def test_large_files_are_not_read():
    staged = Staged(image_of(FILES))
    with pytest.raises(MalformedPackageDatabase, match="/usr/bin/sh"):
        staged.read(staged.find(b"bin/sh"), 1)


def test_small_files_are_read_once():
    image = image_of(FILES)
    staged = Staged(image)
    assert [staged.read(staged.find(b"bin/sh"), 10) for _ in range(3)] == [b"sh"] * 3
    assert image.reads == [b"usr/bin/sh"]


def test_names_of_one_inode_part():
    files = {
        b"a/one": Node(content=b"x", mtime=(5, 6), xattrs={b"user.k": b"v"}, uid=3),
        b"a/two/z": Node(same_as=b"a/one"),
    }
    image = image_of(files)
    staged = Staged(image)
    staged.put(put(b"a/one"))
    staged.put(put(b"a/one", b"again"))
    staged.put(Put(path=b"a/three", kind=MemberKind.HARDLINK, target=b"a/one"))
    for changes in (staged.take_changes(), staged.all_changes()):
        _, things = applied(image, changes)
        assert things[b"a/one"].content == b"again"
        assert things[b"a/one"] is things[b"a/three"]
        assert (things[b"a/one"].uid, things[b"a/one"].mtime) == (3, 5 * 10**9 + 6)
        assert [one.name for one in things[b"a/one"].xattrs] == [b"user.k"]
        assert things[b"a/two/z"].content == b"x"


def test_an_exchange_keeps_what_stays():
    image = image_of(FILES | {b"usr/lib/x/deep/er/old": b"", b"usr/lib/x/empty": directory()})
    staged = Staged(image)
    exchange(
        staged,
        old=[b"usr/lib/x/y", b"usr/lib/x/deep/er/old"],
        puts=[put(b"usr/lib/x/y"), put(b"opt/a/b")],
        owner=Owner(uid=4, gid=5),
        stays=lambda path: path == b"usr/lib/x/deep",
        old_folders=[b"usr/lib/x/empty"],
    )
    _, things = applied(image, staged.take_changes())
    assert {b"usr/lib/x/y", b"usr/lib/x/deep", b"opt/a/b"} <= things.keys()
    assert not {b"usr/lib/x/deep/er", b"usr/lib/x/empty"} & things.keys()
    assert (things[b"opt/a"].uid, things[b"opt"].gid) == (4, 5)


PATHS = [b"a", b"b", b"a/a", b"a/b", b"b/a", b"a/a/a"]


@settings(max_examples=150)
@given(
    tree=some.dictionaries(some.sampled_from(PATHS), some.sampled_from([b"x", b"y", None]), max_size=5),
    steps=some.lists(
        some.tuples(some.sampled_from(PATHS), some.sampled_from(["remove", "file", "folder", "cut"])), max_size=12
    ),
)
def test_parts_and_the_whole_are_the_same_changes(tree, steps):
    """Whatever is done in whatever portions: one after the other, and all at once, they give what is staged."""
    nodes = {}
    for path, content in sorted(tree.items()):
        if all(tree.get(path[:end]) is None for end in (1, 3) if end < len(path)):
            nodes[path] = directory() if content is None else Node(content=content)
    image = image_of(nodes)
    staged, portions = Staged(image), []
    for path, step in steps:
        place = staged.exact(path)
        try:
            if step == "cut":
                portions.append(staged.take_changes())
            elif (
                step == "remove"
                and place is not None
                and not (place.kind is MemberKind.DIRECTORY and staged.names(place))
            ):
                staged.remove(path)
            elif step == "file":
                make_folders(staged, path, Owner())
                staged.put(put(path, b"%d" % len(portions)))
            elif step == "folder":
                make_folders(staged, path, Owner())
                staged.put(Put(path=path, kind=MemberKind.DIRECTORY))
        except InTheWay:
            continue
    portions.append(staged.take_changes())
    model = Model(image.tables, image.blobs)
    for portion in portions:
        model.apply(portion)
    _, things = applied(image, staged.all_changes())
    assert model.things == things
    there = {place.path: place.kind for place in staged.walk(staged.exact(b""))}
    kinds = {0o040000: MemberKind.DIRECTORY, 0o100000: MemberKind.FILE}
    assert there == {path: kinds[thing.kind] for path, thing in things.items() if path}
