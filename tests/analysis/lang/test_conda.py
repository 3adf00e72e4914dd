import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import Tree, components, extract, run

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.lang.conda import CONDA

PATH = b"opt/conda/conda-meta/numpy-1.26.4-py311h64a7726_0.json"


def test_a_record():
    content = kinds.CONDA_META + b" " * 100_000
    tree = Tree({PATH: content, b"opt/conda/conda-meta/history": b"x"})
    (found,) = run(tree, [CONDA]).components
    assert found.purl == "pkg:conda/numpy@1.26.4?build=py311h64a7726_0&channel=conda-forge&subdir=linux-64"
    assert tree.reads == [(PATH, ((0, 4096),))]


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("https://repo.anaconda.com/pkgs/main/linux-64", {"channel": "pkgs/main", "subdir": "linux-64"}),
        ("conda-forge", {"channel": "conda-forge"}),
        ("https://conda.anaconda.org/conda-forge/noarch/", {"channel": "conda-forge", "subdir": "noarch"}),
        ("", {}),
    ],
)
def test_channels(channel, expected):
    (found,) = components(extract(CONDA, b'{"channel": "%s"}' % channel.encode(), b"conda-meta/a-b-1.0-0.json"))
    assert (found.name, found.version) == ("a-b", "1.0")
    assert dict(found.qualifiers) == {"build": "0", **expected}


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"{}", b"a.json"), (b"{}", b"a-1.json"), (b"{}", b"--.json"), (b"[]", b"a-1-0.json"), (b"", b"a-1-0.json")],
)
def test_anything_else_is_malformed(content, name):
    with pytest.raises(MalformedFile):
        extract(CONDA, content, b"conda-meta/" + name)


def test_any_damage_is_borne():
    check_damage(CONDA, kinds.CONDA_META, PATH)
