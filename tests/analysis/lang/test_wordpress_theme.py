from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import run

from rafsight.analysis.lang.wordpress_theme import WORDPRESS_THEME

PATH = b"srv/wp-content/themes/twentytwentyfour/style.css"


def test_themes_are_called_like_their_folders():
    files = {PATH: kinds.WORDPRESS_THEME, b"srv/wp-content/themes/none/style.css": b"body { color: red }"}
    inventory = run(files, [WORDPRESS_THEME])
    assert [item.purl for item in inventory.components] == ["pkg:wordpress-theme/twentytwentyfour@1.1"]
    assert inventory.gaps == ()


def test_any_damage_is_borne():
    check_damage(WORDPRESS_THEME, kinds.WORDPRESS_THEME, PATH)
