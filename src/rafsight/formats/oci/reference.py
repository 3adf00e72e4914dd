"""What people type to name an image, and what each form means.

This module alone decides how a reference is written. It never touches a disk, so every form is told by its letters:

    ./DIR  ../DIR  /DIR  .  ..          a path: an OCI layout or a bootstrap; who opens it looks
    boot:FILE                           a bootstrap
    oci:DIR[:TAG][@DIGEST]              an OCI layout
    oci-archive:FILE[:TAG][@DIGEST]     an OCI layout in a tar, as skopeo writes it
    docker-archive:FILE[:TAG][@DIGEST]  images in a tar, as `docker save` writes them; TAG may be `@N`, the Nth from 0
    dir:DIR                             a folder of files that become an image (skopeo means something else by it)
    oci:///DIR...  oci://./DIR...       the same; with any other text after `oci://` it is a registry, as Helm writes it
    docker://HOST/REPO[:TAG][@DIGEST]   a registry, as skopeo writes it
    [HOST/]REPO[:TAG][@DIGEST]          a registry; the first part is a host if it holds `.` or `:` or is `localhost`,
                                        otherwise the host is docker.io (and a REPO without `/` is below `library/`)

A layout's directory may hold colons: what follows the last colon is a tag if it is written as tags are, otherwise it
belongs to the directory. So `oci:a:b` is tag `b` of `a`, and a directory that is really called `a:b` is `oci:a:b/`.
The name of an archive holds none: what follows the first colon is what is asked for there, a tag or a whole
`HOST/REPO:TAG`, since archives keep those.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rafsight.base.digest import is_digest
from rafsight.base.errors import CallerError, ExitStatus

DOCKER_HUB: Final = "docker.io"
DEFAULT_TAG: Final = "latest"

_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_REPOSITORY_PART: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*\Z")
_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?\Z"
)
_IMAGE_ID: Final = re.compile(r"[0-9a-f]{64}\Z")
_PATH_STARTS: Final = ("/", "./", "../")
_DAEMONS: Final = ("docker-daemon:", "containers-storage:", "podman:")
"""How skopeo and Syft name the images that a machine runs."""
_SYFT_REGISTRY: Final = re.compile(r"registry:(?![0-9]+/)[^/]+/")
"""How Syft and Grype name an image in a registry; what is not meant is a port of a host that is called so."""
_NAME_LENGTH: Final = 255
"""[characters] of a host and a repository together, as registries bound it."""
_TEXT_LENGTH: Final = 8192


class MalformedReference(CallerError):
    """A text that should name an image does not."""

    code = "malformed-reference"
    template = "'{text}' is not a reference: {what} (at character {position})"
    remedy = (
        "Write HOST/REPOSITORY:TAG, HOST/REPOSITORY@sha256:..., oci:DIR:TAG, oci-archive:FILE:TAG, "
        "docker-archive:FILE:TAG, or boot:FILE."
    )
    exit_status = ExitStatus.REFERENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryReference:
    """An image in a registry."""

    host: str
    """With its port; `docker.io` for Docker Hub."""
    repository: str
    tag: str | None
    """None only if there is a digest."""
    digest: str | None

    @property
    def name(self) -> str:
        """What to ask the registry for: the digest, else the tag."""
        return self.digest or self.tag or DEFAULT_TAG

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}{_ending(self.tag, self.digest)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutReference:
    """An image in an OCI layout directory."""

    directory: str
    tag: str | None
    digest: str | None

    @property
    def name(self) -> str | None:
        """What to ask the layout for: the digest, else the tag; None: whatever it holds, if that is one image."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return f"oci:{self.directory}{_ending(self.tag, self.digest)}"


