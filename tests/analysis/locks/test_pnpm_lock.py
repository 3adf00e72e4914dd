import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import MalformedFile, Skipped
from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.pnpm_lock import PNPM_LOCK

SAMPLES = [
    (kinds.PNPM_5, b"a/pnpm-lock.yaml", [("@babel/core", "7.1.2"), ("lodash", "4.17.20"), ("styled", "5.3.0")]),
    (kinds.PNPM_6, b"a/pnpm-lock.yaml", [("@babel/core", "7.1.2"), ("lodash", "4.17.20"), ("styled", "5.3.0")]),
    (kinds.PNPM_9, b"a/pnpm-lock.yaml", [("@babel/core", "7.1.2"), ("lodash", "4.17.20")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(PNPM_LOCK, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert PNPM_LOCK.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(PNPM_LOCK, content, path)


def test_addresses_folders_and_documents():
    content = b"""lockfileVersion: '9.0'
packages:
  pnpm@9.0.0: {}
---
lockfileVersion: '9.0'
packages:
  git@https://codeload.github.com/x/y/tar.gz/abc:
    version: 1.2.3
  nowhere@https://example.com/x.tgz: {}
  own@file:../own: {}
"""
    found = extract(PNPM_LOCK, content)
    assert [(item.name, item.version) for item in components(found)] == [("pnpm", "9.0.0"), ("git", "1.2.3")]
    assert Skipped(what="nowhere has no usable version") in found


def test_an_alias_is_malformed():
    with pytest.raises(MalformedFile, match="alias"):
        extract(PNPM_LOCK, b"packages:\n  /a/1.0.0: &x {}\n  /b/1.0.0: *x\n")
