"""Software that nobody installed as a package, known by the name of its program: interpreters, servers, libraries.

The version comes from a small text file beside the program where there is one, else from the read-only data of the
program. This module alone decides which of the two is read; `products.py` has the names and texts. A name is a hint
only: where no version is found, nothing is said.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from rafsight.analysis.binary.products import PRODUCTS, Product
from rafsight.analysis.binary.sections import Program, open_program
from rafsight.analysis.extractor import Extractor, FileView, Found, ReadMore
from rafsight.analysis.fields import identity_of
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass, Inventory
from rafsight.base.units import GiB, KiB, MiB
from rafsight.image.selection import Wants, compile_component, compile_patterns

_HEAD: Final = 32 * KiB
"""[bytes] all of a text file, and more than enough of a program."""
_DATA: Final = b".rodata"
_DATA_SIZE: Final = 64 * MiB
_RELEASE: Final = re.compile(rb"([0-9]{1,2}\.[0-9]{1,2})")
_ANY_DEPTH: Final = b"**/"


def read_known(file: FileView) -> Iterator[Found]:
    """Read the version of a program, from its own data or from a text file of its neighbourhood.

    Raises: MalformedFile.
    """
    texts = [product for product in PRODUCTS if product.beside and _named(file.name, product.beside)]
    for product in texts:
        yield from _component(product.name, _joined(product.beside_texts, file.content))
    programs = [product for product in PRODUCTS if any(_named(file.name, one) for one in product.programs)]
    if not programs or texts:
        return
    program = open_program(file)
    if not isinstance(program, Program):
        if program is not None:
            yield program
        return
    missing = program.missing([(_DATA, _DATA_SIZE)])
    if missing:
        yield ReadMore(ranges=missing)
        return
    data = program.content(_DATA, _DATA_SIZE) or b""
    release = _RELEASE.search(file.name)
    for product in programs:
        yield from _component(product.name, _first(product.texts, data, release[1] if release else b""))


def _component(name: str, version: bytes) -> Iterator[Found]:
    text = identity_of(version)
    if text:
        yield Component(ecosystem=Ecosystem.GENERIC, name=name, version=text, evidence=EvidenceClass.HEURISTIC)


def _joined(texts: Iterable[bytes], content: bytes) -> bytes:
    """Return what all expressions find, joined by dots; nothing if one of them finds nothing."""
    found = [match[1] if (match := _compiled(text).search(content)) else b"" for text in texts]
    return b".".join(found) if all(found) else b""


def _first(texts: Iterable[bytes], data: bytes, release: bytes) -> bytes:
    """Return what the first expression that fits finds."""
    for text in texts:
        if b"{release}" in text and not release:
            continue
        match = _compiled(text.replace(b"{release}", re.escape(release))).search(data)
        if match:
            return bytes(match[1])
    return b""


@lru_cache(maxsize=256)
def _compiled(text: bytes) -> re.Pattern[bytes]:
    return re.compile(text)


@lru_cache(maxsize=256)
def _base(path: bytes) -> re.Pattern[bytes]:
    return compile_component(path.rpartition(b"/")[2])


def _named(name: bytes, path: bytes) -> bool:
    return _base(path).fullmatch(name) is not None


def _choose(paths: Sequence[bytes], inventory: Inventory) -> Iterable[bytes]:  # noqa: ARG001
    """Take the text file beside a program if there is one, else the program; texts without a program are not wanted."""
    chosen: dict[bytes, None] = {}
    for product in PRODUCTS:
        beside = _beside(product, paths)
        is_program = compile_patterns(_ANY_DEPTH + one for one in product.programs).fullmatch
        for path in paths:
            if is_program(path):
                text = beside.get(_folder(_folder(path)))
                if text is not None or product.texts:
                    chosen[text or path] = None
    return chosen


def _beside(product: Product, paths: Iterable[bytes]) -> Mapping[bytes, bytes]:
    """Return the text files of a product by the folder that they are beside of; the last of several."""
    if not product.beside:
        return {}
    whole = compile_patterns((_ANY_DEPTH + product.beside,)).fullmatch
    depth = product.beside.count(b"/") + 1
    found = {}
    for path in paths:
        if whole(path):
            folder = path
            for _ in range(depth):
                folder = _folder(folder)
            found[folder] = path
    return found


def _folder(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]


KNOWN: Final = Extractor(
    name="binary/known",
    version=1,
    wants=Wants(
        patterns=tuple(
            dict.fromkeys(
                _ANY_DEPTH + path for product in PRODUCTS for path in (*product.programs, product.beside) if path
            )
        ),
        max_size=64 * GiB,
        head=_HEAD,
    ),
    extract=read_known,
    wave=3,
    choose=_choose,
    unowned_only=True,
)
