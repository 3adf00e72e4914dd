"""Archives of `ar`."""

import shutil
import subprocess

import pytest

from rafsight.formats.ar import read_members
from rafsight.formats.tables import MalformedImage


def header(name, size, end=b"`\n"):
    return b"%-16s%-12d%-6d%-6d%-8o%-10s" % (name, 0, 0, 0, 0o100644, size) + end


def members(content, piece=7):
    pieces = iter([content[start : start + piece] for start in range(0, len(content), piece)])
    return {one.name: b"".join(one.content) for one in read_members(pieces, where="x")}


def test_members_and_their_padding():
    content = b"!<arch>\n" + header(b"one", b"3") + b"abc\n" + header(b"two/", b"0") + header(b"three", b"1") + b"z"
    assert members(content) == {b"one": b"abc", b"two": b"", b"three": b"z"}
    assert members(b"!<arch>\n") == {}


def test_what_is_not_read_is_skipped():
    content = b"!<arch>\n" + header(b"one", b"3") + b"abc\n" + header(b"two", b"2") + b"de"
    found = [(one.name, one.size) for one in read_members(iter([content]), where="x")]
    assert found == [(b"one", 3), (b"two", 2)]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no ar archive"),
        (b"!<thin>\n", "no ar archive"),
        (b"!<arch>\n" + header(b"x", b"1", b"``") + b"a", "damaged"),
        (b"!<arch>\n" + header(b"x", b"-1") + b"a", "damaged"),
        (b"!<arch>\n" + header(b"x", b"") + b"a", "damaged"),
        (b"!<arch>\n" + header(b"//", b"1") + b"a", "with the name"),
        (b"!<arch>\n" + header(b"#1/20", b"1") + b"a", "with the name"),
        (b"!<arch>\n" + header(b"", b"1") + b"a", "with the name"),
        (b"!<arch>\n" + header(b"x", b"9999999999") + b"a", "before its member"),
        (b"!<arch>\n" + header(b"x", b"1")[:30], "too early"),
    ],
)
def test_unsound_archives(content, why):
    with pytest.raises(MalformedImage, match=why):
        members(content)


@pytest.mark.skipif(shutil.which("ar") is None, reason="needs binutils' ar as a judge")
def test_what_ar_writes(tmp_path):
    files = {b"debian-binary": b"2.0\n", b"odd": b"12345", b"empty": b""}
    for name, content in files.items():
        (tmp_path / name.decode()).write_bytes(content)
    subprocess.run(["ar", "qc", "x.a", *(name.decode() for name in files)], cwd=tmp_path, check=True)
    assert members((tmp_path / "x.a").read_bytes()) == files
