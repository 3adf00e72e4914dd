import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.renv_lock import RENV_LOCK

SAMPLES = [
    (kinds.RENV_LOCK, b"a/renv.lock", [("dplyr", "1.1.4")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(RENV_LOCK, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert RENV_LOCK.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(RENV_LOCK, content, path)
