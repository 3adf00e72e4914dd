"""Licences of dpkg's packages, of `usr/share/doc/NAME/copyright`: the database does not say them.

Read only where licences are asked for: hundreds of files. Debian's machine-readable form has fields `License:`; their
first lines count, as they are (`GPL-2+ or Artistic`). Files in any other form are prose: of them count the texts that
they refer to in `usr/share/common-licenses`, and a few licences by a sentence that none of the others has. This module
alone decides that; what is not recognised is no licence, and not "none".
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.fields import identity_of
from rafsight.analysis.inventory import Ecosystem, Inventory, Licensed
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_DOC: Final = b"usr/share/doc/"
_COUNT: Final = 64
"""Licences of one package; there are some forty in a kernel's."""
_FORM: Final = re.compile(rb"(?mi)\A\s{0,64}Format(?:-Specification)?[ \t]{0,16}:[^\n]{0,300}(?:copyright-format|dep5)")
_FIELD: Final = re.compile(rb"(?mi)^License[ \t]{0,16}:[ \t]{0,64}(\S[^\r\n]{0,299})")
_COMMON: Final = re.compile(rb"/usr/share/common-licenses/([0-9A-Za-z][0-9A-Za-z_.+-]{0,60})")


def _phrase(words: bytes) -> re.Pattern[bytes]:
    """Make an expression of words that lines may part."""
    return re.compile(rb"\s{1,16}".join(words.split()))


_SENTENCES: Final = (
    ("AGPL-3", _phrase(rb"terms of the GNU Affero General Public License")),
    ("Expat", _phrase(rb"Permission is hereby granted, free of charge, to any person")),
    ("BSD", _phrase(rb"Redistribution and use in source and binary forms")),
    ("HPND", _phrase(rb"Permission to use, copy, modify, distribute, and sell")),
    ("ISC", _phrase(rb"Permission to use, copy, modify, and(?:/or)? distribute")),
)
"""By Debian's own names, which the references have, too."""
_MENTIONS: Final = (
    ("LGPL", _phrase(rb"GNU (?:Lesser|Library) General Public License")),
    ("GPL", _phrase(rb"GNU General Public License")),
)
"""What counts only where nothing else does: such a name stands in many a text about another licence."""


def read_copyright(file: FileView) -> Iterator[Found]:
    """Read one file."""
    content = file.content
    if _FORM.match(content):
        found = [identity_of(match[1]) for match in _FIELD.finditer(content)]
    else:
        found = [match[1].rstrip(b".-").decode("ascii") for match in _COMMON.finditer(content)]
        found += [name for name, sentence in _SENTENCES if sentence.search(content)]
        found = found or [name for name, mention in _MENTIONS if mention.search(content)]
    names = tuple(dict.fromkeys(filter(None, found)))[:_COUNT]
    if names:
        yield Licensed(licenses=names)


def package_of(path: bytes) -> str:
    """Return the package whose file this is: the name of its folder."""
    return identity_of(path.removeprefix(_DOC).partition(b"/")[0])


def _of_packages(paths: Sequence[bytes], inventory: Inventory) -> Iterable[bytes]:
    """Leave out folders that no package is called like."""
    known = {one.name for one in inventory.components if one.ecosystem is Ecosystem.DEB and not one.licenses}
    return (path for path in paths if package_of(path) in known)


DPKG_LICENCES: Final = Extractor(
    name="os/dpkg-licences",
    version=1,
    wants=Wants(patterns=(_DOC + b"*/copyright",), max_size=8 * MiB),
    extract=read_copyright,
    wave=3,
    choose=_of_packages,
    licenses=True,
)
