"""Which repositories a registry has: by its catalog, or, since Harbor keeps that for administrators, by its projects.

    GET /v2/_catalog?n=N                                      distribution's own list, page by page
    GET /api/v2.0/ping                                        "Pong" tells that it is a Harbor
    GET /api/v2.0/projects?page=P&page_size=S                 what the user may see there
    GET /api/v2.0/projects/NAME/repositories?page=P&...       all of one project

This module alone decides which list is believed. Harbor's own API takes no tokens of the registry: it is shown user and
password, in one request, to the registry's own host and to no other.
"""

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from rafsight.access.backend import NotFound
from rafsight.access.registry.credentials import Credentials
from rafsight.access.registry.errors import RegistryDenied, RegistryMisbehaves
from rafsight.access.registry.flows import Conversation
from rafsight.access.registry.line import Line
from rafsight.access.registry.messages import Request, Response, host_of
from rafsight.access.registry.pages import next_page
from rafsight.access.registry.tokens import basic_authorization
from rafsight.access.retry import Retrier
from rafsight.base.errors import RegistryFault
from rafsight.base.units import MiB

REPOSITORY: Final = re.compile(r"(?=.{1,255}\Z)[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*\Z")
_PER_PAGE: Final = 1000
_HARBOR_PER_PAGE: Final = 100
"""The most that Harbor gives."""
_PAGE_SIZE: Final = 8 * MiB
_MOST_PAGES: Final = 10_000
_MOST: Final = 1_000_000
_COUNT: Final = re.compile(r"[0-9]{1,9}\Z")
_JSON: Final = (("Accept", "application/json"),)
_ADVICE: Final = (
    "This registry does not list its repositories to you: log in with an account that may see them, or name images in "
    "a file, by `--images FILE`."
)


def list_repositories(
    line: Line, credentials: Callable[[], Credentials | None], retrier: Retrier | None = None
) -> tuple[str, ...]:
    """List the repositories of a registry that we may see, in its order.

    Args:
        line: to the registry.
        credentials: for Harbor; asked only if it is one.
        retrier: when failed calls are made again.
    Raises: RegistryFault; what the credentials raise.
    Cost: one request per 1,000 repositories, or as the registry cuts the pages; of a Harbor that keeps its catalog to
        itself, one a project and 100 repositories.
    """
    retrier = retrier or Retrier()
    try:
        return _Lister(line, retrier, None).catalog()
    except (RegistryDenied, NotFound, RegistryMisbehaves) as fault:
        if not _is_harbor(line, retrier):
            fault.advise(_ADVICE)
            raise
    return _Lister(line, retrier, credentials()).projects()


def _is_harbor(line: Line, retrier: Retrier) -> bool:
    try:
        content, _ = _Lister(line, retrier, None).fetch(f"{line.origin}/api/v2.0/ping", "its ping")
    except RegistryFault:
        return False
    return content.strip(b' \r\n"') == b"Pong"


class _Lister:
    """Fetches lists, in the name of a user or of nobody."""

    def __init__(self, line: Line, retrier: Retrier, user: Credentials | None) -> None:
        self._line = line
        self._retrier = retrier
        self._basic = basic_authorization(user) if user is not None and user.username and user.password else None

    def catalog(self) -> tuple[str, ...]:
        """Read the catalog to its end."""
        from rafsight.access.registry import wire

        found: list[str] = []
        url: str | None = f"{self._line.origin}/v2/_catalog?n={_PER_PAGE}"
        for _ in range(_MOST_PAGES):
            if url is None:
                return self._checked(found)
            content, head = self.fetch(url, "list of repositories", as_user=False)
            page = self._decode(content, wire.Repositories).repositories or []
            found += page
            url = next_page(self._line, url, head, "repositories") if page else None
            if len(found) > _MOST:
                break
        raise self._misbehaves(why="its list of repositories has no end")

    def projects(self) -> tuple[str, ...]:
        """Read Harbor's projects, and the repositories of each."""
        api = f"{self._line.origin}/api/v2.0/projects"
        found: list[str] = []
        for project in self._numbered(f"{api}?", "list of projects"):
            found += self._numbered(f"{api}/{quote(project, safe='')}/repositories?", f"list of project {project}")
            if len(found) > _MOST:
                raise self._misbehaves(why="its list of repositories has no end")
        return self._checked(found)

    def fetch(self, url: str, what: str, *, as_user: bool = True) -> tuple[bytes, Response]:
        """Fetch one page."""
        request = Request(method="GET", url=url, headers=_JSON)
        authorization = self._basic

        def once(request: Request) -> Conversation:
            return (yield request.with_authorization(authorization))

        def ask() -> tuple[bytes, Response]:
            with self._line.begin(
                lambda talk: once(request) if as_user else talk.ask(request.at(self._line.present(url))), what
            ) as reply:
                content = reply.read_up_to(_PAGE_SIZE + 1)
                if len(content) > _PAGE_SIZE:
                    raise self._misbehaves(why=f"the {what} is larger than {_PAGE_SIZE} bytes")
                return content, reply.head

        return self._retrier.run(ask)

    def _numbered(self, url: str, what: str) -> list[str]:
        """Read a list of names whose pages have numbers: until all that it counts are there, else to an empty page."""
        from rafsight.access.registry import wire

        names: list[str] = []
        for number in range(1, _MOST_PAGES + 1):
            content, head = self.fetch(f"{url}page={number}&page_size={_HARBOR_PER_PAGE}", what)
            page = [one.name for one in self._decode(content, list[wire.Named])]
            names += page
            total = head.header("x-total-count") or ""
            if not page or (_COUNT.match(total) and len(names) >= int(total)):
                return names
        raise self._misbehaves(why=f"the {what} has no end")

    def _checked(self, names: list[str]) -> tuple[str, ...]:
        if not all(REPOSITORY.match(name) for name in names):
            raise self._misbehaves(why="its list of repositories holds something that is no repository")
        return tuple(dict.fromkeys(names))

    def _decode(self, content: bytes, kind: Any) -> Any:
        import msgspec

        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            raise self._misbehaves(why="its list of repositories is not the JSON that registries answer") from None

    def _misbehaves(self, *, why: str) -> RegistryMisbehaves:
        return RegistryMisbehaves(host=host_of(self._line.origin), why=why)
