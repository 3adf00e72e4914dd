"""Lists that come page by page (distribution-spec, "Listing Tags"; the catalog does likewise).

This module alone decides which page follows: one of the same registry, or none.
"""

import re
from typing import Final

from rafsight.access.registry.errors import RegistryMisbehaves
from rafsight.access.registry.line import Line
from rafsight.access.registry.messages import Response, host_of
from rafsight.access.registry.redirects import check_target, same_origin

_NEXT_PAGE: Final = re.compile(r'\s*<([^<>]{1,4096})>\s*;\s*rel="?next"?')


def next_page(line: Line, url: str, head: Response, what: str) -> str | None:
    """Return the URL of the page that follows; None at the end.

    Args:
        line: to the registry.
        url: of this page.
        head: of its answer.
        what: the list is of, for messages.
    Raises: RegistryMisbehaves: it lies on another host. UntrustedRedirect.
    """
    link = _NEXT_PAGE.match(head.header("link") or "")
    if link is None:
        return None
    following = check_target(line.present(url), link[1], plain_http=False)
    if not same_origin(following, line.origin):
        raise RegistryMisbehaves(host=host_of(line.origin), why=f"its list of {what} continues on another host")
    return following
