"""What programs carry, in every form of ELF, and what it costs to know."""

import os
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.analysis.binary.programs import crates, elf, inline_build_info, note, pointed_program
from tests.analysis.support import Tree, names, run

from rafsight.analysis.binary.elf import ELF
from rafsight.analysis.catalogue import CATALOGUE
from rafsight.analysis.extractor import FileView, MalformedFile, ReadMore, Skipped
from rafsight.analysis.inventory import Component, GapReason
from rafsight.analysis.ranges import merge_ranges, merge_runs

MODULES = "path\texample.org/app\nmod\texample.org/app\tv1.0.0\t\ndep\tgolang.org/x/text\tv0.3.5\th1:abc=\n"
EXPECTED = [
    ("golang", "example.org/app", "v1.0.0"),
    ("golang", "golang.org/x/text", "v0.3.5"),
    ("golang", "stdlib", "1.21.3"),
]
INFO = inline_build_info("go1.21.3", MODULES)
CODE = {b".text": bytes(80_000)}
PATH = b"usr/local/bin/app"


def look(content, path=PATH, **more):
    tree = Tree({path: content, **more.pop("files", {})}, executable={path}, **more)
    return run(tree, [ELF]), tree


def details(inventory):
    return [(gap.reason, gap.detail) for gap in inventory.gaps if gap.extractor == "binary/elf"]


@pytest.mark.parametrize("is_64", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("table_first", [True, False])
def test_go_in_every_form_of_elf(is_64, order, table_first):
    program = elf(CODE | {b".go.buildinfo": INFO}, is_64=is_64, order=order, table_first=table_first)
    assert names(look(program)[0]) == EXPECTED
    old = pointed_program("go1.21.3", MODULES, is_64=is_64, order=order, table_first=table_first, gap=80_000)
    assert names(look(old)[0]) == EXPECTED


def test_only_the_bytes_that_matter_are_read():
    program = elf(CODE | {b".go.buildinfo": INFO, b".more": bytes(500_000)}, gap=20_000)
    inventory, tree = look(program)
    assert names(inventory) == EXPECTED
    assert [len(ranges) for _, ranges in tree.reads] == [1, 1, 1]
    assert sum(size for _, ranges in tree.reads for _, size in ranges) < 10_000
    plain = elf(CODE | {b".more": bytes(500_000)})
    inventory, tree = look(plain)
    assert names(inventory) == []
    assert len(tree.reads) == 2  # its head, and the table at its end
    assert details(inventory) == []


def test_a_script_costs_its_head():
    inventory, tree = look(b"#!/bin/sh\n" * 10_000)
    assert [ranges for _, ranges in tree.reads] == [((0, 4096),)]
    assert details(inventory) == []


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (b"usr/lib/libx.so", elf(CODE | {b".go.buildinfo": INFO})),
        (b"usr/lib/libx.so.1", elf(CODE | {b".go.buildinfo": INFO})),
        (b"opt/x.py", elf(CODE | {b".go.buildinfo": INFO})),
        (b"opt/small", elf({b".go.buildinfo": INFO})),
    ],
)
def test_what_is_not_looked_into(path, content):
    _, tree = look(content, path)
    assert tree.reads == []


def test_a_file_without_an_execute_bit_is_not_looked_into():
    tree = Tree({PATH: elf(CODE | {b".go.buildinfo": INFO})})
    run(tree, [ELF])
    assert tree.reads == []


def test_a_program_of_the_distribution_costs_nothing():
    files = {
        b"usr/bin/tool": elf(CODE | {b".go.buildinfo": INFO}),
        b"usr/bin/vendor": elf(CODE | {b".dep-v0": crates([{"name": "a", "version": "1.0.0"}])}),
        b"var/lib/dpkg/status": b"""Package: tool
Status: install ok installed
Maintainer: Debian Go Team <team@tracker.debian.org>
Version: 1.0-1

Package: vendor
Status: install ok installed
Maintainer: HashiCorp <packages@hashicorp.com>
Version: 2.0
""",
        b"var/lib/dpkg/info/tool.list": b"/usr/bin/tool\n",
        b"var/lib/dpkg/info/vendor.list": b"/usr/bin/vendor\n",
    }
    tree = Tree(files, executable=set(files))
    assert names(run(tree, CATALOGUE)) == [("cargo", "a", "1.0.0"), ("deb", "tool", "1.0-1"), ("deb", "vendor", "2.0")]
    assert b"usr/bin/tool" not in {path for path, _ in tree.reads}


