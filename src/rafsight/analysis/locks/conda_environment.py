"""conda's environment files: `dependencies` with a fixed version.

This module alone decides what is fixed: `NAME=VERSION[=BUILD]` and `NAME==VERSION`; of the part for pip the latter.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.locks.locked import locked
from rafsight.analysis.yaml_text import Node, list_in, read_documents
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_CONDA: Final = re.compile(
    r"(?:[^\s:=<>!~\[\]]{1,200}::)?([^\s=<>!~\[\]]{1,250})\s{0,8}={1,2}\s{0,8}([^\s=<>!~*,|]{1,250})(?:=([^\s=]{1,250}))?"
)
_PIP: Final = re.compile(
    r"([A-Za-z0-9._-]{1,250})(?:\[[^\]]{0,250}\])?\s{0,8}==\s{0,8}([A-Za-z0-9._!+-]{1,250})(?:\s{0,8};.{0,1000})?"
)


def read_environment(file: FileView) -> Iterator[Found]:
    """Read one environment; dependencies without a fixed version are passed over.

    Raises: MalformedFile.
    """
    for document in read_documents(file.content):
        for item in list_in(document, "dependencies"):
            yield from _conda(item) if isinstance(item, str) else _pip(item)


def _conda(text: str) -> Iterator[Found]:
    match = _CONDA.fullmatch(text)
    if match is not None:
        qualifiers = (("build", match[3]),) if match[3] else ()
        yield locked(Ecosystem.CONDA, match[1], match[2], qualifiers=qualifiers)


def _pip(item: Node) -> Iterator[Found]:
    for text in list_in(item, "pip"):
        match = _PIP.fullmatch(text) if isinstance(text, str) else None
        if match is not None:
            yield locked(Ecosystem.PYPI, match[1], match[2])


CONDA_ENVIRONMENT: Final = Extractor(
    name="locks/conda-environment",
    version=1,
    wants=Wants(patterns=(b"**/environment.yml", b"**/environment.yaml"), max_size=4 * MiB),
    extract=read_environment,
    declared=True,
)
