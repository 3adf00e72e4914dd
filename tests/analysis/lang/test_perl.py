import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.lang.perl import PERL


@pytest.mark.parametrize(
    ("content", "expected"),
    [(kinds.PERL_META, ("HTTP-Tiny", "0.088", ("perl_5",))), (b'{"name": "A", "version": 1.5}', ("A", "1.5", ()))],
)
def test_distributions(content, expected):
    (found,) = components(extract(PERL, content))
    assert (found.name, found.version, found.licenses) == expected


@pytest.mark.parametrize("content", [b"", b"{}", b'{"name": "x"}', b'{"version": "1"}', b"[]"])
def test_anything_else_is_malformed(content):
    with pytest.raises(MalformedFile):
        extract(PERL, content)


def test_any_damage_is_borne():
    check_damage(PERL, kinds.PERL_META, b".meta/x/MYMETA.json")
