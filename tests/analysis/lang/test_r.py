from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import Skipped
from rafsight.analysis.lang.r import R


def test_an_installed_package():
    (found,) = components(extract(R, kinds.R_DESCRIPTION))
    assert (found.ecosystem, found.name, found.version, found.licenses) == (
        "cran",
        "dplyr",
        "1.1.4",
        ("MIT + file LICENSE",),
    )


def test_what_was_not_built_is_not_installed():
    assert extract(R, kinds.R_DESCRIPTION.partition(b"Built:")[0]) == []
    assert extract(R, b"Name: something else\nVersion: 1\n") == []


def test_what_has_no_version_is_said():
    assert extract(R, b"Package: a\nBuilt: R 4\n") == [Skipped(what="a package without a version")]


def test_any_damage_is_borne():
    check_damage(R, kinds.R_DESCRIPTION, b"library/dplyr/DESCRIPTION")
