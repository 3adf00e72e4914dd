"""Which images are asked.

    references                        one by one, or one a line in a list
    oci:DIR                           all tags of a layout, where it has several
    a registry, globs                 all tags of all repositories that the globs name

This module alone decides that. A name that leads nowhere is a failure of that name, and never the end of a hunt.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from rafsight.access.backend import NotFound
from rafsight.access.connect import SeveralRegistries
from rafsight.access.fleet import Fleet
from rafsight.access.options import Options
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.units import MiB
from rafsight.formats.oci.reference import (
    ArchiveReference,
    BootstrapReference,
    DirectoryReference,
    LayoutReference,
    MalformedReference,
    PathReference,
    RegistryReference,
    parse_reference,
)
from rafsight.matching.suppression.globs import names_path

_LIST_SIZE: Final = 256 * MiB
"""[bytes] of a list that is still read."""


class UnreadableList(CallerError):
    """A list of images cannot be read."""

    code = "unreadable-list"
    template = "cannot read the list of images {file}: {why}"
    remedy = "Write one reference a line, in UTF-8; empty lines and those that begin with # are passed over."
    exit_status = ExitStatus.NOT_FOUND


class NoImages(CallerError):
    """No image is named."""

    code = "no-images"
    template = "no image is named"
    remedy = "Name images, or say where they are: --images FILE, --registry HOST, oci:DIR."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryWish:
    """Images of a registry."""

    host: str
    """With its port."""
    repositories: str = "**"
    """A glob: `*` stays between slashes, `**` does not."""
    tags: str = "**"
    """A glob."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The images that are asked, as people name them."""

    references: tuple[str, ...] = ()
    registries: tuple[RegistryWish, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is named."""
        return not (self.references or self.registries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A repository or a layout, all of whose tags are meant."""

    name: str
    """`HOST/REPO`, or `oci:DIR`."""
    tags: str = "**"
    """A glob."""


def read_list(source: BinaryIO, name: str) -> tuple[str, ...]:
    """Read a list of references, one a line.

    Args:
        source: the list.
        name: what to call it.
    Raises: UnreadableList.
    """
    try:
        content = source.read(_LIST_SIZE + 1)
    except OSError as error:
        raise UnreadableList(file=name, why=error.strerror or str(error)) from error
    if len(content) > _LIST_SIZE:
        raise UnreadableList(file=name, why=f"it has more than {_LIST_SIZE} bytes")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UnreadableList(file=name, why=str(error)) from error
    return tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def whole_path(reference: str) -> str:
    """Name a file or a folder by its whole path, so that a process elsewhere finds it; others are as they were."""
    try:
        parsed = parse_reference(reference)
    except MalformedReference:
        return reference  # is said when its turn comes
    if isinstance(parsed, RegistryReference):
        return str(Path(reference).absolute()) if Path(reference).is_file() else reference
    if isinstance(parsed, LayoutReference | DirectoryReference):
        return str(replace(parsed, directory=str(Path(parsed.directory).absolute())))
    if isinstance(parsed, ArchiveReference | BootstrapReference):
        return str(replace(parsed, file=str(Path(parsed.file).absolute())))
    return str(Path(parsed.path).absolute())


def check_corpus(corpus: Corpus, options: Options) -> Corpus:
    """Refuse to ask nobody, and to show one user's password to several registries.

    Raises: NoImages, SeveralRegistries.
    """
    if corpus.is_empty:
        raise NoImages
    if not options.username:
        return corpus
    hosts = {wish.host for wish in corpus.registries}
    for reference in corpus.references:
        try:
            parsed = parse_reference(reference)
        except MalformedReference:
            continue  # is said when its turn comes
        if isinstance(parsed, RegistryReference):
            hosts.add(parsed.host)
    if len(hosts) > 1:
        raise SeveralRegistries(user=options.username, hosts=" and ".join(sorted(hosts)))
    return corpus


def places_of(corpus: Corpus, fleet: Fleet) -> Iterator[Place | str]:
    """Name the places whose tags have to be listed, and the images that are named already, in the order of the corpus.

    Raises: RegistryFault: a registry does not list its repositories; Offline.
    Cost: the lists of repositories.
    """
    for reference in dict.fromkeys(corpus.references):
        layout = _whole_layout(reference)
        yield Place(name=layout) if layout else reference
    for wish in corpus.registries:
        for repository in fleet.repositories(wish.host):
            if names_path(wish.repositories, repository.encode()):
                yield Place(name=f"{wish.host}/{repository}", tags=wish.tags)


def names_in(place: Place, fleet: Fleet) -> tuple[str, ...]:
    """Name the images of a place; a repository that is listed and has gone has none.

    Raises: RegistryFault, ImageFault.
    Cost: the list of tags.
    """
    if place.name.startswith("oci:"):
        tags = fleet.tags(place.name)
        return tuple(f"{place.name}:{tag}" for tag in tags) or (place.name,)
    try:
        tags = fleet.tags(place.name)
    except NotFound:
        return ()
    return tuple(f"{place.name}:{tag}" for tag in tags if names_path(place.tags, tag.encode()))


def _whole_layout(reference: str) -> str:
    """Return `oci:DIR` for a reference that names a layout and no image in it; nothing for others."""
    try:
        parsed = parse_reference(reference)
    except MalformedReference:
        return ""
    if isinstance(parsed, PathReference) and Path(parsed.path).is_dir():
        return f"oci:{parsed.path}"
    return str(parsed) if isinstance(parsed, LayoutReference) and parsed.name is None else ""
