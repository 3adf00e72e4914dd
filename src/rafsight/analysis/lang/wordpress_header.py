"""The comments at the head of WordPress' plugins and themes, as WordPress itself reads them.

Plugins and themes are known by their folder (that is their name on wordpress.org), which their files do not say: of
their paths the last two names count. This module alone decides how such a comment is read.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Found, Skipped
from rafsight.analysis.fields import identity_of
from rafsight.analysis.inventory import Component, Ecosystem
from rafsight.base.units import KiB

HEAD: Final = 8 * KiB
"""[bytes] WordPress looks no further for these comments."""
_FIELD: Final = re.compile(
    rb"(?mi)^(?:[ \t]{0,64}<\?php)?[ \t/*#@]{0,64}(plugin name|theme name|version|license)[ \t]{0,16}:([^\r\n]{0,1100})"
)


def folder_and_name(path: bytes) -> bytes:
    """Return the last two names of a path: what counts beside the content."""
    return b"/".join(path.rsplit(b"/", 2)[-2:])


def fields_of(content: bytes) -> dict[bytes, str]:
    """Read the fields of a comment; the first of each counts."""
    fields: dict[bytes, str] = {}
    for key, value in _FIELD.findall(content[:HEAD]):
        fields.setdefault(key.lower(), identity_of(value.strip().removesuffix(b"*/").removesuffix(b"?>")))
    return fields


def part_of(ecosystem: Ecosystem, folder: bytes, fields: dict[bytes, str]) -> Iterator[Found]:
    """Yield the plugin or theme, or that it has no version.

    Args:
        ecosystem: which of both.
        folder: its name.
        fields: of the comment.
    """
    slug, version, licence = identity_of(folder), fields.get(b"version", ""), fields.get(b"license", "")
    if not slug or not version:
        yield Skipped(what=f"a {ecosystem.value} without a {'version' if slug else 'name'}")
        return
    yield Component(ecosystem=ecosystem, name=slug, version=version, licenses=(licence,) if licence else ())
