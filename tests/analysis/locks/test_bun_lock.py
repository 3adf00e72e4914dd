import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import MalformedFile, Skipped
from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.bun_lock import BUN_LOCK

SAMPLES = [
    (kinds.BUN_LOCK, b"a/bun.lock", [("lodash", "4.17.20"), ("@babel/core", "7.1.2")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(BUN_LOCK, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert BUN_LOCK.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(BUN_LOCK, content, path)


def test_an_entry_that_is_no_list_is_said():
    assert extract(BUN_LOCK, b'{"packages": {"x": {}}}') == [Skipped(what="an entry without a usable name")]


def test_no_json_is_malformed():
    with pytest.raises(MalformedFile):
        extract(BUN_LOCK, b'{"packages": /* no end')
