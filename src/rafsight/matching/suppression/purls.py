"""Package URLs as patterns: which package somebody means.

A pattern without a version means every version, and its qualifiers have to be those of the package; what the package
says beyond them does not matter. This module alone decides that.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from rafsight.analysis.purl import normal_name

_LONGEST: Final = 4096
_PLACES: Final = frozenset({"repository_url", "download_url", "vcs_url", "file_name", "checksum"})
"""Qualifiers that say where a package comes from, not which it is."""
_CASELESS: Final = frozenset({"apk", "bitnami", "composer", "deb", "github", "hex", "oci", "pub", "pypi", "rpm"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Purl:
    """A package URL, taken apart."""

    type: str
    namespace: str
    name: str
    version: str
    """Empty: any."""
    qualifiers: tuple[tuple[str, str], ...]

    def means(self, other: "Purl") -> bool:
        """Tell whether this pattern means a package."""
        if (self.type, self.namespace, self.name) != (other.type, other.namespace, other.name):
            return False
        if self.version and self.version != other.version:
            return False
        has = dict(other.qualifiers)
        return all(has.get(key) == value for key, value in self.qualifiers if key not in _PLACES)


@lru_cache(maxsize=8192)
def parse_purl(text: str) -> Purl | None:
    """Take a package URL apart; None if it is none."""
    if not text.startswith("pkg:") or len(text) > _LONGEST:
        return None
    rest, _, query = text[4:].partition("#")[0].partition("?")
    rest = rest.strip("/")
    path, _, version = rest.rpartition("@") if "@" in rest.rpartition("/")[2] else (rest, "", "")
    kind, _, path = path.partition("/")
    namespace, _, name = path.rpartition("/")
    kind, name, namespace = kind.lower(), unquote(name), unquote(namespace)
    if not (kind and name):
        return None
    if kind in _CASELESS:
        name, namespace = name.lower(), namespace.lower()
    pairs = (item.partition("=") for item in query.split("&", 64)[:64] if item)
    version = unquote(version)
    return Purl(
        type=kind,
        namespace=namespace,
        name=normal_name(name) if kind == "pypi" else name,
        version="" if version == "*" else version,
        qualifiers=tuple(sorted((key.lower(), unquote(value)) for key, _, value in pairs if value)),
    )
