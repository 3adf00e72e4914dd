"""Installed Lua rocks: `NAME-VERSION.rockspec`. They are Lua, and are never run.

This module alone decides how the two texts that count are read: as they are written out, else from the file's name.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile
from rafsight.analysis.fields import identity_of
from rafsight.analysis.inventory import Component, Ecosystem
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_FIELD: Final = re.compile(
    rb"""(?m)^[ \t]{0,64}(package|version|license)[ \t]{0,16}=[ \t]{0,16}["']([^"'\r\n]{1,1000})["']"""
)
_FILE_NAME: Final = re.compile(r"(.+)-([^-]+-[0-9]+)\.rockspec")


def read_rockspec(file: FileView) -> Iterator[Found]:
    """Read one rock.

    Raises: MalformedFile: neither the file nor its name says what it is.
    """
    fields: dict[bytes, str] = {}
    for key, value in _FIELD.findall(file.content):
        fields.setdefault(key, identity_of(value))
    named = _FILE_NAME.fullmatch(identity_of(file.name))
    name = fields.get(b"package", "") or (named[1] if named else "")
    version = fields.get(b"version", "") or (named[2] if named else "")
    if not name or not version:
        raise MalformedFile(what=f"no {'version' if name else 'package'}", where="the rockspec")
    licence = fields.get(b"license", "")
    yield Component(ecosystem=Ecosystem.LUAROCKS, name=name, version=version, licenses=(licence,) if licence else ())


LUA: Final = Extractor(
    name="lang/lua",
    version=1,
    wants=Wants(patterns=(b"**/*.rockspec",), max_size=1 * MiB),
    extract=read_rockspec,
)
