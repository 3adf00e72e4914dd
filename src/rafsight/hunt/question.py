"""What a hunt asks for: conditions on files and on packages, read from what people write.

This module alone decides how a question is written, and how conditions go together. Those of one file have to hold
together, of several globs one is enough; likewise those of one package. An image that is asked for a file and for a
package has to have both.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.text import printable
from rafsight.base.units import MiB, parse_size
from rafsight.hunt.globs import parse_name_glob, parse_path_glob
from rafsight.hunt.versions import VersionRange, parse_version_range
from rafsight.image.tree import KINDS
from rafsight.matching.suppression.purls import Purl, parse_purl

MAX_FILE_SIZE: Final = 64 * MiB
"""[bytes] of files whose content is looked into, unless somebody says otherwise."""
_HEX: Final = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})\Z")
_MODE: Final = re.compile(r"([-/]?)([0-7]{1,5})\Z")
_ADVISORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{2,80}\Z")
_HIGHEST: Final = (1 << 63) - 1


class MalformedQuestion(CallerError):
    """A part of a question cannot be read."""

    code = "malformed-question"
    template = "{option} '{text}': {why}"
    remedy = "`rafsight hunt --help` shows how questions are written."
    exit_status = ExitStatus.USAGE


class EmptyQuestion(CallerError):
    """Nothing is asked for."""

    code = "empty-question"
    template = "nothing is asked for"
    remedy = "Say what to look for: --path, --name, --content, --package, ...; `rafsight hunt --help` lists all."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRange:
    """Sizes of files."""

    least: int = 0
    """[bytes]"""
    most: int = _HIGHEST
    """[bytes]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeTest:
    """A test of permission bits, as that of `find -perm`."""

    bits: int
    how: str
    """Empty: exactly these; `-`: all of these; `/`: any of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileQuestion:
    """What a file has to be; what is empty does not matter."""

    paths: tuple[bytes, ...] = ()
    """Globs, one of which has to name its path."""
    names: tuple[bytes, ...] = ()
    """Globs, one of which has to name its last part."""
    kinds: tuple[str, ...] = ()
    size: SizeRange | None = None
    mode: ModeTest | None = None
    xattr: bytes = b""
    """A glob that one of its extended attributes has to match."""
    digests: tuple[str, ...] = ()
    """SHA-256 of the whole content in hex, one of which it has to have."""
    content: str = ""
    """A regular expression for bytes that has to be found in it."""
    yara: str = ""
    """The text of rules, one of which has to match."""
    max_size: int = MAX_FILE_SIZE
    """[bytes] of files whose content is looked into."""

    @property
    def asks_content(self) -> bool:
        """Tell whether metadata alone cannot answer."""
        return bool(self.digests or self.content or self.yara)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is asked of files."""
        metadata = self.paths or self.names or self.kinds or self.size or self.mode or self.xattr
        return not (metadata or self.asks_content)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageQuestion:
    """What a package has to be; what is empty does not matter."""

    purl: Purl | None = None
    versions: VersionRange | None = None
    advisories: tuple[str, ...] = ()
    """Ids, one of which has to affect it."""

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is asked of packages."""
        return self.purl is None and not self.advisories


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an image has to have."""

    files: FileQuestion
    packages: PackageQuestion


def make_question(files: FileQuestion, packages: PackageQuestion) -> Question:
    """Check a question as a whole.

    Raises: EmptyQuestion; BadGlob.
    """
    for glob in files.paths:
        parse_path_glob(glob)
    for glob in (*files.names, *((files.xattr,) if files.xattr else ())):
        parse_name_glob(glob)
    if files.is_empty and packages.is_empty:
        raise EmptyQuestion
    return Question(files=files, packages=packages)


