"""Folders of installed Python distributions: which interpreter they belong to, and where its other files lie.

This module alone decides how a path is read. `PREFIX/lib/pythonX.Y/site-packages` says everything; Debian's
`PREFIX/lib/python3/dist-packages` leaves the version to the interpreter; any other folder is one that was filled with
`--target`, which puts scripts and data beside the packages.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rafsight.verbs.repair.packages.staging import Staged

_VERSIONED: Final = re.compile(
    rb"(?:(?P<prefix>.+)/)?lib(?:32|64)?/(?P<kind>python|pypy)(?P<major>[0-9]{1,2})\.(?P<minor>[0-9]{1,3})(?P<threads>t?)"
    rb"/(?:site|dist)-packages"
)
_COMMON: Final = re.compile(rb"(?:(?P<prefix>.+)/)?lib/python3/dist-packages")
_LIBRARY: Final = re.compile(rb"python3\.([0-9]{1,3})")
_SITES: Final = frozenset({b"site-packages", b"dist-packages"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One folder of installed distributions."""

    path: bytes
    """Canonical."""
    prefix: bytes
    """Where `bin` lies."""
    version: tuple[int, int] | None
    """Of the interpreter, None if nothing says it."""
    interpreter: str = "cp"
    """As tags have it: `cp` or `pp`."""
    threads: str = ""
    """`t` for an interpreter without the global lock."""
    is_target: bool = False
    """True for a folder that no interpreter knows by itself."""


def site_of(staged: Staged, path: bytes) -> Site:
    """Read a folder's path.

    Args:
        staged: the image.
        path: canonical.
    """
    found = site_by_path(path)
    if found is not None:
        return found
    common = _COMMON.fullmatch(path)
    if common is not None:
        prefix = common["prefix"] or b""
        return Site(path=path, prefix=prefix, version=_version_of(staged, prefix))
    return Site(path=path, prefix=path, version=None, is_target=True)


def site_by_path(path: bytes) -> Site | None:
    """Read a path that says everything by itself; None for others."""
    found = _VERSIONED.fullmatch(path)
    if found is None:
        return None
    return Site(
        path=path,
        prefix=found["prefix"] or b"",
        version=(int(found["major"]), int(found["minor"])),
        interpreter="pp" if found["kind"] == b"pypy" else "cp",
        threads=found["threads"].decode(),
    )


def is_vendored(folder: bytes) -> bool:
    """Tell whether a folder of distributions lies inside of another one's: a copy that some package brought along."""
    parts = folder.split(b"/")
    return parts[-1] not in _SITES and not _SITES.isdisjoint(parts[:-1])


def interpreter_of(staged: Staged, site: Site) -> bytes:
    """Return the path of the interpreter that scripts of a folder should name; empty if there is none."""
    names = [b"python3", b"python"]
    if site.version is not None:
        names.insert(0, b"python%d.%d%s" % (*site.version, site.threads.encode()))
    if site.interpreter == "pp":
        names.insert(0, b"pypy3")
    for name in names:
        path = _join(site.prefix, b"bin/" + name)
        if not site.is_target and staged.find(path) is not None:
            return b"/" + path
    return b""


def neighbours(staged: Staged, site: Site) -> Iterator[bytes]:
    """Yield the folders whose distributions an interpreter finds together with those of a folder."""
    yield site.path
    common = b"usr/lib/python3/dist-packages"
    if site.path.endswith(b"/dist-packages") and site.path != common and staged.find(common) is not None:
        yield staged.resolve(common)


def _version_of(staged: Staged, prefix: bytes) -> tuple[int, int] | None:
    """Find the version of the only interpreter: by what `python3` is a link to, else by its library."""
    link = staged.find(_join(prefix, b"bin/python3"))
    found = _LIBRARY.fullmatch(link.path.rpartition(b"/")[2]) if link is not None else None
    if found is not None:
        return 3, int(found[1])
    library = staged.find_folder(_join(prefix, b"lib"))
    if library is None:
        return None
    versions = {int(match[1]) for name in staged.names(library) if (match := _LIBRARY.fullmatch(name))}
    return (3, versions.pop()) if len(versions) == 1 else None


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name
