import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.lang.lua import LUA


@pytest.mark.parametrize(
    ("content", "path", "expected"),
    [
        (kinds.ROCKSPEC, b"a/luasocket-3.1.0-1.rockspec", ("luasocket", "3.1.0-1", ("MIT",))),
        (b"local v = '1.0'\npackage = 'x'\nversion = v .. '-1'\n", b"a/x-1.0-1.rockspec", ("x", "1.0-1", ())),
    ],
)
def test_rocks(content, path, expected):
    (found,) = components(extract(LUA, content, path))
    assert (found.name, found.version, found.licenses) == expected


def test_neither_file_nor_name():
    with pytest.raises(MalformedFile):
        extract(LUA, b"version = v", b"a/x.rockspec")


def test_any_damage_is_borne():
    check_damage(LUA, kinds.ROCKSPEC, b"a/luasocket-3.1.0-1.rockspec")