def read_file_question(
    *,
    paths: Sequence[bytes],
    names: Sequence[bytes],
    kinds: str,
    size: str,
    mode: str,
    xattr: bytes,
    sha256: Sequence[str],
    content: str = "",
    yara: str = "",
    max_file_size: str = "",
) -> FileQuestion:
    """Read conditions on files as people write them; what is empty does not matter.

    Raises: MalformedQuestion.
    """
    max_size = parse_size(max_file_size) if max_file_size else MAX_FILE_SIZE
    if max_size is None:
        raise MalformedQuestion(option="--max-file-size", text=max_file_size, why="write a size, as in 64MiB")
    return FileQuestion(
        paths=tuple(paths),
        names=tuple(names),
        kinds=parse_kinds(kinds),
        size=parse_size_range(size) if size else None,
        mode=parse_mode(mode) if mode else None,
        xattr=xattr,
        digests=tuple(map(parse_digest, sha256)),
        content=content,
        yara=yara,
        max_size=max_size,
    )


def parse_kinds(letters: str) -> tuple[str, ...]:
    """Read kinds of files, as `f,l`: letters of `find -type`, or whole words.

    Raises: MalformedQuestion.
    """
    short = {"f": "file", "d": "directory", "l": "symlink", "c": "char", "b": "block", "p": "fifo", "s": "socket"}
    kinds = [short.get(part.strip(), part.strip()) for part in letters.split(",")] if letters else []
    for kind in kinds:
        if kind not in KINDS.values():
            raise MalformedQuestion(option="--type", text=letters, why=f"'{printable(kind)}' is no kind of file")
    return tuple(dict.fromkeys(kinds))


def parse_size_range(text: str) -> SizeRange:
    """Read `N`, `MIN..`, `..MAX` or `MIN..MAX`, sizes as in `100`, `64KiB`, `10MB`; both ends belong to it.

    Raises: MalformedQuestion.
    """
    low, dots, high = text.partition("..")
    least = parse_size(low) if low.strip() else 0
    most = (parse_size(high) if high.strip() else _HIGHEST) if dots else least
    if least is None or most is None or least > most or not text.strip(". "):
        raise MalformedQuestion(option="--size", text=text, why="write N, MIN.., ..MAX or MIN..MAX, as in 1KiB..10MB")
    return SizeRange(least=least, most=most)


def parse_mode(text: str) -> ModeTest:
    """Read `4755`, `-4000` or `/6000`.

    Raises: MalformedQuestion.
    """
    found = _MODE.match(text)
    if found is None or int(found[2], 8) > 0o7777 or (found[1] and not int(found[2], 8)):
        raise MalformedQuestion(option="--mode", text=text, why="write octal bits: 4755 exactly, -4000 all, /6000 any")
    return ModeTest(bits=int(found[2], 8), how=found[1])


def parse_digest(text: str) -> str:
    """Read a SHA-256 in hex.

    Raises: MalformedQuestion.
    """
    found = _HEX.match(text)
    if found is None:
        raise MalformedQuestion(option="--sha256", text=text, why="a SHA-256 has 64 hexadecimal digits")
    return found[1].lower()


def parse_package(text: str, version: str, advisories: Sequence[str] = ()) -> PackageQuestion:
    """Read a package URL, a range of versions, and ids of advisories; all of them may be empty.

    Raises: MalformedQuestion.
    """
    named = tuple(map(parse_advisory, advisories))
    if not text:
        if version:
            raise MalformedQuestion(option="--version", text=version, why="it needs --package")
        return PackageQuestion(advisories=named)
    purl = parse_purl(text)
    if purl is None:
        why = "write a package URL: pkg:TYPE/[NAMESPACE/]NAME, as in pkg:pypi/requests or pkg:deb/openssl"
        raise MalformedQuestion(option="--package", text=text, why=why)
    versions = parse_version_range(version, purl.type) if version else None
    return PackageQuestion(purl=purl, versions=versions, advisories=named)


def parse_advisory(text: str) -> str:
    """Read the id of an advisory or a flaw.

    Raises: MalformedQuestion.
    """
    if not _ADVISORY.match(text):
        raise MalformedQuestion(option="--advisory", text=text, why="ids are as CVE-2024-3094 or GHSA-jfh8-c2jp-5v3q")
    return text.upper() if text[:4].upper() in ("CVE-", "MAL-") else text
