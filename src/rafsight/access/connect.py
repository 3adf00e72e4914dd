"""From a reference to the place that holds the image.

This module alone knows which backend serves which kind of reference.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rafsight.access.backend import Backend, NotFound
from rafsight.access.counting import Meter
from rafsight.access.options import Offline, Options
from rafsight.base.errors import CallerError, ExitStatus, ImageFault, RafsightError
from rafsight.base.limits import Limits
from rafsight.base.text import printable
from rafsight.base.units import KiB
from rafsight.formats.oci.reference import (
    DEFAULT_TAG,
    ArchiveReference,
    BootstrapReference,
    DirectoryReference,
    LayoutReference,
    PathReference,
    RegistryReference,
    parse_reference,
)

if TYPE_CHECKING:
    from rafsight.access.registry.credentials import FindCredentials
    from rafsight.access.registry.endpoint import Endpoint
    from rafsight.access.target import Target


class FolderIsNoImage(CallerError):
    """A folder of files was named where an image is wanted."""

    code = "folder-is-no-image"
    template = "{reference} is a folder of files, not an image"
    remedy = "Make an image of it first: `rafsight convert {reference} oci:DIR`; a layout is named as oci:DIR."
    exit_status = ExitStatus.REFERENCE


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an image is, and what to ask for there."""

    backend: Backend
    name: str
    """Tag or digest to ask the backend for; empty: the only image it has."""
    repository: str = ""
    """`HOST/REPO` of a registry."""
    tag: str = ""
    bootstrap: bytes | None = None
    """Not None for a reference that is a bootstrap: there is no manifest to ask for."""
    bootstrap_name: str = ""
    """Blob id that stands for the placeholder of inlined bootstraps."""
    warm_up: Callable[[], None] = _nothing
    """Imports what the first request needs: a thread that imports beside another one that does is late."""


@contextmanager
def connect(reference: str, options: Options, meter: Meter) -> Iterator[Source]:
    """Find the place that a reference names; it is closed at the end of the block.

    A file of this machine that is a bootstrap is meant by its name, though a registry might have one of that name, too;
    other files and folders have to be named as paths: `./FILE`.

    Raises: MalformedReference, Offline, FolderIsNoImage; NotFound for a file or folder that does not exist; what
        `open_archive` raises.
    Cost: none for a registry: nothing is asked before the first manifest. A bootstrap file is read, and the list of an
        archive's members; a compressed archive is decompressed.
    """
    with _another_spelling_told(reference):
        parsed = parse_reference(reference)
        if isinstance(parsed, RegistryReference) and _is_bootstrap_here(reference):
            parsed = PathReference(path=reference)
        if isinstance(parsed, PathReference):
            is_folder = Path(parsed.path).is_dir()
            if is_folder:
                parsed = LayoutReference(directory=parsed.path, tag=None, digest=None)
            else:
                parsed = BootstrapReference(file=parsed.path)
        source = _source(reference, parsed, options, meter)
        try:
            yield source
        finally:
            source.backend.close()


@contextmanager
def _another_spelling_told(reference: str) -> Iterator[None]:
    """Let an error say how a file or folder of this machine is named that is called as the reference."""
    try:
        yield
    except RafsightError as error:
        if not isinstance(error, ImageFault) and (name := _spelled_here(reference)):
            error.add_note(f"what is called so in this folder is named {printable(name)}")
        raise


def _spelled_here(name: str) -> str:
    """Return how something of this machine is named that was not named as a path; empty if there is none."""
    try:
        here = Path(name)
        if name.startswith((".", "/")) or not here.exists():
            return ""
        return f"./{name}" if here.is_dir() else f"docker-archive:{name} or ./{name}"
    except OSError:
        return ""


def _is_bootstrap_here(name: str) -> bool:
    """Tell whether a name is that of a file of this machine that begins as a bootstrap does."""
    try:
        if not Path(name).is_file():
            return False
        from rafsight.formats.rafs.codec import is_bootstrap

        with Path(name).open("rb") as file:
            return is_bootstrap(file.read(4 * KiB))
    except OSError:
        return False


def _source(
    reference: str,
    parsed: RegistryReference | LayoutReference | ArchiveReference | DirectoryReference | BootstrapReference,
    options: Options,
    meter: Meter,
) -> Source:
    if isinstance(parsed, LayoutReference):
        from rafsight.access.oci_layout import LayoutBackend

        return Source(backend=LayoutBackend(Path(parsed.directory), meter=meter), name=parsed.name or "")
    if isinstance(parsed, ArchiveReference):
        from rafsight.access.archives import open_archive

        return Source(backend=open_archive(parsed, meter=meter), name=parsed.name or "")
    if isinstance(parsed, DirectoryReference):
        raise FolderIsNoImage(reference=reference)
    if isinstance(parsed, BootstrapReference):
        return _bootstrap_source(Path(parsed.file), options, meter)
    if options.offline:
        raise Offline(reference=reference)
    return _registry_source(parsed, options, meter)


