"""Maven's `pom.xml`: the dependencies of a project, as far as this file alone says their versions.

This module alone decides how properties are put in (a few steps, short texts: they can stand inside each other), and
that versions which a parent or an import says are not known here.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, Skipped
from rafsight.analysis.fields import NAME_LENGTH
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.locks.locked import locked
from rafsight.analysis.xml_text import Element, read_xml
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_PROPERTY: Final = re.compile(r"\$\{([^${}]{1,200})\}")
_STEPS: Final = 5


def read_pom(file: FileView) -> Iterator[Found]:
    """Read one project.

    Raises: MalformedFile.
    """
    for project in read_xml(file.content).all("project"):
        values = _properties(project)
        managed = dict(_versions(project.all("dependencyManagement", "dependencies", "dependency"), values))
        unknown = 0
        for name, version in _versions(project.all("dependencies", "dependency"), values):
            known = version or managed.get(name, "")
            if known and "$" not in known and "$" not in name and known[0] not in "[(":
                yield locked(Ecosystem.MAVEN, name, known)
            else:
                unknown += 1
        if unknown:
            yield Skipped(what=f"the versions of {unknown} dependencies are said elsewhere")


def _versions(dependencies: list[Element], values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for one in dependencies:
        group, artifact, version = (_filled(one.value(key), values) for key in ("groupId", "artifactId", "version"))
        yield f"{group}:{artifact}", version


def _properties(project: Element) -> dict[str, str]:
    values = {
        child.name: child.text.strip()[:NAME_LENGTH] for table in project.all("properties") for child in table.children
    }
    parent = next(iter(project.all("parent")), Element(""))
    for key in ("groupId", "artifactId", "version"):
        value = project.value(key) or parent.value(key)
        values |= {f"project.{key}": value, f"pom.{key}": value, f"project.parent.{key}": parent.value(key)}
    return values


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Put properties in, again while there are some, as long as the text stays a short one."""
    for _ in range(_STEPS):
        if "${" not in text or len(text) > NAME_LENGTH:
            break
        text = _PROPERTY.sub(lambda match: values.get(match[1], "$"), text)
    return text[: NAME_LENGTH + 1]


MAVEN_POM: Final = Extractor(
    name="locks/maven-pom",
    version=1,
    wants=Wants(patterns=(b"**/pom.xml",), max_size=4 * MiB),
    extract=read_pom,
    declared=True,
)
