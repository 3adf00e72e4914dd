import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.pubspec_lock import PUBSPEC_LOCK

SAMPLES = [
    (kinds.PUBSPEC_LOCK, b"a/pubspec.lock", [("http", "0.13.3")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(PUBSPEC_LOCK, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert PUBSPEC_LOCK.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(PUBSPEC_LOCK, content, path)
