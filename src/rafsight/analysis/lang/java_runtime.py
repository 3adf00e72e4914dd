"""Java runtimes: the file `release` at the root of a JDK or JRE.

This module alone decides which such file is a runtime's (the one beside `bin/java`), and what the runtime is called: by
the maker's own name where its advisories differ from those of OpenJDK. A runtime that the distribution packaged is its
affair, and no second component.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, Skipped
from rafsight.analysis.fields import identity_of, lines_of
from rafsight.analysis.inventory import Component, Ecosystem, Inventory
from rafsight.base.units import KiB
from rafsight.image.selection import Wants

_RELEASE: Final = b"release"
_PROGRAM: Final = b"bin/java"
_VERSIONS: Final = (b"JAVA_RUNTIME_VERSION", b"FULL_VERSION", b"JAVA_VERSION")


def read_release(file: FileView) -> Iterator[Found]:
    """Read one `release`: lines `KEY="value"`."""
    fields: dict[bytes, bytes] = {}
    for line in lines_of(file.content):
        key, found, value = line.strip().partition(b"=")
        if found:
            fields.setdefault(key, value.strip(b'"'))
    version = next(filter(None, (identity_of(fields.get(key, b"")) for key in _VERSIONS)), "")
    if not (version and version.isprintable()):
        yield Skipped(what="a Java runtime whose release file names no version")
        return
    yield Component(ecosystem=Ecosystem.GENERIC, name=_name(fields), version=version)


def _name(fields: dict[bytes, bytes]) -> str:
    maker = fields.get(b"IMPLEMENTOR", b"")
    if maker.startswith(b"Azul"):
        return "zulu"
    if maker.startswith(b"Oracle") or (not maker and fields.get(b"BUILD_TYPE") == b"commercial"):
        return "jre" if fields.get(b"IMAGE_TYPE") == b"JRE" else "jdk"
    return "openjdk"


def _beside_the_program(paths: Sequence[bytes], inventory: Inventory) -> Iterable[bytes]:  # noqa: ARG001
    """Choose the `release` files beside `bin/java`, which is only looked for and never read."""
    known = frozenset(paths)
    return (
        path
        for path in paths
        if path.rpartition(b"/")[2] == _RELEASE and path.removesuffix(_RELEASE) + _PROGRAM in known
    )


JAVA_RUNTIME: Final = Extractor(
    name="lang/java-runtime",
    version=1,
    wants=Wants(patterns=(b"**/release", b"**/bin/java"), max_size=64 * KiB),
    extract=read_release,
    choose=_beside_the_program,
    wave=3,
    unowned_only=True,
)
