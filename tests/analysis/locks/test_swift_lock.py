import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import Skipped
from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.swift_lock import SWIFT_LOCK

SAMPLES = [
    (kinds.SWIFT_1, b"a/Package.resolved", [("github.com/Alamofire/Alamofire", "5.4.3")]),
    (kinds.SWIFT_2, b"a/Package.resolved", [("github.com/Alamofire/Alamofire", "5.4.3")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(SWIFT_LOCK, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert SWIFT_LOCK.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(SWIFT_LOCK, content, path)


def test_addresses_and_branches():
    content = b'{"pins": [{"location": "git@github.com:a/b.git", "state": {"version": "1.0.0"}}, {"location": "https://x/y", "state": {"branch": "main", "version": null}}]}'
    found = extract(SWIFT_LOCK, content)
    assert [(item.name, item.version) for item in components(found)] == [("github.com/a/b", "1.0.0")]
    assert Skipped(what="x/y has no usable version") in found
