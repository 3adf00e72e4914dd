"""Packages that conda installed: `conda-meta/NAME-VERSION-BUILD.json`.

The name of the file says what the package is; conda trusts it as well. The content is long (all files of the package)
and only its head is read, for the channel. This module alone decides that, and how the name is taken apart.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile
from rafsight.analysis.fields import identity_of
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.base.units import KiB, MiB
from rafsight.image.selection import Wants

_HEAD: Final = 4 * KiB
_CHANNEL: Final = re.compile(rb'"channel"\s{0,9}:\s{0,9}"([^"\\]{1,1000})"')
_PLATFORM: Final = re.compile(r"(?:linux|osx|win|noarch|freebsd|emscripten|wasi)(?:-[a-z0-9_]{1,16})?")


def read_record(file: FileView) -> Iterator[Found]:
    """Read one record.

    Raises: MalformedFile.
    """
    parts = identity_of(file.name.removesuffix(b".json")).rsplit("-", 2)
    if len(parts) != 3 or not all(parts):
        raise MalformedFile(what="no NAME-VERSION-BUILD", where="its name")
    if file.content.lstrip()[:1] != b"{":
        raise MalformedFile(what="no JSON object", where="its start")
    name, version, build = parts
    channel, subdir = _channel(file.content)
    yield Component(
        ecosystem=Ecosystem.CONDA,
        name=name,
        version=version,
        evidence=EvidenceClass.INSTALLED,
        qualifiers=tuple(
            (key, value) for key, value in (("build", build), ("channel", channel), ("subdir", subdir)) if value
        ),
    )


def _channel(head: bytes) -> tuple[str, str]:
    """Return the channel and the platform of `https://conda.anaconda.org/CHANNEL/PLATFORM` or `CHANNEL`."""
    match = _CHANNEL.search(head)
    text = identity_of(match[1]).rstrip("/") if match else ""
    rest, _, last = text.rpartition("/")
    subdir = last if _PLATFORM.fullmatch(last) else ""
    channel = (rest if subdir else text).partition("://")[2] or (rest if subdir else text)
    return channel.partition("/")[2] or channel, subdir


CONDA: Final = Extractor(
    name="lang/conda",
    version=1,
    wants=Wants(patterns=(b"**/conda-meta/*.json",), max_size=64 * MiB, head=_HEAD),
    extract=read_record,
)
