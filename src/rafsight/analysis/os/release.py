"""Release files: which distribution this is.

This module alone decides which files are asked, in which order they are believed, and what each of them says. Merging
what several files say is `analysis/distribution.py`'s.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile
from rafsight.analysis.fields import NAME_LENGTH, lines_of, text_of
from rafsight.analysis.inventory import Distribution
from rafsight.base.units import KiB
from rafsight.image.selection import Wants

_LINES: Final = 1000
_NUMBERS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,4}(?![0-9])")
_FAMILIES: Final = (
    # how the text begins            os-release ID
    ("red hat", "rhel"),
    ("centos", "centos"),
    ("rocky", "rocky"),
    ("almalinux", "almalinux"),
    ("oracle", "ol"),
    ("fedora", "fedora"),
    ("amazon", "amzn"),
    ("vmware photon", "photon"),
    ("photon", "photon"),
    ("cbl-mariner", "mariner"),
    ("suse linux enterprise", "sles"),
    ("opensuse", "opensuse"),
)


def _unquote(value: str) -> str:
    """Undo the shell's quoting of one value."""
    value = value.strip()
    quote = value[:1]
    if quote == "'":
        return value[1:].partition("'")[0]
    if quote == '"':
        end = re.search(r'(?<!\\)(?:\\\\)*"', value[1:])
        value = value[1 : 1 + end.end() - 1] if end else value[1:]
    return re.sub(r"\\(.)", r"\1", value)


def _assignments(content: bytes) -> dict[str, str]:
    """Read KEY=VALUE lines; the last one of a key counts, as in a shell."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines_of(content)):
        key, equals, value = text_of(line).partition("=")
        if number < _LINES and equals and not key.startswith("#") and len(value) <= NAME_LENGTH:
            found[key.strip()] = _unquote(value)
    return found


def _os_release(content: bytes) -> Distribution:
    values = _assignments(content)
    identity = values.get("ID", "").lower()
    if not identity:
        raise MalformedFile(what="no ID", where="os-release")
    return Distribution(
        id=identity,
        version=values.get("VERSION_ID", ""),
        name=values.get("PRETTY_NAME") or values.get("NAME") or identity,
        codename=values.get("VERSION_CODENAME", ""),
        id_like=tuple(values.get("ID_LIKE", "").lower().split()),
    )


def _lsb_release(content: bytes) -> Distribution | None:
    values = _assignments(content)
    identity = values.get("DISTRIB_ID", "").lower()
    version = values.get("DISTRIB_RELEASE", "")
    name = values.get("DISTRIB_DESCRIPTION") or f"{values.get('DISTRIB_ID', '')} {version}".strip()
    if not identity:  # some images have only LSB_VERSION here
        return None
    return Distribution(id=identity, version=version, name=name, codename=values.get("DISTRIB_CODENAME", ""))


def _first_line(content: bytes) -> str:
    line = text_of(next(lines_of(content), b""))
    if not line or len(line) > NAME_LENGTH:
        raise MalformedFile(what="no release", where="line 1")
    return line


def _alpine_release(content: bytes) -> Distribution:
    version = _first_line(content)
    return Distribution(id="alpine", version=version, name=f"Alpine Linux {version}")


def _debian_version(content: bytes) -> Distribution:
    line = _first_line(content)
    if _NUMBERS.fullmatch(line):
        return Distribution(id="debian", version=line, name=f"Debian GNU/Linux {line}")
    return Distribution(id="debian", version="", name=f"Debian GNU/Linux {line}", codename=line.partition("/")[0])


def _named_release(content: bytes) -> Distribution:
    """Read `<Name> release <digits.dots> (...)` and its relatives."""
    line = _first_line(content)
    identity = next((family for start, family in _FAMILIES if line.lower().startswith(start)), "")
    if not identity:
        raise MalformedFile(what="a release of no known family", where="line 1")
    number = _NUMBERS.search(line)
    version = number[0] if number else ""
    if identity == "sles" and "." not in version:
        level = re.search(rb"(?m)^PATCHLEVEL\s{0,9}=\s{0,9}([0-9]{1,9})", content)
        version += f".{level[1].decode()}" if level and level[1] != b"0" else ""
    return Distribution(id=identity, version=version, name=line)


_READERS: Final[Mapping[bytes, Callable[[bytes], Distribution | None]]] = {
    b"os-release": _os_release,
    b"alpine-release": _alpine_release,
    b"debian_version": _debian_version,
    b"lsb-release": _lsb_release,
    b"centos-release": _named_release,
    b"rocky-release": _named_release,
    b"almalinux-release": _named_release,
    b"oracle-release": _named_release,
    b"fedora-release": _named_release,
    b"redhat-release": _named_release,  # after the clones' own, which have it too
    b"system-release": _named_release,
    b"SuSE-release": _named_release,
    b"photon-release": _named_release,
    b"mariner-release": _named_release,
}

PRIORITY: Final = tuple(folder + name for name in _READERS for folder in (b"etc/", b"usr/lib/"))
"""All release files; the first one that exists is believed before the others."""


def read_release(file: FileView) -> Iterator[Found]:
    """Read one release file, by its name.

    Raises: MalformedFile.
    """
    reader = _READERS.get(file.name)
    if reader is None:
        raise MalformedFile(what="a release file of no known name", where="its name")
    found = reader(file.content)
    if found is not None:
        yield found


RELEASE: Final = Extractor(
    name="os/release", version=1, wants=Wants(patterns=PRIORITY, max_size=64 * KiB), extract=read_release
)
