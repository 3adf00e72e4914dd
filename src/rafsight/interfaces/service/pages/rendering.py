"""Templates, what they may call, and the files that pages need beside them.

Every value is escaped by Jinja, after `words.shown` made hidden marks visible; no template marks anything as safe (a
test sees to that). This module alone decides under which address a file lies: its name has the digest of its content,
so that browsers keep it for ever.
"""

import hashlib
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from rafsight._version import __version__
from rafsight.base.units import format_size
from rafsight.interfaces.service.pages import words
from rafsight.reports.text import web_address

_PACKAGE: Final = "rafsight.interfaces.service.pages"
ASSETS: Final = {"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
"""Files beside the pages, and their media types."""
ASSET_PATH: Final = "/assets"
_DIGEST: Final = 12


def read_asset(name: str) -> bytes:
    """Read a file of ASSETS."""
    return files(_PACKAGE).joinpath("assets", name).read_bytes()


class Renderer:
    """Writes pages. Safe to use from several threads."""

    def __init__(self, base_url: str) -> None:
        """Read the templates and the files.

        Args:
            base_url: as others reach the service; what stands behind the host goes before each address. May be empty.
        """
        self.root: Final = urlsplit(base_url).path.rstrip("/")
        self.assets: Final[dict[str, tuple[str, bytes]]] = {}
        """Name in an address to media type and content."""
        self._asset_names: dict[str, str] = {}
        for name, media_type in ASSETS.items():
            content = read_asset(name)
            stem, _, ending = name.rpartition(".")
            self._asset_names[name] = f"{stem}-{hashlib.sha256(content).hexdigest()[:_DIGEST]}.{ending}"
            self.assets[self._asset_names[name]] = (media_type, content)
        self._environment = Environment(
            loader=PackageLoader(_PACKAGE),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=words.shown,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals |= {
            "url": self.url,
            "asset": self.asset,
            "release": __version__,
            "counted": words.counted,
            "ago": words.ago,
            "web_address": web_address,
        }
        self._environment.filters |= {
            "cut": words.cut,
            "moment": words.moment,
            "day": words.day,
            "span": words.span,
            "number": words.number,
            "size": format_size,
            "digest_name": words.digest_name,
        }

    def url(self, path: str, /, **query: Any) -> str:
        """Write an address of this service.

        Args:
            path: from the service's own root.
            query: what stands behind it; empty values and None do not.
        """
        pairs = {name: str(value) for name, value in query.items() if value not in ("", None)}
        behind = f"?{urlencode(pairs, quote_via=quote, errors='replace')}" if pairs else ""
        return f"{self.root}{quote(path, safe='/:@')}{behind}"

    def asset(self, name: str) -> str:
        """Write the address of a file of ASSETS."""
        return self.url(f"{ASSET_PATH}/{self._asset_names[name]}")

    def render(self, template: str, /, **values: Any) -> str:
        """Write a page.

        Args:
            template: its name, without `.html`.
            values: that it names.
        """
        return self._environment.get_template(f"{template}.html").render(**values)
