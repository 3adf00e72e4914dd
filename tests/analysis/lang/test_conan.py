import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import Tree, run

from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.lang.conan import CONAN, component_of

PATH = b"root/.conan/data/openssl/1.1.1w/me/stable/package/4e1a1b/conaninfo.txt"


def test_a_package_and_what_it_was_built_with():
    inventory = run(Tree({PATH: kinds.CONANINFO}), [CONAN])
    assert [(item.purl, item.evidence) for item in inventory.components] == [
        ("pkg:conan/openssl@1.1.1w?channel=stable&user=me", EvidenceClass.INSTALLED),
        ("pkg:conan/zlib@1.2.11", EvidenceClass.DECLARED),
    ]


@pytest.mark.parametrize("reference", ["", "zlib", "zlib/", "zlib/[>1.2]", "/1", "a b/1", "x" * 9999])
def test_what_is_no_reference(reference):
    assert component_of(reference, EvidenceClass.DECLARED) is None


def test_any_damage_is_borne():
    check_damage(CONAN, kinds.CONANINFO, PATH)
