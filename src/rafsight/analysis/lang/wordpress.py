"""WordPress itself: `wp-includes/version.php`. It is PHP, and is never run.

This module alone decides which line says the version.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile
from rafsight.analysis.fields import identity_of
from rafsight.analysis.inventory import Component, Ecosystem
from rafsight.base.units import KiB, MiB
from rafsight.image.selection import Wants

_HEAD: Final = 8 * KiB
_VERSION: Final = re.compile(rb"""(?m)^\$wp_version[ \t]{0,16}=[ \t]{0,16}["']([^"'\r\n]{1,64})["']""")


def read_core(file: FileView) -> Iterator[Found]:
    """Read the version.

    Raises: MalformedFile.
    """
    match = _VERSION.search(file.content)
    version = identity_of(match[1]) if match else ""
    if not version:
        raise MalformedFile(what="no $wp_version", where="wp-includes/version.php")
    yield Component(ecosystem=Ecosystem.GENERIC, name="wordpress", version=version)


WORDPRESS: Final = Extractor(
    name="lang/wordpress",
    version=1,
    wants=Wants(patterns=(b"**/wp-includes/version.php",), max_size=1 * MiB, head=_HEAD),
    extract=read_core,
)
