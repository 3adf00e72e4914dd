"""Zipped eggs: found by their directory, read by one member."""

import io
import os
import zipfile
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from tests.analysis.damage import damaged
from tests.analysis.support import Tree, extract, names, run

from rafsight.analysis.extractor import FileView, MalformedFile, ReadMore
from rafsight.analysis.lang.python_egg import PYTHON_EGG

HEADERS = b"Metadata-Version: 1.1\nName: Jinja2\nVersion: 2.10\nLicense: BSD\n"
PATH = b"usr/lib/python2.7/site-packages/Jinja2-2.10-py2.7.egg"


def egg(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


EGG = egg(**{"jinja2/__init__.py": b"x" * 100, "EGG-INFO/PKG-INFO": HEADERS, "EGG-INFO/zip-safe": b""})
LARGE = egg(**{"EGG-INFO/PKG-INFO": HEADERS, "a.so": os.urandom(400_000)})


def test_an_egg_is_a_package_at_its_member():
    (found,) = run({PATH: EGG}).components
    assert (found.ecosystem, found.name, found.version, found.licenses) == ("pypi", "Jinja2", "2.10", ("BSD",))
    assert found.locations == (PATH + b":EGG-INFO/PKG-INFO",)


def test_of_a_large_egg_its_ends_are_read():
    tree = Tree({PATH: LARGE})
    assert names(run(tree, [PYTHON_EGG])) == [("pypi", "Jinja2", "2.10")]
    assert sum(size for _, ranges in tree.reads for _, size in ranges) < 70_000


def test_what_is_missing_is_asked_for():
    (more,) = PYTHON_EGG.extract(FileView(path=b"a.egg", size=len(LARGE), runs=((0, LARGE[:1024]),)))
    assert isinstance(more, ReadMore)


@pytest.mark.parametrize("content", [b"", b"no archive", egg(a=b"b"), egg()])
def test_not_everything_of_that_name_is_an_egg(content):
    assert extract(PYTHON_EGG, content) == []


def test_a_bomb_is_refused():
    bomb = egg(**{"EGG-INFO/PKG-INFO": b"Name: a\nVersion: 1\n" + b"\n" * (8 << 20)})
    (found,) = extract(PYTHON_EGG, bomb)  # the headers come first, and no more is inflated
    assert found.name == "a"


def test_damage_is_told():
    broken = EGG.replace(zlib.crc32(HEADERS).to_bytes(4, "little"), b"\0\0\0\0")
    with pytest.raises(MalformedFile):
        extract(PYTHON_EGG, broken)


@settings(max_examples=120, deadline=None)
@given(content=damaged(EGG))
def test_any_content_is_read_or_refused(content):
    with suppress(MalformedFile):
        assert all(one.name and one.version for one in extract(PYTHON_EGG, content))
