import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import Skipped
from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.composer_lock import COMPOSER_LOCK

SAMPLES = [
    (kinds.COMPOSER_LOCK, b"a/composer.lock", [("monolog/monolog", "2.3.5"), ("phpunit/phpunit", "9.5.0")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(COMPOSER_LOCK, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert COMPOSER_LOCK.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(COMPOSER_LOCK, content, path)


def test_a_null_list_and_an_odd_entry():
    content = b'{"packages": [{"name": "a/b", "version": null}, 7], "packages-dev": null}'
    assert extract(COMPOSER_LOCK, content) == [Skipped(what="a/b has no usable version")]
