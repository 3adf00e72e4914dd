"""Members of archives: found, bounded, and harmless when damaged."""

import gzip
import io
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.secrets.support import made, read, search

from rafsight.analysis.secrets import archive
from rafsight.analysis.secrets.archive import ArchiveGap, ArchiveMember, read_archive
from rafsight.base.units import MiB


def tar_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(files, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made_zip:
        for name, content in files.items():
            made_zip.writestr(name, content)
    return buffer.getvalue()


FILES = {"a/.env": b"hello", "b": b"x" * 3000}


@pytest.mark.parametrize(
    "content", [tar_of(FILES), gzip.compress(tar_of(FILES)), zip_of(FILES)], ids=["tar", "tgz", "zip"]
)
def test_members(content):
    members = list(read_archive(content, b"x", max_size=MiB))
    assert [(member.name, member.content) for member in members] == [(b"a/.env", b"hello"), (b"b", b"x" * 3000)]
    assert [member.name for member in read_archive(content, b"x", max_size=100)] == [b"a/.env"]


def test_a_gzip_of_one_file():
    assert list(read_archive(gzip.compress(b"text"), b"dump.sql.gz", max_size=100)) == [
        ArchiveMember(name=b"dump.sql", content=b"text")
    ]


def test_no_archive():
    assert read_archive(b"text", b"x.tar", max_size=100) is None


def test_bounds(monkeypatch):
    monkeypatch.setattr(archive, "TOTAL_SIZE", 100_000)
    bomb = bytes(200_000)
    for content in (gzip.compress(bomb), gzip.compress(tar_of({"a": bomb})), zip_of({"a": bomb, "b": bomb})):
        found = list(read_archive(content, b"x", max_size=MiB))
        assert isinstance(found[-1], ArchiveGap)
    monkeypatch.setattr(archive, "MEMBER_COUNT", 3)
    found = list(read_archive(tar_of({str(number): b"x" for number in range(5)}), b"x", max_size=MiB))
    assert [type(one) for one in found] == [ArchiveMember] * 3 + [ArchiveGap]


@given(st.sampled_from([tar_of(FILES), gzip.compress(tar_of(FILES)), zip_of(FILES)]), st.data())
def test_damage_is_said(content, data):
    at = data.draw(st.integers(0, len(content) - 1))
    size = data.draw(st.integers(0, len(content)))
    damaged = bytearray(content[:size])
    if at < size:
        damaged[at] ^= data.draw(st.integers(1, 255))
    for one in read_archive(bytes(damaged), b"x", max_size=MiB) or ():
        assert isinstance(one, (ArchiveMember, ArchiveGap))


def test_secrets_in_archives_in_archives():
    token = made("token=ghp_{{crc 30}}\n")
    inner = gzip.compress(tar_of({"conf/.env": token}))
    one = search()
    read(one, b"var/backups/site.zip", zip_of({"deep/inner.tar.gz": inner}))
    read(one, b"var/backups/other.tar", tar_of({"a.tar": tar_of({"b.tar": tar_of({"c/.env": token})})}))
    report = one.finish()
    assert [place.path for secret in report.secrets for place in secret.places] == [
        b"var/backups/other.tar!a.tar!b.tar",  # no deeper: what lies there is searched as it is
        b"var/backups/site.zip!deep/inner.tar.gz!conf/.env",
    ]


def test_a_damaged_archive_is_a_gap():
    one = search()
    read(one, b"srv/a.tgz", gzip.compress(tar_of(FILES))[:-20])
    assert [gap.subject for gap in one.finish().gaps] == ["srv/a.tgz"]
