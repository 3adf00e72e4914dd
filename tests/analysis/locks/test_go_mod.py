import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.go_mod import GO_MOD

SAMPLES = [
    (
        kinds.GO_MOD,
        b"a/go.mod",
        [("github.com/gin-gonic/gin", "v1.7.0"), ("golang.org/x/text", "v0.3.7"), ("example.com/new", "v1.1.0")],
    ),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(GO_MOD, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert GO_MOD.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(GO_MOD, content, path)


def test_quotes_comments_and_other_blocks():
    content = b'module "x"\nrequire "a.b/c" v1.0.0 // indirect\nexclude (\n d.e/f v1\n)\nretract v1.0.1\n'
    assert [(item.name, item.version) for item in components(extract(GO_MOD, content))] == [("a.b/c", "v1.0.0")]
