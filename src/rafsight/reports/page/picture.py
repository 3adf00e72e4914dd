"""Where the bytes and the findings are: the folders of the image as a treemap, in SVG.

An area is the bytes of a folder, its colour the worst that was found there. It is drawn twice, for wide and for narrow
screens; the style sheet shows one. This module alone decides what is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from rafsight.base.severity import Severity
from rafsight.base.text import escape
from rafsight.base.units import format_size
from rafsight.reports.document import FolderFacts, ScanReport
from rafsight.reports.issues import Issue
from rafsight.reports.page.markup import NOTHING, Html, element
from rafsight.reports.page.treemap import Box, lay_out
from rafsight.reports.verdict import counted

_SHAPES: Final = (("wide", 1080.0, 380.0), ("narrow", 360.0, 560.0))
_LETTER: Final = 6.9
"""[pixels] that one letter of a label takes."""
_LINE: Final = 16.0
_HEAD: Final = 19.0
"""[pixels] of the strip that has the name of a folder of the first level."""
_LEAST_LABEL: Final = 4


@dataclass(slots=True)
class _Tile:
    """A folder with what was found in it."""

    path: bytes
    size: int
    file_count: int
    worst: Severity | None = None
    count: int = 0
    tiles: list["_Tile"] = field(default_factory=list)

    def add(self, severity: Severity) -> None:
        self.count += 1
        self.worst = severity if self.worst is None else max(self.worst, severity)


def draw(report: ScanReport, issues: Sequence[Issue]) -> Html:
    """Draw the picture; nothing where the report does not know the folders."""
    folders = [folder for folder in report.image.folders if folder.size > 0]
    if not folders:
        return NOTHING
    tops = _tiles(folders, issues)
    total = sum(top.size for top in tops)
    told = f"{format_size(total)} in {counted(len(folders), 'folder', 'folders')}"
    title = f"Where the bytes and the findings are: {told}; the table below has the same in words."
    drawings = [
        element(
            "svg",
            element("title", title),
            *_draw(tops, Box(0, 0, width, height)),
            viewBox=f"0 0 {width:.0f} {height:.0f}",
            class_=f"treemap {shape}",
            role="group",
            aria_label=title,
        )
        for shape, width, height in _SHAPES
    ]
    return element("figure", drawings, _legend(tops), _caption(), _in_words(tops), class_="picture")


def _legend(tops: Sequence[_Tile]) -> Html:
    """Name the colours that there are."""
    worst = {tile.worst for top in tops for tile in top.tiles}
    names = [one.name.capitalize() for one in sorted(Severity, reverse=True) if one in worst]
    names += ["Nothing found"] if None in worst else []
    kinds = [("clear" if name == "Nothing found" else name.lower(), name) for name in names]
    return element("ul", [element("li", name, class_=kind) for kind, name in kinds], class_="legend")


def _caption() -> Html:
    text = (
        "Area: bytes in the image. Colour: the worst that was found in files there. "
        "Packages of the distribution have no folder of their own. A coloured folder leads to its findings."
    )
    return element("figcaption", text)


def _tiles(folders: Sequence[FolderFacts], issues: Sequence[Issue]) -> list[_Tile]:
    """Sort folders under those of the first level, and findings into them."""
    by_path = {folder.path: _Tile(folder.path, folder.size, folder.file_count) for folder in folders}
    for issue in issues:
        for tile in {id(tile): tile for path in issue.paths if (tile := _home(by_path, path))}.values():
            tile.add(issue.severity)
    tops: dict[bytes, _Tile] = {}
    for path, tile in by_path.items():
        first = path.partition(b"/")[0]
        top = tops.setdefault(first, _Tile(first, 0, 0))
        top.size += tile.size
        top.file_count += tile.file_count
        top.tiles.append(tile)
    for top in tops.values():
        top.tiles.sort(key=lambda tile: (-tile.size, tile.path))
    return sorted(tops.values(), key=lambda top: (-top.size, top.path))


def _home(by_path: dict[bytes, _Tile], path: bytes) -> _Tile | None:
    parts = path.split(b"/")[:-1]
    candidates = (b"/".join(parts[:2]), b"/".join(parts[:1]), b"")
    return next((by_path[one] for one in candidates if one in by_path), None)


def _draw(tops: Sequence[_Tile], box: Box) -> list[Html]:
    drawn = []
    for top, place in zip(tops, lay_out([top.size for top in tops], box), strict=True):
        has_head = place.height > 2 * _HEAD and place.width > 40 and len(top.tiles) > 1
        inner = place
        if has_head:
            drawn.append(_label(_name(top.path), Box(place.x + 4, place.y + 14, place.width - 8, _HEAD), "head"))
            inner = Box(place.x, place.y + _HEAD, place.width, place.height - _HEAD)
        boxes = lay_out([tile.size for tile in top.tiles], inner)
        drawn += [_tile(tile, room, nested=has_head) for tile, room in zip(top.tiles, boxes, strict=True)]
    return drawn


def _tile(tile: _Tile, box: Box, *, nested: bool) -> Html:
    name = _name(tile.path)
    found = f", {counted(tile.count, 'finding', 'findings')}" if tile.count else ""
    files = counted(tile.file_count, "file", "files")
    title = f"{name}: {format_size(tile.size)} in {files}{found}"
    if tile.worst is not None:
        title += f", the worst is {tile.worst.name}"
    kind = "clear" if tile.worst is None else tile.worst.name.lower()
    shown = name.rpartition("/")[2] if nested else name
    parts = [
        element("title", title),
        element(
            "rect",
            x=_number(box.x + 1),
            y=_number(box.y + 1),
            width=_number(max(box.width - 2, 0.5)),
            height=_number(max(box.height - 2, 0.5)),
            rx="3",
        ),
    ]
    for index, text in enumerate((shown, format_size(tile.size), f"{tile.count:,} found" if tile.count else "")):
        if text and box.height >= _LINE * (index + 1) + 6:
            parts.append(_label(text, Box(box.x + 6, box.y + 16 + index * _LINE, box.width - 12, _LINE), "text"))
    if tile.worst is None or not tile.path:  # every path begins like that of the root
        return element("g", parts, class_=f"tile {kind}")
    return element(
        "a", parts, class_=f"tile {kind}", href="#findings", data_path=f"{name.rstrip('/')}/", aria_label=title
    )


def _label(text: str, box: Box, kind: str) -> Html:
    room = int(box.width / _LETTER)
    if len(text) > room:
        text = text[: room - 1] + "\u2026" if room >= _LEAST_LABEL else ""
    return element("text", text, x=_number(box.x), y=_number(box.y), class_=kind) if text else NOTHING


def _name(path: bytes) -> str:
    return f"/{escape(path)}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _in_words(tops: Sequence[_Tile]) -> Html:
    """Write the same as a table, for who does not see it."""
    rows = [
        element(
            "tr",
            element("th", _name(tile.path), scope="row"),
            element("td", format_size(tile.size), class_="number"),
            element("td", f"{tile.file_count:,}", class_="number"),
            element("td", f"{tile.count:,}", class_="number"),
            element("td", tile.worst.name if tile.worst is not None else "none"),
        )
        for top in tops
        for tile in top.tiles
    ]
    heads = [element("th", head, scope="col") for head in ("Folder", "Bytes", "Files", "Findings", "Worst")]
    table = element("table", element("thead", element("tr", heads)), element("tbody", rows), class_="plain")
    return element("details", element("summary", "The same in words"), element("div", table, class_="scroll"))