def test_everything_at_once():
    sections = {
        b".go.buildinfo": INFO,
        b".dep-v0": crates([{"name": "serde", "version": "1.0.1"}]),
        b".note.package": note(b'{"type":"rpm","name":"coreutils","version":"9.1-8.fc37"}'),
    }
    inventory, tree = look(elf(sections | CODE))
    assert names(inventory) == [("cargo", "serde", "1.0.1"), ("generic", "coreutils", "9.1-8.fc37"), *EXPECTED]
    assert {item.purl for item in inventory.components} >= {
        "pkg:cargo/serde@1.0.1",
        "pkg:generic/coreutils@9.1-8.fc37",
        "pkg:golang/golang.org/x/text@v0.3.5",
        "pkg:golang/stdlib@1.21.3",
    }
    assert len(tree.reads) == 2  # they lie in its head


def test_a_packed_program_is_a_gap():
    packed = b"\x7fELF\x02\x01\x01" + bytes(57) + b"\x01\x02\x03\x04UPX!" + bytes(80_000)
    assert details(look(packed)[0]) == [(GapReason.UNSUPPORTED, "not looked into: it is packed by UPX")]


def test_a_program_without_sections_is_a_gap():
    bare = b"\x7fELF\x02\x01\x01" + bytes(80_000)
    assert details(look(bare)[0]) == [(GapReason.UNSUPPORTED, "not looked into: a program without a table of sections")]


def test_a_program_that_was_cut_is_a_gap():
    program = elf(CODE | {b".go.buildinfo": INFO})
    ((reason, detail),) = details(look(program[:-100])[0])
    assert reason is GapReason.MALFORMED
    assert "a section table beyond the end of the file" in detail


def test_absurd_counts_of_sections():
    program = bytearray(elf(CODE) + bytes(64 * 60_000))
    program[60:62] = (60_000).to_bytes(2, "little")
    inventory, tree = look(bytes(program))
    assert details(inventory) == [(GapReason.TOO_LARGE, "not looked into: it has 60000 sections")]
    assert len(tree.reads) == 1


def test_sections_beyond_the_end_do_not_count():
    program = bytearray(elf({b".go.buildinfo": INFO, **CODE}))
    at = program.rindex((64).to_bytes(8, "little") + len(INFO).to_bytes(8, "little"))
    program[at + 8 : at + 16] = (1 << 60).to_bytes(8, "little")
    assert names(look(bytes(program))[0]) == []


def test_two_gigabytes_of_nothing(tmp_path):
    """A sparse file with a table at its very end: as few bytes as any other."""
    small = elf(CODE | {b".go.buildinfo": INFO}, table_first=False)
    offset = int.from_bytes(small[40:48], "little")
    size = 2 << 30
    where = size - (len(small) - offset)
    program = bytearray(small[:64])
    program[40:48] = where.to_bytes(8, "little")
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(bytes(program) + small[64:offset])
        file.truncate(where)
        file.seek(where)
        file.write(small[offset:])
    found, read = drive(path)
    assert [(item.name, item.version) for item in found if isinstance(item, Component)] == [
        ("golang.org/x/text", "v0.3.5"),
        ("example.org/app", "v1.0.0"),
        ("stdlib", "1.21.3"),
    ]
    assert read < 30_000