class ArchiveKind(StrEnum):
    """What an archive file holds; the word before the first colon of its reference."""

    OCI = "oci-archive"
    """An OCI layout."""
    DOCKER = "docker-archive"
    """What `docker save` writes: `manifest.json`, configs, and layers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveReference:
    """An image in an archive file."""

    kind: ArchiveKind
    file: str
    """Without colons."""
    tag: str | None
    """A tag, the whole reference that the archive calls an image, or (docker) `@` and its number."""
    digest: str | None

    @property
    def name(self) -> str | None:
        """What to ask the archive for: the digest, else the tag; None: whatever it holds, if that is one image."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return f"{self.kind}:{self.file}{_ending(self.tag, self.digest)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryReference:
    """A folder of files, of which an image can be made; it is none yet."""

    directory: str

    def __str__(self) -> str:
        return f"dir:{self.directory}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapReference:
    """A bootstrap file."""

    file: str

    def __str__(self) -> str:
        return f"boot:{self.file}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathReference:
    """A path: an OCI layout if it is a directory, a bootstrap if it is a file."""

    path: str

    def __str__(self) -> str:
        return self.path


Reference = (
    RegistryReference | LayoutReference | ArchiveReference | DirectoryReference | BootstrapReference | PathReference
)


def parse_reference(text: str) -> Reference:
    """Parse what a person typed.

    Raises: MalformedReference.
    """
    if len(text) > _TEXT_LENGTH:
        raise MalformedReference(text=text, what=f"it is longer than {_TEXT_LENGTH} characters", position=_TEXT_LENGTH)
    for position, character in enumerate(text):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            raise MalformedReference(text=text, what="a character that no name may have", position=position)
    if not text:
        raise MalformedReference(text=text, what="it is empty", position=0)
    if text.startswith(_PATH_STARTS) or text in (".", ".."):
        return PathReference(path=text)
    if text.startswith("boot:"):
        if len(text) == len("boot:"):
            raise MalformedReference(text=text, what="a file must follow `boot:`", position=len(text))
        return BootstrapReference(file=text.removeprefix("boot:"))
    if text.startswith("dir:"):
        if len(text) == len("dir:"):
            raise MalformedReference(text=text, what="a folder must follow `dir:`", position=len(text))
        return DirectoryReference(directory=text.removeprefix("dir:"))
    for kind in ArchiveKind:
        if text.startswith(f"{kind}:"):
            return _parse_archive(text, kind)
    return _parse_image(text)


def _parse_image(text: str) -> Reference:
    for scheme in ("docker://", "oci://"):
        rest = text.removeprefix(scheme)
        if rest != text and not rest.startswith(_PATH_STARTS):
            return _Registry(text, len(scheme)).parse()
    for scheme in ("http://", "https://"):
        if text.startswith(scheme):
            raise MalformedReference(text=text, what=f"leave out `{scheme}`", position=0)
    if text.startswith(_DAEMONS):
        what = "images of a daemon are not read: `docker save NAME > FILE` makes docker-archive:FILE of one"
        raise MalformedReference(text=text, what=what, position=0)
    if _SYFT_REGISTRY.match(text):
        raise MalformedReference(text=text, what="leave out `registry:`", position=0)
    if text.startswith("oci:"):
        start = len("oci://") if text.startswith("oci://") else len("oci:")
        return _parse_layout(text, start)
    return _Registry(text, 0).parse()


def _parse_layout(text: str, start: int) -> LayoutReference:
    rest, digest = _split_digest(text, start)
    directory, colon, tag = rest.rpartition(":")
    if not (colon and directory and _TAG.match(tag)):
        directory, tag = rest, ""
    if directory.startswith("//"):  # would read as `oci://HOST` when it is printed
        directory = "/" + directory.lstrip("/")
    if not directory:
        raise MalformedReference(text=text, what="a directory must follow `oci:`", position=start)
    return LayoutReference(directory=directory, tag=tag or None, digest=digest)


def _parse_archive(text: str, kind: ArchiveKind) -> ArchiveReference:
    start = len(kind) + 1
    rest, digest = _split_digest(text, start)
    file, colon, tag = rest.partition(":")
    if not file:
        raise MalformedReference(text=text, what=f"a file must follow `{kind}:`", position=start)
    if colon and not tag:
        raise MalformedReference(text=text, what="a tag must follow the colon", position=start + len(rest))
    return ArchiveReference(kind=kind, file=file, tag=tag or None, digest=digest)


def _split_digest(text: str, start: int) -> tuple[str, str | None]:
    """Cut a digest off the end; an `@` that begins no digest stays where it is."""
    rest, at, digest = text[start:].rpartition("@")
    if not at or not digest.startswith(("sha256:", "sha512:")):
        return text[start:], None
    if not is_digest(digest):
        raise MalformedReference(
            text=text, what="a digest is `sha256:` and 64 lower-case hexadecimal digits", position=start + len(rest) + 1
        )
    return rest, digest


@dataclass(frozen=True, slots=True)
class _Registry:
    """The parts of a registry reference, cut off one by one; `start` is where the scheme ended."""

    text: str
    start: int

    def parse(self) -> RegistryReference:
        rest, digest = _split_digest(self.text, self.start)
        if "@" in rest:
            raise self._fault("what follows `@` must be a digest", rest.index("@") + 1)
        first, slash, others = rest.partition("/")
        named = bool(slash) and (any(mark in first for mark in ".:[") or first == "localhost")
        host, remainder = (first, others) if named else (DOCKER_HUB, rest)
        offset = len(first) + 1 if named else 0
        name, colon, tag = remainder.partition(":")
        if colon and not _TAG.match(tag):
            what = "a tag is 1 to 128 letters, digits, `_`, `.`, `-`, and does not begin with `.` or `-`"
            raise self._fault(what, offset + len(name) + 1)
        if not _HOST.match(host):
            raise self._fault("this is no host name", 0)
        self._check_repository(name, offset)
        return self._finish(host, name, tag or (None if digest else DEFAULT_TAG), digest)

    def _finish(self, host: str, name: str, tag: str | None, digest: str | None) -> RegistryReference:
        if host in ("index.docker.io", "registry-1.docker.io", DOCKER_HUB):
            host = DOCKER_HUB
            name = name if "/" in name else f"library/{name}"
        if len(host) + 1 + len(name) > _NAME_LENGTH:
            what = f"host and repository are longer than {_NAME_LENGTH} characters"
            raise self._fault(what, 0)
        return RegistryReference(host=host, repository=name, tag=tag, digest=digest)

    def _check_repository(self, name: str, offset: int) -> None:
        if not name:
            raise self._fault("a repository is missing", offset)
        if _IMAGE_ID.match(name):
            raise self._fault("64 hexadecimal digits are an image id, which names nothing in a registry", offset)
        for part in name.split("/"):
            if not _REPOSITORY_PART.match(part):
                raise self._fault(_blame(part), offset)
            offset += len(part) + 1

    def _fault(self, what: str, position: int) -> MalformedReference:
        return MalformedReference(text=self.text, what=what, position=self.start + position)


def _blame(part: str) -> str:
    if not part:
        return "an empty part between slashes"
    if _REPOSITORY_PART.match(part.lower()):
        return "repository names are lower-case"
    return "a part of a repository is lower-case letters and digits, joined by `.`, `_`, `__` or dashes"


def _ending(tag: str | None, digest: str | None) -> str:
    return (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
