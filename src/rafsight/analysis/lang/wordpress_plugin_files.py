"""Plugins of WordPress whose first file did not say what they are (`wordpress-seo/wp-seo.php`).

This module alone decides which folders those are.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from rafsight.analysis.extractor import Extractor
from rafsight.analysis.inventory import Ecosystem, Inventory
from rafsight.analysis.lang.wordpress_header import HEAD, folder_and_name
from rafsight.analysis.lang.wordpress_plugin import is_first, may_be_plugin, read_plugin
from rafsight.base.units import MiB
from rafsight.image.selection import Wants


def _of_unknown_folders(paths: Sequence[bytes], inventory: Inventory) -> Iterable[bytes]:
    """Choose the files of folders where no plugin was found yet."""
    known = {
        path.rpartition(b"/")[0]
        for component in inventory.components
        if component.ecosystem is Ecosystem.WORDPRESS_PLUGIN
        for path in component.locations
    }
    return (
        path for path in paths if path.rpartition(b"/")[0] not in known and not is_first(path) and may_be_plugin(path)
    )


WORDPRESS_PLUGIN_FILES: Final = Extractor(
    name="lang/wordpress-plugin-files",
    version=1,
    wants=Wants(patterns=(b"**/wp-content/plugins/*/*.php",), max_size=4 * MiB, head=HEAD),
    extract=read_plugin,
    wave=2,
    choose=_of_unknown_folders,
    name_of=folder_and_name,
)
