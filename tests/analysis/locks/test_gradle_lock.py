import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.gradle_lock import GRADLE_LOCK

SAMPLES = [
    (kinds.GRADLE_LOCK, b"a/gradle.lockfile", [("org.apache.commons:commons-text", "1.9")]),
    (kinds.GRADLE_CATALOGUE, b"a/libs.versions.toml", [("org.apache.commons:commons-text", "1.9"), ("a.b:c", "1.0")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(GRADLE_LOCK, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert GRADLE_LOCK.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(GRADLE_LOCK, content, path)


def test_sbt_and_verification_metadata():
    sbt = b'{"lockVersion": 1, "dependencies": [{"org": "a", "name": "b", "version": "1"}]}'
    xml = b"""<verification-metadata><components><component group="a" name="b" version="1"/></components></verification-metadata>"""
    for content, path in ((sbt, b"build.sbt.lock"), (xml, b"gradle/verification-metadata.xml")):
        (found,) = components(extract(GRADLE_LOCK, content, path))
        assert (found.name, found.version) == ("a:b", "1")
        check_damage(GRADLE_LOCK, content, path)
