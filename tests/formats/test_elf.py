"""Section names of real and of made-up ELF files."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.views.slim.programs import elf

from rafsight.formats.elf import ELF_HEAD, read_elf_head, read_sections, section_names


def names_of(content):
    head = read_elf_head(content[:ELF_HEAD])
    sections = read_sections(head, content[head.table_offset :][: head.table_size])
    names = content[sections.names_offset : sections.names_offset + sections.names_size]
    return section_names(sections, names), sections


@pytest.mark.parametrize("is_64", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_class_and_byte_order(is_64, order):
    content = elf([b".text", b".go.buildinfo"], is_64=is_64, order=order)
    names, sections = names_of(content)
    assert names == {b"", b".text", b".go.buildinfo", b".shstrtab"}
    assert sections.end == len(content)


def test_a_program_of_this_machine():
    if shutil.which("readelf") is None:
        pytest.skip("needs readelf on PATH")
    program = shutil.which("bash")
    told = subprocess.run(["readelf", "-W", "-S", program], capture_output=True, text=True, check=True).stdout
    names, _ = names_of(Path(program).read_bytes())
    assert b".text" in names
    assert {name.decode() for name in names if name} == {
        line.partition("]")[2].split()[0]
        for line in told.splitlines()
        if line.lstrip().startswith("[") and "NULL" not in line and "Nr]" not in line
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#!/bin/sh\n" + bytes(100),
        elf([b".text"])[:63],
        b"\x7fELF" + bytes(60),
        elf([b".text"], count=0),
        elf([b".text"], count=0xFF00),
        elf([b".text"], names_index=9),
        elf([b".text"], table_offset=0),
        elf([b".text"], entry_size=63),
    ],
)
def test_what_has_no_sections_to_count_on(content):
    assert read_elf_head(content[:ELF_HEAD]) is None


def test_bytes_without_a_file_are_not_counted():
    content = elf([b".text", b".bss"], no_bits={b".bss"})
    assert names_of(content)[1].end == len(content)


@settings(deadline=None, max_examples=200)
@given(some.binary(min_size=64, max_size=400), some.booleans(), some.sampled_from("<>"))
def test_any_bytes_behind_a_sound_head_are_read_without_fault(noise, is_64, order):
    content = elf([b".text", b".data"], is_64=is_64, order=order)
    head = read_elf_head(content[:ELF_HEAD])
    table = (noise * 8)[: head.table_size]
    sections = read_sections(head, table)
    assert section_names(sections, noise)
    assert len(sections.entries) == head.count
