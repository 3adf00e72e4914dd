"""Lock files of Python projects as TOML: Poetry, uv, PDM, and `pylock.toml` of PEP 751. They differ in little.

This module alone decides which entries are packages: not the project itself, nor folders of it.
"""

from collections.abc import Iterator
from typing import Any, Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.locks.locked import locked
from rafsight.analysis.toml_text import TOML_SIZE, read_toml, table_in, tables_in
from rafsight.image.selection import Wants

_LOCAL: Final = frozenset({"virtual", "editable", "directory", "path"})


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file.

    Raises: MalformedFile.
    """
    document = read_toml(file.content)
    for package in (*tables_in(document, "package"), *tables_in(document, "packages")):
        if not _is_local(package):
            yield locked(Ecosystem.PYPI, package.get("name"), package.get("version"))


def _is_local(package: dict[str, Any]) -> bool:
    """Tell whether an entry is a folder: uv and Poetry say so in `source`, PDM and PEP 751 beside the name."""
    source = table_in(package, "source")
    return (
        not _LOCAL.isdisjoint(source)
        or source.get("type") == "directory"
        or "path" in package
        or "directory" in package
    )


PYTHON_LOCKS: Final = Extractor(
    name="locks/python-locks",
    version=1,
    wants=Wants(
        patterns=(
            b"**/poetry.lock",
            b"**/uv.lock",
            b"**/*.py.lock",
            b"**/pdm.lock",
            b"**/pylock.toml",
            b"**/pylock.*.toml",
        ),
        max_size=TOML_SIZE,
    ),
    extract=read_lock,
    declared=True,
)
