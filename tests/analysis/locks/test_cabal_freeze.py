from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.cabal_freeze import CABAL_FREEZE


def test_a_sample():
    found = components(extract(CABAL_FREEZE, kinds.CABAL_FREEZE))
    assert [(item.name, item.version) for item in found] == [("Cabal", "3.2.1.0"), ("Diff", "0.4.1")]
    assert {item.evidence for item in found} == {EvidenceClass.DECLARED}


def test_any_damage_is_borne():
    check_damage(CABAL_FREEZE, kinds.CABAL_FREEZE, b"a/cabal.project.freeze")
