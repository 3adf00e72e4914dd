"""Themes of WordPress: `wp-content/themes/NAME/style.css`.

This module alone decides that a style sheet without the comment of a theme is none.
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.lang.wordpress_header import HEAD, fields_of, folder_and_name, part_of
from rafsight.base.units import MiB
from rafsight.image.selection import Wants


def read_theme(file: FileView) -> Iterator[Found]:
    """Read one style sheet."""
    fields = fields_of(file.content)
    if b"theme name" in fields:
        yield from part_of(Ecosystem.WORDPRESS_THEME, folder_and_name(file.path).rpartition(b"/")[0], fields)


WORDPRESS_THEME: Final = Extractor(
    name="lang/wordpress-theme",
    version=1,
    wants=Wants(patterns=(b"**/wp-content/themes/*/style.css",), max_size=4 * MiB, head=HEAD),
    extract=read_theme,
    name_of=folder_and_name,
)
