from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.stack_lock import STACK_LOCK


def test_a_sample():
    found = components(extract(STACK_LOCK, kinds.STACK_LOCK))
    assert [(item.name, item.version) for item in found] == [("fuzzyset", "0.2.4")]
    assert {item.evidence for item in found} == {EvidenceClass.DECLARED}


def test_any_damage_is_borne():
    check_damage(STACK_LOCK, kinds.STACK_LOCK, b"a/stack.yaml.lock")
