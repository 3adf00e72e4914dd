"""Python distributions that an image has: where they are, and which files are theirs.

This module alone decides what an installer left behind for us to go by: RECORD of a `.dist-info` folder, or
`installed-files.txt` of an `.egg-info` folder. What a package manager of the system installed has neither, or says so
in INSTALLER, and is not ours to replace.
"""

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from rafsight.base.units import KiB
from rafsight.formats.tar import MemberKind
from rafsight.matching.ecosystems import package_name
from rafsight.verbs.repair.packages.faults import MalformedPackageDatabase
from rafsight.verbs.repair.packages.places import Place
from rafsight.verbs.repair.packages.python_site import Site, is_vendored, site_of
from rafsight.verbs.repair.packages.staging import Staged
from rafsight.verbs.repair.packages.wheel_file import METADATA_SIZE, RECORD_SIZE, parse_metadata, parse_record

_HEADS: Final = (b"**/*.dist-info/METADATA", b"**/*.egg-info/PKG-INFO", b"**/EGG-INFO/PKG-INFO")
_SYSTEMS: Final = frozenset({"apk", "debian", "dpkg", "pacman", "portage", "rpm", "zypper"})
_SMALL: Final = 64 * KiB
_COMPILED: Final = re.compile(rb"(.+?)\.[a-z]+-?[0-9a-z]+(?:\.opt-[0-9a-z]+)?\.py[co]", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One installation of a distribution."""

    name: str
    version: str
    info: bytes
    """Canonical path of its `.dist-info` or `.egg-info`."""
    site: Site
    files: tuple[bytes, ...] = ()
    """Paths in the image, as RECORD places them; those of bytecode that is recorded nowhere are not among them."""
    installer: str = ""
    """The first word of INSTALLER."""
    requested: bool = False
    tags: tuple[str, ...] = ()
    """Of the wheel that it came from."""
    refusal: str = ""
    """Why it cannot be replaced; empty if it can."""


def find_installed(staged: Staged, key: str) -> list[Installed]:
    """Find all installations of a distribution.

    Args:
        staged: the image.
        key: the normalised name.
    Raises: MalformedPackageDatabase; RegistryFault, ImageFault.
    Cost: one pass over the names of the tree; the few files of each installation.
    """
    heads = [path for path in staged.files(*_HEADS) if _may_be(path, key)]
    heads += [path for path in staged.files(b"**/*.egg-info") if _may_be(path + b"/PKG-INFO", key)]
    places = [place for path in heads if (place := staged.exact(path)) is not None]
    found = []
    for place, content in staged.read_each(places, METADATA_SIZE):
        metadata = parse_metadata(content)
        if package_name("PyPI", metadata.name) == key and metadata.version:
            found.append(_installed(staged, place.path, metadata.name, metadata.version))
    return sorted(found, key=lambda one: one.info)


def own_entries(staged: Staged, installed: Installed) -> list[bytes]:
    """Return the canonical paths of all entries that are an installation's own and there, bytecode included."""
    found: dict[bytes, None] = {}
    modules: dict[bytes, set[bytes]] = {}
    for path in installed.files:
        folder, _, name = path.rpartition(b"/")
        parent = staged.find_folder(folder)
        if parent is None or name in (b"", b".", b".."):
            continue
        place = staged.find(_join(parent.path, name), follow=False)
        if place is not None and place.kind is not MemberKind.DIRECTORY:
            found[place.path] = None
        if name.endswith(b".py"):
            modules.setdefault(parent.path, set()).add(name.removesuffix(b".py"))
    for folder, stems in modules.items():
        found |= dict.fromkeys(_bytecode(staged, folder, stems))
    info = staged.exact(installed.info)
    if info is not None and info.kind is MemberKind.DIRECTORY:
        found |= {place.path: None for place in staged.walk(info) if place.kind is not MemberKind.DIRECTORY}
    elif info is not None:
        found[info.path] = None
    return list(found)


def distributions(staged: Staged, folders: Iterable[bytes]) -> dict[str, tuple[str, bytes]]:
    """Return version and info folder of the distributions in some folders by normalised name, as the names there say.

    Cost: no I/O.
    """
    found: dict[str, tuple[str, bytes]] = {}
    for folder in folders:
        place = staged.exact(folder)
        for name in staged.names(place) if place is not None and place.kind is MemberKind.DIRECTORY else ():
            stem, dot, kind = name.rpartition(b".")
            if dot and kind in (b"dist-info", b"egg-info"):
                distribution, _, version = stem.decode("utf-8", "replace").partition("-")
                version = version.partition("-py")[0] if kind == b"egg-info" else version
                found.setdefault(package_name("PyPI", distribution), (version, folder + b"/" + name))
    return found


def owned_by_others(staged: Staged, site: Site, key: str, paths: Collection[bytes]) -> set[bytes]:
    """Tell which of some canonical paths other distributions of a folder call their own, too.

    Raises: MalformedPackageDatabase; RegistryFault, ImageFault.
    Cost: one plan that reads all their RECORDs, if there are any paths.
    """
    wanted, names = set(paths), {path.rpartition(b"/")[2] for path in paths}
    others = [info for name, (_, info) in distributions(staged, [site.path]).items() if name != key and wanted]
    places = [place for info in others if (place := staged.exact(info + b"/RECORD")) is not None]
    found: set[bytes] = set()
    for place, content in staged.read_each(places, RECORD_SIZE):
        rows = (_placed(site, site.path, name) for name, _, _ in _rows(place, content))
        found |= {staged.resolve(path) for path in rows if path.rpartition(b"/")[2] in names} & wanted
    return found


def _may_be(head: bytes, key: str) -> bool:
    """Tell by the name of its folder whether a distribution may be the wanted one; what has no name of its own may."""
    folder = head.split(b"/")[-2] if b"/" in head else b""
    stem = folder.rpartition(b".")[0].decode("utf-8", "replace")
    return folder == b"EGG-INFO" or (package_name("PyPI", stem) + "-").startswith(key + "-")


def _installed(staged: Staged, head: bytes, name: str, version: str) -> Installed:
    info = head if head.endswith(b".egg-info") else head.rpartition(b"/")[0]
    folder = info.rpartition(b"/")[0]
    site = site_of(staged, folder)
    found = Installed(name=name, version=version, info=info, site=site, refusal="it is an egg")
    if is_vendored(folder):
        return replace(found, refusal="it is a copy that another package brought along")
    if info.endswith(b".dist-info"):
        return _of_dist_info(staged, found)
    listed = staged.exact(info + b"/installed-files.txt")
    if listed is None:
        return replace(found, refusal="nothing says which files are its own")
    names = staged.read(listed, RECORD_SIZE).decode("utf-8", "surrogateescape").splitlines()
    return replace(found, files=tuple(_placed(site, info, line) for line in names if line.strip()), refusal="")


def _of_dist_info(staged: Staged, found: Installed) -> Installed:
    wanted = [staged.exact(found.info + b"/" + name) for name in (b"INSTALLER", b"WHEEL")]
    small = {
        place.path.rpartition(b"/")[2]: content
        for place, content in staged.read_each([place for place in wanted if place is not None], _SMALL)
    }
    installer = small.get(b"INSTALLER", b"").decode("utf-8", "replace").strip()[:80]
    record = staged.exact(found.info + b"/RECORD")
    found = replace(
        found,
        installer=installer,
        requested=staged.exact(found.info + b"/REQUESTED") is not None,
        tags=tuple(
            line.partition(":")[2].strip()
            for line in small.get(b"WHEEL", b"").decode("utf-8", "replace").splitlines()
            if line.lower().startswith("tag:")
        ),
        refusal="",
    )
    if installer.lower() in _SYSTEMS:
        return replace(found, refusal=f"{installer} installed it as a package of the system")
    if record is None:
        return replace(found, refusal="it has no RECORD, as packages of the system have none")
    rows = _rows(record, staged.read(record, RECORD_SIZE))
    return replace(found, files=tuple(_placed(found.site, found.site.path, name) for name, _, _ in rows))


def _rows(place: Place, content: bytes) -> list[tuple[str, str, str]]:
    try:
        return parse_record(content)
    except ValueError as error:
        raise MalformedPackageDatabase(path=b"/" + place.path, what=str(error)) from error


def _placed(site: Site, base: bytes, name: str) -> bytes:
    """Return the path in the image that a recorded name means.

    `--target` installs elsewhere first and moves: what RECORD has two levels above then lies in the folder itself.
    """
    encoded = name.encode("utf-8", "surrogateescape")
    if site.is_target and encoded.startswith(b"../../"):
        encoded = encoded.removeprefix(b"../../")
    return posixpath.normpath(posixpath.join(b"/" + base, encoded)).lstrip(b"/")


def _bytecode(staged: Staged, folder: bytes, stems: Collection[bytes]) -> Iterator[bytes]:
    """Yield compiled forms of modules of a folder, whoever compiled them."""
    cache = staged.exact(_join(folder, b"__pycache__"))
    if cache is None or cache.kind is not MemberKind.DIRECTORY:
        return
    for name in staged.names(cache):
        found = _COMPILED.fullmatch(name)
        if found is not None and found[1] in stems:
            yield cache.path + b"/" + name


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name
