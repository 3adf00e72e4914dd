"""Random small trees that differ in what indexes have to tell apart."""

import random
from collections.abc import Mapping

from rafsight.testing.trees import Link

NAMES = (b"a", b"b", b"lib", b"lib64", b"x.so", b"x.so.1", b"\xffraw", "é".encode(), b"with space", b"new\nline")
TARGETS = (b"a", b"/lib", b"../b", b"lib64/..", b"nowhere", b"/", b"./a//b", b"lib", b"\xffraw", b"../../../a")


def random_files(chance: random.Random, count: int) -> dict[bytes, bytes | Link | None]:
    """Make a tree: names from a few, so that trees share paths that are files here, folders or links there."""
    files: dict[bytes, bytes | Link | None] = {}
    for _ in range(count):
        path = b"/".join(chance.choices(NAMES, k=chance.randint(1, 4)))
        above = [path[:end] for end, letter in enumerate(path) if letter == ord("/")]
        if any(files.get(one) is not None for one in above) or path in files:
            continue
        if any(other.startswith(path + b"/") for other in files):
            continue
        kind = chance.random()
        files[path] = (
            Link(chance.choice(TARGETS))
            if kind < 0.3
            else None
            if kind < 0.4
            else chance.randbytes(chance.choice((0, 1, 7, 5000)))
        )
    return files


def variant(chance: random.Random, files: Mapping[bytes, bytes | Link | None]) -> dict[bytes, bytes | Link | None]:
    """Change a file or two."""
    changed = dict(files)
    for path in chance.sample(sorted(changed), k=min(2, len(changed))):
        if isinstance(changed[path], bytes):
            changed[path] = chance.randbytes(3)
        elif chance.random() < 0.5 and isinstance(changed[path], Link):
            changed[path] = Link(chance.choice(TARGETS))
    changed[b"own-%d" % chance.randrange(3)] = b""
    return changed
