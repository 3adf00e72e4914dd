"""HTML that is safe by its type: text becomes markup only through `element`, which escapes it.

This module alone decides how text is escaped. Control characters and marks that turn text around are shown, not obeyed.
"""

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rafsight.base.text import escape
from rafsight.reports.text import web_address, whole

_VOID: Final = frozenset({"br", "col", "input", "link", "meta"})


@dataclass(frozen=True, slots=True)
class Html:
    """Markup that was put together here."""

    text: str


Child = str | Html | Iterable["Child"]
NOTHING: Final = Html("")


def element(name: str, /, *children: Child, **attributes: str | bool | None) -> Html:
    """Make an element.

    Args:
        name: of the element, ours.
        children: text, which is escaped, and markup.
        attributes: `_` stands for `-`, a `_` at the end is dropped (`class_`); True is an attribute without a value,
            False and None are none.
    """
    opened = f"<{name}{''.join(map(_attribute, attributes.items()))}>"
    return Html(opened) if name in _VOID else Html(f"{opened}{''.join(map(_render, children))}</{name}>")


def _attribute(item: tuple[str, str | bool | None]) -> str:
    name, value = item[0].rstrip("_").replace("_", "-"), item[1]
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{quoted(value)}"'


def quoted(text: str) -> str:
    """Escape a text for markup, attributes included."""
    return html.escape(escape(whole(text)), quote=True)


def _render(child: Child) -> str:
    if isinstance(child, Html):
        return child.text
    return quoted(child) if isinstance(child, str) else "".join(map(_render, child))


def join(parts: Iterable[Html]) -> Html:
    """Put markup one after the other, each on its line."""
    return Html("\n".join(part.text for part in parts))


def paragraphs(text: str, limit: int) -> list[Html]:
    """Break a text into paragraphs at its empty lines and lines, at most `limit` characters of it."""
    shown = text[:limit]
    lines = [element("p", line) for line in shown.splitlines() if line.strip()]
    return [*lines, element("p", "\u2026")] if len(text) > limit else lines


def link(text: str, address: str) -> Html:
    """Make a link if the address is one that is safe to follow, else text."""
    target = web_address(address)
    return element("a", text, href=target, rel="noreferrer noopener") if target else element("span", text)
