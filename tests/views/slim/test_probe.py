"""A look into programs tells which of them a scanner would find something in."""

import pytest
from tests.views.slim.images import other_name, program, write_image
from tests.views.slim.programs import elf

import rafsight
from rafsight.base.units import KiB, MiB
from rafsight.views.slim.rules import rules_for
from rafsight.views.slim.selection import select_kept

GO = [b".text", b".go.buildinfo"]
PLAIN = [b".text", b".data"]
HOLDS = {
    "app/go": program(elf(GO)),
    "app/go-names-far-away": program(elf(GO, gap=64 * KiB)),
    "app/go-big-endian": program(elf(GO, is_64=False, order=">")),
    "app/rust": program(elf([*PLAIN, b".dep-v0"])),
    "app/no-sections": program(elf(PLAIN, table_offset=0)),
    "app/table-behind-the-end": program(elf(PLAIN, table_offset=1 << 40)),
    "app/names-behind-the-end": program(elf(GO, names_size=1 << 30)),
    "app/windows": program(b"MZ" + bytes(98)),
    "app/macos": program(b"\xcf\xfa\xed\xfe" + bytes(96)),
}
HOLDS_NOTHING = {
    "app/plain": program(elf(PLAIN)),
    "app/plain-names-far-away": program(elf(PLAIN, gap=64 * KiB)),
    "app/script": program(b"#!/bin/sh\n" + b"#" * 100),
    "app/short": program(b"\x7fELF"),
    "app/empty": program(b""),
    "app/not-executable": program(elf(GO), 0o644),
}


def kept_of(reference, name):
    with rafsight.open_image(reference) as image:
        kept = select_kept(image, rules_for(name))
        assert not kept.lost
        return {image.tree.path(row).decode() for row in kept.links}


@pytest.mark.parametrize("name", ["trivy", "osv-scanner", "syft"])
def test_programs_are_kept_for_what_is_in_them(tmp_path, name):
    assert kept_of(write_image(tmp_path, HOLDS | HOLDS_NOTHING), name) == set(HOLDS)


def test_syft_and_trivy_look_for_different_things(tmp_path):
    reference = write_image(
        tmp_path,
        {
            "usr/lib/libnote.so.1": program(elf([*PLAIN, b".note.package"]), 0o644),
            "usr/lib/libgo.so": program(elf(GO), 0o644),
            "usr/bin/native": program(elf([*PLAIN, b".svm_heap"])),
            "usr/bin/bundle": program(elf(PLAIN, appended=bytes(9 * KiB))),
            "usr/bin/padded": program(elf(PLAIN, appended=bytes(100))),
        },
    )
    assert kept_of(reference, "trivy") == set()
    assert kept_of(reference, "osv-scanner") == {"usr/lib/libgo.so"}
    assert kept_of(reference, "syft") == {
        "usr/lib/libnote.so.1",
        "usr/lib/libgo.so",
        "usr/bin/native",
        "usr/bin/bundle",
    }


def test_a_name_that_may_run_makes_all_names_programs(tmp_path):
    entries = {"a": program(elf(GO)), "b": other_name("a")}
    assert kept_of(write_image(tmp_path, entries), "trivy") == {"a"}


def test_damaged_layers_are_told_apart_from_programs_without_anything(tmp_path):
    """What cannot be looked into is lost, not left out."""
    reference = write_image(tmp_path, {"app/go": program(elf(GO, appended=bytes(3 * MiB)))})
    with rafsight.open_image(reference) as image:
        layer = tmp_path / "blobs/sha256" / image.tree.tables.blobs[0].blob_id
        content = bytearray(layer.read_bytes())
        content[len(content) // 2] ^= 1
        layer.write_bytes(content)
        kept = select_kept(image, rules_for("trivy"))
        (row,) = kept.lost
        assert image.tree.path(row) == b"app/go"
        assert not kept.links
