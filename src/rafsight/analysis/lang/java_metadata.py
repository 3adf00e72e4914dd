"""The two texts that say what a Java archive is: `pom.properties` and the manifest.

This module alone decides how they are read, and how far: the first lines of the one, of the other the main section,
which check sums of all classes may follow. Values that a build left unfilled are no values.
"""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Final, NamedTuple

from rafsight.analysis.fields import NAME_LENGTH, lines_of
from rafsight.analysis.lang.java_names import is_group
from rafsight.base.units import KiB

POM: Final = b"/pom.properties"
POM_SIZE: Final = 16 * KiB
MANIFEST_SIZE: Final = 64 * KiB
"""[bytes] that are read of a manifest."""
_POM_LINES: Final = 64
ARTIFACT: Final = re.compile(r"[\w.+~-]+\Z", re.ASCII)
VERSION: Final = re.compile(r"[!-~]+\Z")
_PROPERTY: Final = re.compile(r"[ \t]*[=: \t][ \t]*")
_PLACEHOLDERS: Final = ("%", "$", "@")
_WANTED: Final = re.compile(
    rb"^(Bundle-License|Bundle-SymbolicName|Bundle-Version|Group-Id|Implementation-Title|Implementation-Vendor-Id"
    rb"|Implementation-Version|Plugin-Version|Short-Name|Specification-Version)[ ]*:([^\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_FIELDS: Final = 64

Fields = Mapping[str, str]
"""Of a manifest, those that say something here; names in lower case."""


class Coordinates(NamedTuple):
    """What Maven calls a package."""

    group: str
    """Empty if nobody says it."""
    artifact: str
    version: str
    """Empty if nobody says it."""


def parse_pom(content: bytes, path: bytes) -> Coordinates | None:
    """Read a `pom.properties`; its path `META-INF/maven/GROUP/ARTIFACT/` helps where it lacks something.

    Returns: None if it names no artifact, or one without a version.
    """
    fields: dict[str, str] = {}
    for raw in islice(lines_of(content), _POM_LINES):
        line = raw.decode("latin-1").strip()
        if line[:1] not in ("#", "!"):
            key, *value = _PROPERTY.split(line, maxsplit=1)
            fields.setdefault(key, _plain("".join(value)))
    folders = path.removesuffix(POM).rpartition(b"META-INF/maven/")[2].decode("utf-8", "replace").split("/")
    group, artifact = folders if len(folders) == 2 else ("", "")
    group, artifact = fields.get("groupId") or group, fields.get("artifactId") or artifact
    version = fields.get("version", "")
    if not (ARTIFACT.match(artifact) and VERSION.match(version)):
        return None
    return Coordinates(group if is_group(group) else "", artifact, version)


def parse_manifest(content: bytes) -> dict[str, str]:
    """Read the main section of a manifest, folded lines joined; of several fields of one name the first counts.

    Args:
        content: its first `MANIFEST_SIZE` bytes, or all.
    """
    main, end, _ = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").partition(b"\n\n")
    whole = main.replace(b"\n ", b"")
    if not end and len(content) >= MANIFEST_SIZE:
        whole = whole.rpartition(b"\n")[0]  # the last field may be cut
    fields: dict[str, str] = {}
    for found in islice(_WANTED.finditer(whole), _FIELDS):
        fields.setdefault(found[1].decode().lower(), _plain(found[2].decode("utf-8", "replace")))
    return fields


def _plain(value: str) -> str:
    """Return a value without blanks around it; nothing if it is a placeholder or longer than any name is."""
    text = value.strip()
    is_bad = text.startswith(_PLACEHOLDERS) or "${" in text or len(text) > NAME_LENGTH
    return "" if is_bad else text
