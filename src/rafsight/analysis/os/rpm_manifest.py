"""rpm's packages as a table of text: what Azure Linux and Mariner leave in images without a database (distroless).

Columns, separated by tabs: name, version-release, install time, build time, vendor, epoch, size, arch, epoch as a
number, source rpm. This module alone decides how a line is read.
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, Skipped
from rafsight.analysis.fields import identity_of, lines_of, text_of
from rafsight.analysis.os.rpm import rpm_component
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_NONE: Final = "(none)"


def read_manifest(file: FileView) -> Iterator[Found]:
    """Read one package a line; a line of another shape is skipped and said."""
    for number, line in enumerate(lines_of(file.content), 1):
        if not line.strip():
            continue
        columns = line.rstrip(b"\r\n").split(b"\t", 10)
        name, version = (identity_of(columns[0]), identity_of(columns[1])) if len(columns) >= 10 else ("", "")
        if not name or not version:
            yield Skipped(what=f"line {number} is no package")
            continue
        epoch = columns[8].strip()
        yield rpm_component(
            name=name,
            version=version,
            epoch=int(epoch) if epoch.isdigit() and len(epoch) < 10 else 0,
            arch=identity_of(columns[7]),
            source_rpm=identity_of(columns[9]).replace(_NONE, ""),
            vendor=text_of(columns[4][:1024]).replace(_NONE, ""),
        )


RPM_MANIFEST: Final = Extractor(
    name="os/rpm-manifest",
    version=2,
    wants=Wants(patterns=(b"var/lib/rpmmanifest/container-manifest-2",), max_size=16 * MiB),
    extract=read_manifest,
)
