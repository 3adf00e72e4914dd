import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import MalformedFile, Skipped
from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.python_locks import PYTHON_LOCKS

SAMPLES = [
    (kinds.POETRY_LOCK, b"a/poetry.lock", [("flask", "0.12.2")]),
    (kinds.UV_LOCK, b"a/uv.lock", [("flask", "0.12.2")]),
    (kinds.PDM_LOCK, b"a/pdm.lock", [("flask", "0.12.2")]),
    (kinds.PYLOCK, b"a/pylock.toml", [("flask", "0.12.2")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(PYTHON_LOCKS, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert PYTHON_LOCKS.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(PYTHON_LOCKS, content, path)


def test_what_has_no_version_is_said():
    assert extract(PYTHON_LOCKS, b'[[package]]\nname = "x"\n') == [Skipped(what="x has no usable version")]


@pytest.mark.parametrize("content", [b"[[package]", b"a = " + b"[" * 100_000, b"a" + b".a" * 100_000 + b" = 1"])
def test_no_toml_is_malformed(content):
    with pytest.raises(MalformedFile):
        extract(PYTHON_LOCKS, content)