def drive(path, size=None):
    """Call the extractor with what it asks for until it has an answer; return that, and how many bytes it took."""
    handle = os.open(path, os.O_RDONLY)
    size = size or os.fstat(handle).st_size
    try:
        runs, ranges = (), ((0, ELF.wants.head),)
        for _ in range(6):
            parts = merge_ranges(ranges, size)
            runs = merge_runs((*runs, *((offset, os.pread(handle, length, offset)) for offset, length in parts)))
            found = list(ELF.extract(FileView(path=b"a", size=size, runs=runs)))
            if not (found and isinstance(found[0], ReadMore)):
                return found, sum(len(content) for _, content in runs)
            ranges = found[0].ranges
    finally:
        os.close(handle)
    raise AssertionError("it asks too often")


def damaged(content):
    """Some bytes overwritten, or the end cut off."""
    size = len(content)
    changes = some.lists(some.tuples(some.integers(0, size - 1), some.binary(min_size=1, max_size=9)), max_size=6)
    return some.tuples(changes, some.integers(0, size))


SAMPLES = [
    elf({b".go.buildinfo": INFO, b".dep-v0": crates([{"name": "a", "version": "1"}]), b".note.package": note(b"{}")}),
    elf({b".go.buildinfo": INFO}, is_64=False, order=">", table_first=True),
    pointed_program("go1.13", MODULES),
    pointed_program("go1.13", MODULES, is_64=False, order=">"),
]


@settings(deadline=None, max_examples=400)
@given(some.sampled_from(SAMPLES).flatmap(lambda content: some.tuples(some.just(content), damaged(content))))
def test_damaged_programs_end_in_a_fault_of_theirs(case):
    content, (changes, cut) = case
    broken = bytearray(content)
    for position, octets in changes:
        broken[position : position + len(octets)] = octets
    broken = broken[: cut or len(broken)]
    view = FileView(path=b"a", size=len(broken), runs=((0, bytes(broken)),))
    try:
        found = list(ELF.extract(view))
    except MalformedFile:
        return
    assert all(isinstance(item, Component | Skipped) for item in found)  # all of it was read: there is no more
    assert len(found) < 10


@settings(deadline=None, max_examples=200)
@given(
    some.sampled_from([b"\x7fELF\x02\x01", b"\x7fELF\x01\x02", b"MZ", b"\xcf\xfa\xed\xfe", b""]),
    some.binary(max_size=300),
)
def test_any_bytes_end_in_a_fault_of_theirs(magic, rest):
    content = magic + rest
    try:
        found = list(ELF.extract(FileView(path=b"a", size=len(content), runs=((0, content),))))
    except MalformedFile:
        return
    assert all(isinstance(item, Component | Skipped) for item in found)


@pytest.fixture(scope="session")
def go_program(tmp_path_factory):
    """A tiny program with a replaced module, and the release of the toolchain that built it."""
    if shutil.which("go") is None:
        pytest.skip("needs go on PATH")
    folder = tmp_path_factory.mktemp("go")
    (folder / "local").mkdir()
    (folder / "local/go.mod").write_text("module example.org/Local\n")
    (folder / "local/x.go").write_text("package local\n\nconst X = 1\n")
    (folder / "go.mod").write_text(
        "module example.org/app\n\ngo 1.18\n\nrequire example.org/Local v0.1.0\n\nreplace example.org/Local => ./local\n"
    )
    (folder / "main.go").write_text(
        'package main\n\nimport l "example.org/Local"\n\nvar version = "dev"\n\nfunc main() { print(version, l.X) }\n'
    )
    alone = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOWORK": "off", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    command = ["go", "build", "-buildvcs=false", "-ldflags=-s -w -X main.version=1.2.3", "-o", "app", "."]
    done = subprocess.run(command, cwd=folder, env=os.environ | alone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    release = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
    return folder / "app", release


def test_what_go_builds(go_program):
    program, release = go_program
    found, read = drive(program)
    assert [(item.name, item.version) for item in found] == [
        ("example.org/Local", "(devel)"),
        ("example.org/app", "v1.2.3"),
        ("stdlib", release.removeprefix("go")),
    ]
    assert read < 20_000
