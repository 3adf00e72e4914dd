import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.requirements import REQUIREMENTS

SAMPLES = [
    (
        kinds.REQUIREMENTS,
        b"a/requirements.txt",
        [("Flask", "0.12.2"), ("requests", "2.19.1"), ("Jinja2", "2.10"), ("certifi", "2022.9.14")],
    ),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(REQUIREMENTS, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert REQUIREMENTS.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(REQUIREMENTS, content, path)


@pytest.mark.parametrize(
    "line", [b"a>=1", b"a", b"a==1.*", b"# a==1", b"-e .", b"https://x/a==1", b"a ~= 1.0", b"a==" + b"1" * 9999]
)
def test_what_is_not_fixed_is_passed_over(line):
    assert extract(REQUIREMENTS, line) == []
