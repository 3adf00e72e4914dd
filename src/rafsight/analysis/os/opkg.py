"""opkg's database (OpenWrt, Yocto): stanzas as dpkg has them, in places of its own.

This module alone decides where they are looked for. `info/*.control` says the same again and is not read.
"""

from typing import Final

from rafsight.analysis.extractor import Extractor
from rafsight.analysis.os.dpkg import read_status
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

OPKG: Final = Extractor(
    name="os/opkg",
    version=1,
    wants=Wants(
        patterns=(b"usr/lib/opkg/status", b"var/lib/opkg/status", b"opt/lib/opkg/status", b"lib/opkg/status"),
        max_size=32 * MiB,
    ),
    extract=read_status,
)
