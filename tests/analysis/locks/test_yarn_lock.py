import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import MalformedFile, Skipped
from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.yarn_lock import YARN_LOCK

SAMPLES = [
    (kinds.YARN_1, b"a/yarn.lock", [("@babel/core", "7.1.2"), ("lodash", "4.17.20")]),
    (kinds.YARN_BERRY, b"a/yarn.lock", [("@babel/core", "7.1.2")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(YARN_LOCK, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert YARN_LOCK.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(YARN_LOCK, content, path)


def test_what_has_no_version_is_said():
    found = extract(YARN_LOCK, b'a@^1:\n  resolved "x"\n\nb@^2:\n  version "2.0.0"\n')
    assert found[0] == Skipped(what="the entry before line 4 has no version")
    assert [(item.name, item.version) for item in components(found)] == [("b", "2.0.0")]


def test_other_names_and_folders():
    content = b'"alias@npm:@real/name@^1":\n  version "1.0.0"\n"own@file:../own":\n  version "9.9.9"\n'
    assert [(item.name, item.version) for item in components(extract(YARN_LOCK, content))] == [("@real/name", "1.0.0")]


def test_no_yaml_is_malformed():
    with pytest.raises(MalformedFile):
        extract(YARN_LOCK, b"__metadata:\n  version: 6\n\tx: [")
