import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.mix_lock import MIX_LOCK

SAMPLES = [
    (kinds.MIX_LOCK, b"a/mix.lock", [("plug", "1.11.0")]),
    (kinds.REBAR_LOCK, b"a/rebar.lock", [("cowboy", "2.8.0")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(MIX_LOCK, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert MIX_LOCK.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(MIX_LOCK, content, path)
