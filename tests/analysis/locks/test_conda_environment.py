import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.conda_environment import CONDA_ENVIRONMENT

SAMPLES = [
    (kinds.CONDA_ENVIRONMENT, b"a/environment.yml", [("numpy", "1.26.4"), ("scipy", "1.10"), ("flask", "0.12.2")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(CONDA_ENVIRONMENT, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert CONDA_ENVIRONMENT.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(CONDA_ENVIRONMENT, content, path)
