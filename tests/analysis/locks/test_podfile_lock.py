import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import Skipped
from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.podfile_lock import PODFILE_LOCK

SAMPLES = [
    (kinds.PODFILE_LOCK, b"a/Podfile.lock", [("Firebase", "8.1.0"), ("Alamofire", "5.4.3")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(PODFILE_LOCK, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert PODFILE_LOCK.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(PODFILE_LOCK, content, path)


def test_a_pod_without_a_version_is_said():
    assert extract(PODFILE_LOCK, b"PODS:\n  - Alamofire\n") == [
        Skipped(what="a pod that is not written as NAME (VERSION)")
    ]
