import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.lang.php_registry import PHP_REGISTRY


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (kinds.PECL_REGISTRY, ("pecl", "memcached", "3.2.0")),
        (kinds.PEAR_REGISTRY, ("pear", "Archive_Tar2", "1.4.14")),
        (b'a:2:{s:7:"package";s:1:"a";s:7:"version";s:3:"1.0";}', ("pear", "a", "1.0")),
        (
            b'a:3:{s:1:"x";a:1:{i:0;a:1:{s:4:"name";s:1:"z";}}s:4:"name";s:1:"a";s:7:"version";s:3:"1.0";}',
            ("pear", "a", "1.0"),
        ),
    ],
)
def test_registries(content, expected):
    (found,) = components(extract(PHP_REGISTRY, content))
    assert (found.ecosystem, found.name, found.version) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"N;",
        b"a:0:{}",
        b'a:1:{s:4:"name";s:9:"a";}',
        b'a:1:{s:4:"name"',
        b'O:8:"stdClass":0:{}',
        b"a:1:{i:0;" * 100_000,
        b"a:1:{a:1:{}i:0;}",
        b's:999999999:"x";',
    ],
)
def test_anything_else_is_malformed(content):
    with pytest.raises(MalformedFile):
        extract(PHP_REGISTRY, content)


def test_any_damage_is_borne():
    check_damage(PHP_REGISTRY, kinds.PECL_REGISTRY, b"a/php/.registry/x.reg")
