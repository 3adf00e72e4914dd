"""What a hunt over many images found, and what it could not look at. Values only.

This module alone decides what an answer consists of; `hunt_text.py` and `hunt_lines.py` write it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why the content of a file matches."""

    kind: str
    """`sha256`, `content` or `yara`."""
    text: str
    """The digest, what was matched (escaped and cut), or the names of rules."""
    offset: int | None = None
    """[bytes] of the first place; None for the file as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMatch:
    """A file of an image that the question names."""

    path: bytes
    """Relative to the image's root, without a leading slash; empty for the root."""
    kind: str
    """As of `FileEntry`."""
    mode: int
    uid: int
    gid: int
    size: int
    """[bytes]"""
    mtime: int
    target: bytes | None = None
    """Where a symbolic link points."""
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageMatch:
    """A package of an image that the question names."""

    purl: str
    name: str
    version: str
    source: str = ""
    """The source package, where it has another name."""
    locations: tuple[bytes, ...] = ()
    advisories: tuple[str, ...] = ()
    """Those of the question that affect it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Something of an image that was not looked at, so that the answer says nothing about it."""

    subject: str
    """A path (escaped), a package, an ecosystem."""
    why: str
    is_lasting: bool = True
    """False if it may be another next time: bytes could not be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntAnswer:
    """What one image has to say."""

    digest: str
    """Of the manifest; of a bare bootstrap its own."""
    names: tuple[str, ...]
    """All references under which the image was found, in the order of the corpus."""
    platform: str = ""
    """As its index says; empty if it was named directly."""
    files: tuple[FileMatch, ...] = ()
    packages: tuple[PackageMatch, ...] = ()
    unseen: tuple[Unseen, ...] = ()

    @property
    def is_match(self) -> bool:
        """Tell whether the image has what was asked for."""
        return bool(self.files or self.packages)


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntFailure:
    """An image, or a place with images, that could not be looked at."""

    names: tuple[str, ...]
    code: str
    """Of the error."""
    message: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntTally:
    """What a hunt did so far."""

    names: int
    """References that were looked up."""
    images: int
    """Different images among them that gave an answer."""
    remembered: int
    """Of these, answered by an earlier run."""
    matches: int
    """Images that have what was asked for."""
    unseen: int
    """Images with parts that were not looked at."""
    passed_over: int
    """References that name no image but another artifact."""
    contents: int
    """Different contents that were fetched and looked into."""
    requests: int
    bytes_fetched: int
    """[bytes]"""
    seconds: float
