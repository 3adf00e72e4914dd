import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.julia_manifest import JULIA_MANIFEST

SAMPLES = [
    (kinds.JULIA_MANIFEST, b"a/Manifest.toml", [("Dates", "1.9.0"), ("JSON", "0.21.4")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(JULIA_MANIFEST, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert JULIA_MANIFEST.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(JULIA_MANIFEST, content, path)


def test_the_older_form_and_folders():
    content = b'[[JSON]]\nuuid = "u"\nversion = "0.21.4"\n[[Own]]\nuuid = "o"\npath = "."\n[[Dates]]\nuuid = "d"\n'
    (found,) = components(extract(JULIA_MANIFEST, content))
    assert (found.name, found.version, found.qualifiers) == ("JSON", "0.21.4", (("uuid", "u"),))
