"""npm's lock files: `package-lock.json` and `npm-shrinkwrap.json`, of all versions.

This module alone decides which entries are packages: not the project itself, not links to folders of it. A newer file
has `packages` by path, an older one `dependencies` inside each other; one with both says the same twice.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.json_text import decode_json, decode_part, text_in
from rafsight.analysis.locks.locked import LOCK_SIZE, locked
from rafsight.image.selection import Wants

_MODULES: Final = "node_modules/"
_ALIAS: Final = "npm:"
_DEPTH: Final = 32
"""Dependencies inside others; each level is looked at again for the next one."""


class _Lock(msgspec.Struct):
    packages: dict[str, msgspec.Raw] | None = None
    dependencies: msgspec.Raw = msgspec.Raw(b"null")


class _Package(msgspec.Struct):
    name: object = None
    version: object = None
    link: object = None


class _Dependency(msgspec.Struct):
    version: object = None
    dependencies: msgspec.Raw = msgspec.Raw(b"null")


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file.

    Raises: MalformedFile.
    """
    lock = decode_json(file.content, _Lock)
    if lock.packages is not None:
        yield from _packages(lock.packages)
    else:
        yield from _dependencies(lock.dependencies)


def _packages(packages: dict[str, msgspec.Raw]) -> Iterator[Found]:
    for path, raw in packages.items():
        package = decode_part(raw, _Package)
        if package is None or _MODULES not in path or package.link is True:
            continue
        yield locked(Ecosystem.NPM, text_in(package.name) or path.rpartition(_MODULES)[2], package.version)


def _dependencies(raw: msgspec.Raw) -> Iterator[Found]:
    """Walk dependencies inside each other, without recursion."""
    waiting = [(raw, 1)]
    while waiting:
        part, depth = waiting.pop()
        for name, entry in (decode_part(part, dict[str, msgspec.Raw]) or {}).items():
            dependency = decode_part(entry, _Dependency)
            if dependency is None:
                continue
            version = text_in(dependency.version)
            if version.startswith(_ALIAS):
                real, _, version = version.removeprefix(_ALIAS).rpartition("@")
                yield locked(Ecosystem.NPM, real, version)
            elif not version.startswith(("file:", "link:")):
                yield locked(Ecosystem.NPM, name, version)
            if depth == _DEPTH:
                raise MalformedFile(what=f"more than {_DEPTH} levels of dependencies", where="dependencies")
            waiting.append((dependency.dependencies, depth + 1))


NPM_LOCK: Final = Extractor(
    name="locks/npm-lock",
    version=1,
    wants=Wants(patterns=(b"**/package-lock.json", b"**/npm-shrinkwrap.json"), max_size=LOCK_SIZE),
    extract=read_lock,
    declared=True,
)
