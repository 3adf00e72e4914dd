"""Programs that no package owns: the Go modules, Rust crates and package notes that they carry.

Two small reads tell what a program carries (its head; the table of its sections, where that lies elsewhere), a third
fetches it; the code is never read. Programs of Windows and macOS are read for Go alone. This module alone decides which
files are worth that: by their mode, size and name.
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.binary import go, note, rust
from rafsight.analysis.binary.sections import PROBE_SIZE, Program, open_program
from rafsight.analysis.extractor import Extractor, FileView, Found, ReadMore
from rafsight.base.units import GiB, KiB
from rafsight.image.selection import Wants

_LEAST: Final = 64 * KiB
"""[bytes] scripts are smaller, programs of Go and Rust larger."""
_OTHERS: Final = (
    ".so", ".so.*", ".a", ".o", ".ko", ".py", ".sh", ".pl", ".rb", ".js", ".mjs", ".cjs", ".php", ".jar", ".war",
    ".zip", ".gz", ".xz", ".zst", ".bz2", ".tgz", ".whl", ".json", ".xml", ".html", ".css", ".svg", ".png", ".txt",
    ".md", ".dll", ".dylib", ".ttf", ".pdf", ".map", ".ts", ".lock", ".yaml", ".yml", ".toml", ".csv", ".sql", ".jpg",
    ".gif", ".ico", ".woff", ".woff2", ".log",
)  # fmt: skip
"""Endings of files with an execute bit that are no programs. Shared libraries among them: they are many, and hardly
ever Go's."""
_WANTED: Final = (
    (go.SECTION, go.SECTION_SIZE),
    *((name, rust.SECTION_SIZE) for name in rust.SECTIONS),
    (note.SECTION, note.SECTION_SIZE),
)


def read_program(file: FileView) -> Iterator[Found]:
    """Look into one program.

    Raises: MalformedFile.
    """
    program = open_program(file)
    if program is None:
        yield from go.foreign_components(file)
        return
    if not isinstance(program, Program):
        yield program
        return
    missing = program.missing(_WANTED)
    if missing:
        yield ReadMore(ranges=missing)
        return
    yield from go.go_components(program)
    yield from rust.rust_components(program)
    yield from note.noted_components(program)


ELF: Final = Extractor(
    name="binary/elf",
    version=1,
    wants=Wants(
        patterns=(b"**/*",),
        max_size=64 * GiB,
        head=PROBE_SIZE,
        min_size=_LEAST,
        executable_only=True,
        except_for=tuple(b"**/*" + ending.encode() for ending in _OTHERS),
    ),
    extract=read_program,
    wave=3,
    unowned_only=True,
)
