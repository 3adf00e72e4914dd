import pytest
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.lang.haskell import HASKELL

SAMPLE = b"name:                 aeson\nversion:              2.1.2.1\nvisibility:           public\nid:\n    aeson-2.1.2.1-abc\nlicense:              BSD-3-Clause\n"


def test_a_registration():
    (found,) = components(extract(HASKELL, SAMPLE))
    assert (found.ecosystem, found.name, found.version, found.licenses) == (
        "hackage",
        "aeson",
        "2.1.2.1",
        ("BSD-3-Clause",),
    )


@pytest.mark.parametrize("content", [b"", b"name: x\n", b"version: 1\n"])
def test_anything_else_is_malformed(content):
    with pytest.raises(MalformedFile):
        extract(HASKELL, content)


def test_any_damage_is_borne():
    check_damage(HASKELL, SAMPLE, b"package.conf.d/aeson-2.1.2.1.conf")
