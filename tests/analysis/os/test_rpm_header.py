import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.support import package, rpm_header

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.os.rpm_header import read_header

BASH = package(
    "bash", "5.1.8", "6.el9", epoch=2, vendor="AlmaLinux", licence="GPLv3+", arch="x86_64", source="bash-5.1.8-6.el9.src.rpm",
    modularity="m:1:2:3", files=["/usr/bin/bash", "/etc/skel/.bashrc", "/usr/bin/sh"],
)  # fmt: skip


def test_reads_what_was_written():
    header = read_header(BASH)
    assert (header.name, header.version, header.release, header.epoch) == (b"bash", b"5.1.8", b"6.el9", 2)
    assert (header.vendor, header.licence, header.arch) == (b"AlmaLinux", b"GPLv3+", b"x86_64")
    assert (header.source_rpm, header.modularity) == (b"bash-5.1.8-6.el9.src.rpm", b"m:1:2:3")
    assert list(header.paths()) == [b"/usr/bin/bash", b"/etc/skel/.bashrc", b"/usr/bin/sh"]


def test_absent_tags_are_normal():
    header = read_header(rpm_header({1000: "x", 1001: "1"}))
    assert (header.epoch, header.modularity, list(header.paths())) == (0, b"", [])


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        BASH[:20],
        BASH[:-1],
        struct.pack(">II", 1 << 30, 0) + BASH[8:],
        struct.pack(">II", 2, 1 << 31) + BASH[8:],
        rpm_header({1001: "1"}),
        rpm_header({1000: 7, 1001: "1"}),
        rpm_header({1000: "x", 1001: "1", 1003: "text"}),
        rpm_header({1000: "x", 1001: "1", 1117: ["a", "b"], 1116: [0], 1118: ["/"]}),
        rpm_header({1000: "x", 1001: "1", 1117: ["a"], 1116: [1], 1118: ["/"]}),
        rpm_header({1000: "x", 1001: "1", 1117: "a", 1116: [0], 1118: 5}),
        rpm_header({1000: "x", 1001: "1", 1117: ["a", "b"]}).replace(b"a\0b\0", b"aaaa"),
    ],
)
def test_damage_is_malformed(blob):
    with pytest.raises(MalformedFile):
        read_header(blob)


def test_a_count_cannot_ask_for_memory():
    blob = bytearray(rpm_header({1000: "x", 1001: "1", 1116: [0]}))
    blob[8 + 3 * 16 + 12 : 8 + 3 * 16 + 16] = b"\xff\xff\xff\xff"
    with pytest.raises(MalformedFile, match="tag 1116"):
        read_header(bytes(blob))


@given(position=st.integers(0, len(BASH) - 1), byte=st.integers(0, 255), cut=st.integers(0, len(BASH)))
def test_any_damage_is_read_or_malformed(position, byte, cut):
    blob = bytearray(BASH)
    blob[position] = byte
    for damaged in (bytes(blob), bytes(blob[:cut])):
        try:
            header = read_header(damaged)
        except MalformedFile:
            continue
        assert header.name
        list(header.paths())
