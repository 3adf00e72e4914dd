import random

from tests.hunt.index.trees import NAMES, random_files

from rafsight.hunt.globs import parse_path_glob
from rafsight.hunt.index.walk import Walk
from rafsight.image.tree import ImageTree
from rafsight.testing.trees import build_image


def test_a_path_alone_is_named_as_in_a_tree():
    chance = random.Random(2)
    parts = [b"*", b"**", b"**", b"x*", b"?", b"[ab]", *NAMES]
    for _ in range(150):
        tree = ImageTree(build_image(random_files(chance, 25)).tables)
        glob = parse_path_glob(
            b"/".join(chance.choices(parts[:6], k=1) + chance.choices(parts, k=chance.randint(0, 3)))
        )
        walk = Walk(glob)
        paths = tree.paths()
        named = {row for row in range(1, len(tree)) if walk.names(b"", *_split(paths[row]))}
        assert named == set(glob.select(tree).tolist()), glob.text


def test_only_below_the_folder():
    walk = Walk(parse_path_glob(b"usr/**/x"))
    assert walk.names(b"opt/usr", b"opt/usr/a/b", b"x")
    assert walk.names(b"opt/usr", b"opt/usr", b"x")
    assert not walk.names(b"opt/usr", b"opt/usr2", b"x")
    assert not walk.names(b"opt/usr", b"opt", b"x")


def _split(path: bytes) -> tuple[bytes, bytes]:
    directory, _, name = path.rpartition(b"/")
    return directory, name
