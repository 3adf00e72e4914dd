import pytest
from tests.analysis.damage import check_damage
from tests.analysis.support import extract, run

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.lang.julia import JULIA

SAMPLE = b'name = "JSON"\nuuid = "682c06a0-de6a-54ab-a142-c8b1cf79cde6"\nversion = "0.21.4"\n\n[deps]\nDates = "x"\n'


def test_a_package_in_a_depot():
    (found,) = run({b"root/.julia/packages/JSON/93Ea8/Project.toml": SAMPLE}, [JULIA]).components
    assert found.purl == "pkg:julia/JSON@0.21.4?uuid=682c06a0-de6a-54ab-a142-c8b1cf79cde6"


def test_applications_are_no_packages():
    assert extract(JULIA, b'[deps]\nJSON = "x"\n') == []
    with pytest.raises(MalformedFile):
        extract(JULIA, b"name = ")


def test_any_damage_is_borne():
    check_damage(JULIA, SAMPLE, b"packages/JSON/93Ea8/Project.toml")
