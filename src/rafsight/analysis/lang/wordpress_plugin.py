"""Plugins of WordPress: the file that is called like its folder, and plugins that are one file.

This module alone decides which of a plugin's files are read first; `wordpress_plugin_files.py` reads the others of a
folder where that was not enough.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Ecosystem, Inventory
from rafsight.analysis.lang.wordpress_header import HEAD, fields_of, folder_and_name, part_of
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_PLUGINS: Final = b"plugins"
_NEVER: Final = (b"/index.php", b"/uninstall.php")


def read_plugin(file: FileView) -> Iterator[Found]:
    """Read the comment at the head of a plugin; a file without one is a part of it."""
    fields = fields_of(file.content)
    if b"plugin name" in fields:
        folder, _, name = folder_and_name(file.path).rpartition(b"/")
        slug = name.removesuffix(b".php") if folder == _PLUGINS else folder
        yield from part_of(Ecosystem.WORDPRESS_PLUGIN, slug, fields)


def is_first(path: bytes) -> bool:
    """Tell whether a file is called like its folder."""
    folder, _, name = folder_and_name(path).rpartition(b"/")
    return name == folder + b".php"


def may_be_plugin(path: bytes) -> bool:
    """Tell by its name whether a file may be the one that says what its plugin is."""
    return not path.endswith(_NEVER)


def _first_files(paths: Sequence[bytes], inventory: Inventory) -> Iterable[bytes]:  # noqa: ARG001
    return (path for path in paths if is_first(path) or (_is_alone(path) and may_be_plugin(path)))


def _is_alone(path: bytes) -> bool:
    return folder_and_name(path).startswith(_PLUGINS + b"/")


WORDPRESS_PLUGIN: Final = Extractor(
    name="lang/wordpress-plugin",
    version=1,
    wants=Wants(
        patterns=(b"**/wp-content/plugins/*/*.php", b"**/wp-content/plugins/*.php"), max_size=4 * MiB, head=HEAD
    ),
    extract=read_plugin,
    choose=_first_files,
    name_of=folder_and_name,
)
