import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import FileView, MalformedFile, Skipped
from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.npm_lock import NPM_LOCK

SAMPLES = [
    (
        kinds.PACKAGE_LOCK,
        b"a/package-lock.json",
        [("lodash", "4.17.20"), ("@babel/core", "7.0.0"), ("real-name", "2.0.0"), ("inner", "1.2.3")],
    ),
    (kinds.PACKAGE_LOCK_1, b"a/package-lock.json", [("lodash", "4.17.20"), ("real-name", "2.0.0"), ("inner", "1.2.3")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(NPM_LOCK, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert NPM_LOCK.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(NPM_LOCK, content, path)


def test_what_has_no_version_is_said():
    (found,) = extract(NPM_LOCK, b'{"packages": {"node_modules/x": {"resolved": "git+ssh://y"}}}')
    assert found == Skipped(what="x has no usable version")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"packages": 1}', b'{"x":' * 100_000])
def test_no_lock_file_is_malformed(content):
    with pytest.raises(MalformedFile):
        extract(NPM_LOCK, content)


def test_nests_are_bounded():
    content = b'{"dependencies": ' + b'{"a": {"version": "1", "dependencies": ' * 100 + b"{}" + b"}}" * 100 + b"}"
    found = []
    with pytest.raises(MalformedFile, match="32 levels"):
        found.extend(NPM_LOCK.extract(_view(content)))


def _view(content):
    return FileView(path=b"package-lock.json", size=len(content), runs=((0, content),))