def _bootstrap_source(file: Path, options: Options, meter: Meter) -> Source:
    """Read a bootstrap, or take it out of the tail of a blob that has it inlined; blobs lie beside it by default."""
    from rafsight.access.local_files import LocalFile
    from rafsight.access.localfs import FolderBackend, read_bootstrap_file
    from rafsight.formats.rafs.codec import is_bootstrap
    from rafsight.formats.rafs.toc import inlined_bootstrap

    local = LocalFile(path=file, what=f"file {file.name}", place=str(file.parent))
    size = local.size()
    head = local.read_range(0, min(size, 4 * KiB), meter)
    limits = Limits()
    if is_bootstrap(head):
        content = read_bootstrap_file(file, limits=limits, meter=meter)
    else:
        content = inlined_bootstrap(lambda offset, count: local.read_range(offset, count, meter), size, limits)
    if options.blob_dir is not None and not options.blob_dir.is_dir():
        raise NotFound(what=f"folder {options.blob_dir.name}", place=str(options.blob_dir.parent))
    folder = options.blob_dir or file.parent
    return Source(
        backend=FolderBackend(folder, meter=meter),
        name="",
        bootstrap=content,
        bootstrap_name=_blob_name(file, folder),
    )


def _blob_name(file: Path, folder: Path) -> str:
    """Return the blob id that a bootstrap's file name stands for: what precedes the first dot."""
    return file.name.partition(".")[0] or folder.name


def _registry_source(reference: RegistryReference, options: Options, meter: Meter) -> Source:
    from rafsight.access.registry.client import RegistryBackend
    from rafsight.access.registry.transport import load_library

    endpoint, credentials = find_registry(reference, options)
    return Source(
        backend=RegistryBackend(endpoint, credentials=credentials, meter=meter),
        name=reference.name,
        repository=f"{reference.host}/{reference.repository}",
        tag=reference.tag or "",
        warm_up=load_library,
    )


def find_registry(reference: RegistryReference, options: Options) -> "tuple[Endpoint, FindCredentials]":
    """Return how a registry is reached, and who we are there."""
    from rafsight.access.registry.credentials import credentials_from_environment, first_of, fixed_credentials
    from rafsight.access.registry.endpoint import Endpoint
    from rafsight.access.registry.proxies import proxies_from_environment

    endpoint = Endpoint(
        host=reference.host,
        repository=reference.repository,
        plain_http=True if options.plain_http is None and reference.host in options.plain_hosts else options.plain_http,
        insecure=options.insecure,
        ca_files=options.ca_files,
        default_ca_file=Path(file) if (file := options.environment.get("SSL_CERT_FILE")) else None,
        certificate=options.certificate,
        key=options.key,
        proxies=proxies_from_environment(options.environment),
        permits=options.permits,
        connect_timeout=min(options.timeout, 10.0),
        read_timeout=options.timeout,
        connections=options.connections,
    )
    credentials = credentials_from_environment(options.environment)
    if options.username or options.password:
        credentials = first_of(fixed_credentials(options.username, options.password), credentials)
    return endpoint, credentials


class SeveralRegistries(CallerError):
    """One user was named, and several registries are to be asked."""

    code = "several-registries"
    template = "the password of {user} would be shown to {hosts}"
    remedy = "Log in to each with `docker login`, and leave --username out."
    exit_status = ExitStatus.USAGE


class NotATarget(CallerError):
    """A reference names something that no image can be pushed to."""

    code = "not-a-target"
    template = "no image can be written to {reference}: {why}"
    remedy = "Name a registry, HOST/REPOSITORY:TAG, or an OCI layout, oci:DIR:TAG."
    exit_status = ExitStatus.REFERENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where an image goes, and what it is to be called there."""

    target: "Target"
    tag: str
    repository: str = ""
    """`HOST/REPO` of a registry."""


def check_login(options: Options, *references: str) -> None:
    """Refuse to show one user's password to several registries.

    Args:
        options: may name a user.
        references: all that it would be used for; empty ones name nothing.
    Raises: SeveralRegistries; MalformedReference.
    """
    if not options.username:
        return
    parsed = [parse_reference(reference) for reference in references if reference]
    hosts = {one.host for one in parsed if isinstance(one, RegistryReference)}
    if len(hosts) > 1:
        raise SeveralRegistries(user=options.username, hosts=" and ".join(sorted(hosts)))


@contextmanager
def open_target(reference: str, options: Options, meter: Meter) -> Iterator[Destination]:
    """Find the place that a reference names, to push to it; it is closed at the end of the block.

    Without a tag, `latest` is meant. A path has to be that of a directory.

    Raises: MalformedReference, NotATarget, Offline; what the constructor of LayoutTarget raises.
    Cost: none for a registry: nothing is asked before the first object.
    """
    parsed = parse_reference(reference)
    if isinstance(parsed, PathReference) and Path(parsed.path).is_dir():
        parsed = LayoutReference(directory=parsed.path, tag=None, digest=None)
    if not isinstance(parsed, RegistryReference | LayoutReference):
        raise NotATarget(reference=reference, why="it is neither a registry nor an OCI layout")
    if parsed.digest:
        raise NotATarget(reference=reference, why="the digest is that of the image, and cannot be chosen")
    destination = _destination(reference, parsed, options, meter)
    try:
        yield destination
    finally:
        destination.target.close()


def _destination(
    reference: str, parsed: RegistryReference | LayoutReference, options: Options, meter: Meter
) -> Destination:
    tag = parsed.tag or DEFAULT_TAG
    if isinstance(parsed, LayoutReference):
        from rafsight.access.layout_target import LayoutTarget

        return Destination(target=LayoutTarget(Path(parsed.directory), meter=meter), tag=tag)
    if options.offline:
        raise Offline(reference=reference)
    from rafsight.access.registry.push import RegistryTarget

    endpoint, credentials = find_registry(parsed, options)
    target = RegistryTarget(endpoint, credentials=credentials, meter=meter)
    return Destination(target=target, tag=tag, repository=endpoint.place)
