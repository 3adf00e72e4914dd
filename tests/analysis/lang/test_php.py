import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract, run

from rafsight.analysis.extractor import MalformedFile, Skipped
from rafsight.analysis.lang.php import PHP


@pytest.mark.parametrize(
    "content",
    [
        kinds.COMPOSER_INSTALLED,
        b'[{"name": "monolog/monolog", "version": "2.3.5", "license": ["MIT"]}, {"name": "Symfony/Console", "version": "v5.4.1", "license": "MIT"}]',
    ],
)
def test_both_forms(content):
    found = components(extract(PHP, content))
    assert [(item.name, item.version, item.licenses) for item in found] == [
        ("monolog/monolog", "2.3.5", ("MIT",)),
        ("Symfony/Console", "v5.4.1", ("MIT",)),
    ]


def test_spellings_of_one_name_are_one_package():
    content = b'[{"name": "A/B", "version": "1"}, {"name": "a/b", "version": "1"}]'
    (found,) = run({b"x/vendor/composer/installed.json": content}, [PHP]).components
    assert found.purl == "pkg:composer/a/b@1"


@pytest.mark.parametrize("content", [b"{}", b"[]", b"7", b'{"packages": {}}', b'[{"name": "x"}]', b'[1, "a", null]'])
def test_files_of_others_name_no_package(content):
    assert extract(PHP, content) == []


def test_what_has_no_version_is_said_and_no_json_is_malformed():
    assert extract(PHP, b'[{"name": "a/b"}]') == [Skipped(what="a/b has no usable version")]
    with pytest.raises(MalformedFile):
        extract(PHP, b"{")


def test_any_damage_is_borne():
    check_damage(PHP, kinds.COMPOSER_INSTALLED, b"a/installed.json")
