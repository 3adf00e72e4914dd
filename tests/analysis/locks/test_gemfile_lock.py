import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.gemfile_lock import GEMFILE_LOCK

SAMPLES = [
    (kinds.GEMFILE_LOCK, b"a/Gemfile.lock", [("y", "0.1.0"), ("nokogiri", "1.15.4"), ("rack", "2.2.3")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(GEMFILE_LOCK, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert GEMFILE_LOCK.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(GEMFILE_LOCK, content, path)
