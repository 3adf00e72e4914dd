from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import Tree, names, run

from rafsight.analysis.lang.wordpress_plugin import WORDPRESS_PLUGIN
from rafsight.analysis.lang.wordpress_plugin_files import WORDPRESS_PLUGIN_FILES


def plugin(name, version):
    return b"<?php\n/*\nPlugin Name: %s\nVersion: %s\n*/\n" % (name, version)


def test_only_folders_that_are_not_known_yet_are_looked_through():
    plugins = b"www/wp-content/plugins/"
    files = {
        plugins + b"akismet/akismet.php": kinds.WORDPRESS_PLUGIN,
        plugins + b"akismet/other.php": plugin(b"Other", b"9"),
        plugins + b"hello.php": kinds.WORDPRESS_SINGLE_PLUGIN,
        plugins + b"index.php": b"<?php // Silence is golden.",
        plugins + b"wordpress-seo/wp-seo.php": plugin(b"Yoast SEO", b"22.3"),
        plugins + b"wordpress-seo/index.php": b"<?php",
        plugins + b"odd/odd.php": b"<?php // no header",
        plugins + b"odd/main.php": plugin(b"Odd", b"0.1"),
        plugins + b"deep/inc/x.php": plugin(b"Deep", b"1"),
    }
    tree = Tree(files)
    inventory = run(tree, [WORDPRESS_PLUGIN, WORDPRESS_PLUGIN_FILES])
    assert names(inventory) == [
        ("wordpress-plugin", "akismet", "5.3.1"),
        ("wordpress-plugin", "hello", "1.7.2"),
        ("wordpress-plugin", "odd", "0.1"),
        ("wordpress-plugin", "wordpress-seo", "22.3"),
    ]
    read = [path.removeprefix(plugins) for path, _ in tree.reads]
    assert sorted(read) == [
        b"akismet/akismet.php",
        b"hello.php",
        b"odd/main.php",
        b"odd/odd.php",
        b"wordpress-seo/wp-seo.php",
    ]


def test_any_damage_is_borne():
    check_damage(WORDPRESS_PLUGIN_FILES, kinds.WORDPRESS_PLUGIN, b"wp-content/plugins/x/y.php")
