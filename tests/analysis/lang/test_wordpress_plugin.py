import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import Tree, components, extract, names, run

from rafsight.analysis.extractor import Skipped
from rafsight.analysis.lang.wordpress_plugin import WORDPRESS_PLUGIN

PATH = b"wp-content/plugins/x/x.php"


def test_one_content_in_two_folders_is_two_plugins():
    content = b"/* Plugin Name: Same\nVersion: 1 */"
    files = {b"wp-content/plugins/%s/%s.php" % (name, name): content for name in (b"a", b"b")}
    assert [name for _, name, _ in names(run(Tree(files, keyed=True), [WORDPRESS_PLUGIN]))] == ["a", "b"]


@pytest.mark.parametrize(
    "line", [b" * Plugin Name: X", b"/* Plugin Name: X */", b"<?php // Plugin Name: X", b"# plugin name : X"]
)
def test_forms_of_the_comment(line):
    (found,) = components(extract(WORDPRESS_PLUGIN, line + b"\r\n * Version: 1.2 */\r\n", PATH))
    assert (found.name, found.version) == ("x", "1.2")


def test_only_the_first_8_kilobytes_count():
    assert extract(WORDPRESS_PLUGIN, b"//\n" * 3000 + b"// Plugin Name: X\n// Version: 1\n", PATH) == []


def test_what_has_no_version_is_said():
    found = extract(WORDPRESS_PLUGIN, b"/* Plugin Name: X */", PATH)
    assert found == [Skipped(what="a wordpress-plugin without a version")]


def test_any_damage_is_borne():
    check_damage(WORDPRESS_PLUGIN, kinds.WORDPRESS_PLUGIN, PATH)
