import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.nuget_projects import NUGET_PROJECTS

SAMPLES = [
    (kinds.PACKAGES_CONFIG, b"a/packages.config", [("Newtonsoft.Json", "12.0.1")]),
    (kinds.CSPROJ, b"a/demo.csproj", [("Serilog", "2.10.0")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(NUGET_PROJECTS, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert NUGET_PROJECTS.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(NUGET_PROJECTS, content, path)


def test_a_document_type_is_malformed():
    with pytest.raises(MalformedFile, match="document type"):
        extract(NUGET_PROJECTS, b'<!DOCTYPE x [<!ENTITY a "b">]><packages/>')
