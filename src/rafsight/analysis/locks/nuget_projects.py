"""NuGet's XML: `packages.config`, `Directory.Packages.props`, and projects (`*.csproj` and its relatives).

This module alone decides which versions are fixed: plain ones and `[1.2]`; ranges, stars and properties are not.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.locks.locked import locked
from rafsight.analysis.xml_text import Element, read_xml
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_FIXED: Final = re.compile(r"\[?\s{0,8}([0-9][0-9A-Za-z.+-]{0,250})\s{0,8}\]?")


def read_project(file: FileView) -> Iterator[Found]:
    """Read one file; references without a fixed version are passed over.

    Raises: MalformedFile.
    """
    document = read_xml(file.content)
    items = (
        *document.all("packages", "package"),
        *document.all("Project", "ItemGroup", "PackageReference"),
        *document.all("Project", "ItemGroup", "PackageVersion"),
        *document.all("Project", "ItemGroup", "GlobalPackageReference"),
    )
    for item in items:
        name = item.value("id") or item.value("Include") or item.value("Update")
        match = _FIXED.fullmatch(_version(item))
        if name and match is not None:
            yield locked(Ecosystem.NUGET, name, match[1])


def _version(item: Element) -> str:
    return item.value("VersionOverride") or item.value("Version") or item.value("version")


NUGET_PROJECTS: Final = Extractor(
    name="locks/nuget-projects",
    version=1,
    wants=Wants(
        patterns=(
            b"**/packages.config",
            b"**/Directory.Packages.props",
            b"**/*.csproj",
            b"**/*.fsproj",
            b"**/*.vbproj",
        ),
        max_size=4 * MiB,
    ),
    extract=read_project,
    declared=True,
)
