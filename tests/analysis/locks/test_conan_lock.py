import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import Skipped
from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.conan_lock import CONAN_LOCK

SAMPLES = [
    (kinds.CONAN_1, b"a/conan.lock", [("zlib", "1.2.11"), ("boost", "1.75.0")]),
    (kinds.CONAN_2, b"a/conan.lock", [("zlib", "1.2.13"), ("spdlog", "1.11.0"), ("cmake", "3.26.0")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(CONAN_LOCK, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert CONAN_LOCK.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(CONAN_LOCK, content, path)


def test_users_and_channels_and_ranges():
    found = extract(CONAN_LOCK, kinds.CONAN_1.replace(b"zlib/1.2.11", b"zlib/[>1]"))
    assert [item.qualifiers for item in components(found)] == [(("channel", "stable"), ("user", "me"))]
    assert Skipped(what="'zlib/[>1]' is no package with a version") in found
