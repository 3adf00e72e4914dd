"""Perl distributions that were installed from CPAN: `.meta/NAME-VERSION/MYMETA.json`, as cpanm leaves it.

This module alone decides that. Perl's `.packlist` names files and no version.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile
from rafsight.analysis.inventory import Component, Ecosystem
from rafsight.analysis.json_text import decode_json, text_in
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_LICENCES: Final = 16


class _Meta(msgspec.Struct):
    name: object = None
    version: object = None
    license: object = None


def read_meta(file: FileView) -> Iterator[Found]:
    """Read one distribution.

    Raises: MalformedFile.
    """
    meta = decode_json(file.content, _Meta)
    version = meta.version if isinstance(meta.version, str) else str(meta.version or "")
    name, version = text_in(meta.name), text_in(version)
    if not name or not version:
        raise MalformedFile(what=f"no {'version' if name else 'name'}", where="MYMETA.json")
    licences = meta.license[:_LICENCES] if isinstance(meta.license, list) else [meta.license]
    yield Component(
        ecosystem=Ecosystem.CPAN, name=name, version=version, licenses=tuple(filter(None, map(text_in, licences)))
    )


PERL: Final = Extractor(
    name="lang/perl",
    version=1,
    wants=Wants(patterns=(b"**/.meta/*/MYMETA.json",), max_size=4 * MiB),
    extract=read_meta,
)
