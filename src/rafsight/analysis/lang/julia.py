"""Julia packages in a depot (`packages/NAME/SLUG/Project.toml`) and those of the standard library.

This module alone decides which of them count: those with a name and a version; the standard library's share Julia's
version where they have none of their own, and are then not known here.
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.analysis.json_text import text_in
from rafsight.analysis.toml_text import read_toml
from rafsight.base.units import MiB
from rafsight.image.selection import Wants


def julia_component(name: str, version: str, uuid: str, evidence: EvidenceClass) -> Component:
    """Make a component; the uuid tells packages of one name apart."""
    return Component(
        ecosystem=Ecosystem.JULIA,
        name=name,
        version=version,
        evidence=evidence,
        qualifiers=(("uuid", uuid),) if uuid else (),
    )


def read_project(file: FileView) -> Iterator[Found]:
    """Read one package; a project without name or version is an application.

    Raises: MalformedFile.
    """
    project = read_toml(file.content)
    name, version, uuid = (text_in(project.get(key)) for key in ("name", "version", "uuid"))
    if name and version and uuid:
        yield julia_component(name, version, uuid, EvidenceClass.ARTIFACT)


JULIA: Final = Extractor(
    name="lang/julia",
    version=1,
    wants=Wants(patterns=(b"**/packages/*/*/Project.toml", b"**/julia/stdlib/*/*/Project.toml"), max_size=1 * MiB),
    extract=read_project,
)
