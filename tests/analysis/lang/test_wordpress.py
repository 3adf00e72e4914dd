import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import extract, run

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.lang.wordpress import WORDPRESS

PATH = b"srv/wp-includes/version.php"


def test_the_core():
    (found,) = run({PATH: kinds.WORDPRESS_CORE}, [WORDPRESS]).components
    assert found.purl == "pkg:generic/wordpress@6.5.2"


def test_what_is_worked_out_is_malformed():
    with pytest.raises(MalformedFile):
        extract(WORDPRESS, b"<?php $wp_version = get();")


def test_any_damage_is_borne():
    check_damage(WORDPRESS, kinds.WORDPRESS_CORE, PATH)
