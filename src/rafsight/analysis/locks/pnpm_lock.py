"""pnpm's lock file, of all versions, as it lies in a project (`pnpm-lock.yaml`) and in what was installed.

This module alone decides how the keys of `packages` are read: `/NAME/VERSION_PEERS` (until 5), `/NAME@VERSION(PEERS)`
(6), `NAME@VERSION(PEERS)` (9).
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.locks.locked import LOCK_SIZE, locked
from rafsight.analysis.locks.yarn_lock import split_spec
from rafsight.analysis.yaml_text import map_in, read_documents, text_at
from rafsight.image.selection import Wants

_LOCAL: Final = ("file:", "link:", "workspace:")


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file; newer ones may hold several documents.

    Raises: MalformedFile.
    """
    for document in read_documents(file.content):
        old = text_at(document, "lockfileVersion").startswith(("1", "2", "3", "4", "5"))
        for key, entry in map_in(document, "packages").items():
            name, version = _split_old(key) if old else _split(key)
            name, version = text_at(entry, "name") or name, text_at(entry, "version") or version
            if not key.startswith(_LOCAL) and not version.startswith(_LOCAL):
                yield locked(Ecosystem.NPM, name, "" if "://" in version else version)


def _split_old(key: str) -> tuple[str, str]:
    """Take `[REGISTRY]/[@SCOPE/]NAME/VERSION[_PEERS]` apart."""
    parts = key.split("/", 4)[1:]
    count = 2 if parts and parts[0].startswith("@") else 1
    return "/".join(parts[:count]), parts[count].partition("_")[0] if len(parts) > count else ""


def _split(key: str) -> tuple[str, str]:
    """Take `[/][@SCOPE/]NAME@VERSION[(PEERS)]` apart."""
    return split_spec(key.partition("(")[0].removeprefix("/"))


PNPM_LOCK: Final = Extractor(
    name="locks/pnpm-lock",
    version=1,
    wants=Wants(patterns=(b"**/pnpm-lock.yaml", b"**/node_modules/.pnpm/lock.yaml"), max_size=LOCK_SIZE),
    extract=read_lock,
    declared=True,
)
