import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.deno_lock import DENO_LOCK

SAMPLES = [
    (kinds.DENO_LOCK, b"a/deno.lock", [("chalk", "5.3.0"), ("@a/b", "1.0.0")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(DENO_LOCK, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert DENO_LOCK.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(DENO_LOCK, content, path)


@pytest.mark.parametrize(
    "content",
    [
        b'{"version": "3", "packages": {"npm": {"chalk@5.3.0": {}}}}',
        b'{"version": "2", "npm": {"specifiers": {}, "packages": {"chalk@5.3.0": {}}}}',
    ],
)
def test_older_forms(content):
    assert [(item.name, item.version) for item in components(extract(DENO_LOCK, content))] == [("chalk", "5.3.0")]
