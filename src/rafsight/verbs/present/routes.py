"""What a path means (distribution-spec, "Endpoints"), and whether it is one.

This module alone decides which names are let through: a repository, a tag or a digest is checked here before it becomes
part of another URL or of a file's name.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rafsight.base.digest import is_digest
from rafsight.base.text import printable
from rafsight.verbs.present.answers import Answer, error_answer

ALIAS: Final = "nydus-"
"""`nydus-sha256-HEX` is a tag for the Nydus manifest `sha256:HEX`: what is shown for it cannot have its digest."""

_LONGEST: Final = 2048
"""[characters] of a path, and of a query."""
_REPOSITORY: Final = re.compile(
    r"(?=.{1,255}\Z)[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*\Z"
)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_PATH: Final = re.compile(
    r"/v2/(?P<repository>.+)/(?P<kind>manifests|blobs|referrers|tags)/(?P<name>[^/]+)\Z", re.DOTALL
)
_QUERY: Final = re.compile(r"[!\"$-~]*\Z")
"""Visible characters but `#`."""
_ALIAS: Final = re.compile(r"nydus-sha256-([0-9a-f]{64})\Z")


class Kind(StrEnum):
    """What is asked for."""

    BASE = "base"
    CATALOG = "catalog"
    TAGS = "tags"
    MANIFEST = "manifests"
    BLOB = "blobs"
    REFERRERS = "referrers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a path means."""

    kind: Kind
    path: str
    """As the registry behind is asked, without a query."""
    repository: str = ""
    name: str = ""
    """A tag, or a digest."""

    @property
    def aliased(self) -> str:
        """The digest that a name stands for, if it is such a name; else empty."""
        match = _ALIAS.match(self.name)
        return f"sha256:{match[1]}" if match else ""


def parse_route(path: str) -> Route | Answer:
    """Find out what a path means; an answer that refuses it, if it is none."""
    if len(path) > _LONGEST:
        return error_answer(414, "NAME_INVALID", f"the path is longer than {_LONGEST} characters")
    if path in ("/v2", "/v2/"):
        return Route(kind=Kind.BASE, path="/v2/")
    if path == "/v2/_catalog":
        return Route(kind=Kind.CATALOG, path=path)
    match = _PATH.match(path)
    if match is None:
        return error_answer(404, "UNSUPPORTED", "there is no such page")
    repository, kind, name = match["repository"], Kind(match["kind"]), match["name"]
    if not _REPOSITORY.match(repository):
        return error_answer(400, "NAME_INVALID", f"'{printable(repository, 80)}' is not the name of a repository")
    route = Route(kind=kind, path=path, repository=repository, name=name)
    return _refusal(route) or route


def check_query(query: str) -> Answer | None:
    """Refuse a query that cannot become part of another URL."""
    if len(query) > _LONGEST or not _QUERY.match(query):
        return error_answer(400, "UNSUPPORTED", "the query of this address cannot be used")
    return None


def _refusal(route: Route) -> Answer | None:
    name = route.name
    if route.kind is Kind.TAGS:
        return None if name == "list" else error_answer(404, "UNSUPPORTED", "there is no such page")
    if is_digest(name) or (route.kind is Kind.MANIFEST and _TAG.match(name)):
        return None
    code, what = ("MANIFEST_INVALID", "tag") if route.kind is Kind.MANIFEST else ("DIGEST_INVALID", "digest")
    return error_answer(400, code, f"'{printable(name, 80)}' is not a {what}")
