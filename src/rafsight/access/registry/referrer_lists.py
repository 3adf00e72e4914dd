"""Which documents of a repository refer to one: asked of the registry, or kept for it under a tag.

    GET /v2/REPOSITORY/referrers/DIGEST     distribution-spec 1.1, "Listing Referrers", page by page
    GET /v2/REPOSITORY/manifests/TAG        "Referrers Tag Schema": where the registry lacks the former

This module alone decides when the tag is believed, and how a list under a tag is changed while others change it, too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from rafsight.access.backend import Document, NotFound
from rafsight.access.counting import Meter
from rafsight.access.registry.client import RegistryBackend
from rafsight.access.registry.credentials import FindCredentials
from rafsight.access.registry.endpoint import Endpoint
from rafsight.access.registry.errors import PushRefused, RegistryMisbehaves
from rafsight.access.registry.line import Line, open_line
from rafsight.access.registry.messages import Request, Response, host_of
from rafsight.access.registry.pages import next_page
from rafsight.access.registry.referrers import (
    Referrer,
    ReferrersContested,
    ReferrersNotListed,
    ReferrersUnusable,
    list_referrer,
    referrers_tag,
)
from rafsight.access.retry import Retrier
from rafsight.base.limits import Limits
from rafsight.formats.oci import media_types
from rafsight.formats.oci.errors import MalformedDocument
from rafsight.formats.oci.manifest import Descriptor, Index, parse_document

_LACKING: Final = (400, 404, 405, 406, 415, 501)
"""How registries answer that do not know the referrers API; the specification wants 404."""
_MOST: Final = 16_384
_MOST_PAGES: Final = 256
_ROUNDS: Final = 16
"""Times that a list is written, while others write it, too."""
_PAUSE: Final = 0.05
"""[s] after which a list is looked at again, at least."""

_MOST_MISSED: Final = 1024
"""Entries of a list that are asked for, to find those that are gone."""

FetchManifest = Callable[[str], Document]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferrerLists:
    """The lists of one repository. Thread-safe."""

    line: Line
    """To the registry."""
    base: str
    """URL of the repository."""
    fetch_manifest: FetchManifest
    """Fetches a manifest or index by tag or digest, patiently."""
    exists: Callable[[str], bool]
    """Tells whether there is one of a digest, patiently."""
    retrier: Retrier
    limits: Limits
    place: str
    """What people call the repository."""
    _writing: Lock = field(default_factory=Lock)

    def fetch(self, digest: str) -> tuple[Descriptor, ...]:
        """List what refers to a manifest or index.

        Args:
            digest: of it.
        Raises: RegistryFault; MalformedDocument: the list is none.
        Cost: one request a page; one more where the registry lacks the API.
        """
        found: list[Descriptor] = []
        url: str | None = f"{self.base}/referrers/{digest}"
        for number in range(_MOST_PAGES):
            if url is None:
                return tuple({one.digest: one for one in found}.values())
            content, head = self._page(url)
            if head.status != 200 or not _is_index(head):
                if number == 0:
                    return self._tagged(digest)
                raise RegistryMisbehaves(host=host_of(url), why="its list of referrers breaks off")
            page = self._parsed(content, f"list of what refers to {digest}")
            found += page
            url = next_page(self.line, url, head, "referrers") if page else None
            if len(found) > _MOST:
                break
        raise RegistryMisbehaves(host=host_of(self.line.origin), why="its list of referrers has no end")

    def add(self, referrer: Referrer, put: Callable[[str, bytes, str], object]) -> None:
        """Add a referrer to the list that the registry does not keep itself, and see that it stays there.

        Another writer may have read the list before we wrote it, and write its own after us. What was read and written
        quickly here will have been so there, too: so the list is looked at again after a while.

        Args:
            referrer: the new one.
            put: puts a document under a name, patiently.
        Raises: RegistryFault; ReferrersUnusable, ReferrersNotListed, ReferrersContested.
        Cost: a request if it is there already; three and a short wait if nobody else writes; one an entry more where
            some that are listed were deleted.
        """
        digest, clock = referrer.descriptor["digest"], self.retrier.clock
        gone: frozenset[str] = frozenset()
        with self._writing:
            for _ in range(_ROUNDS):
                began = clock()
                current = self._current(referrer.tag)
                index = self._with(referrer, current, gone)
                if index is None:
                    return
                try:
                    put(referrer.tag, index, media_types.OCI_INDEX)
                except PushRefused as refused:
                    before, gone = gone, self._gone(current)
                    if gone <= before:
                        why = refused.details["reason"]
                        raise ReferrersNotListed(
                            place=self.place, digest=digest, tag=referrer.tag, reason=why
                        ) from refused
                    continue
                self.retrier.sleep(max(_PAUSE, clock() - began) * (1 + self.retrier.dice()))
        raise ReferrersContested(place=self.place, digest=digest, tag=referrer.tag)

    def _page(self, url: str) -> tuple[bytes, Response]:
        request = Request(method="GET", url=url, headers=(("Accept", media_types.OCI_INDEX),))
        limit = self.limits.index_size

        def ask() -> tuple[bytes, Response]:
            with self.line.begin(
                lambda talk: talk.ask(request.at(self.line.present(url))), "list of referrers", *_LACKING
            ) as reply:
                content = reply.read_up_to(limit + 1) if reply.head.status == 200 else b""
                if len(content) > limit:
                    why = f"a list of referrers is larger than {limit} bytes"
                    raise RegistryMisbehaves(host=host_of(url), why=why)
                return content, reply.head

        return self.retrier.run(ask)

    def _tagged(self, digest: str) -> tuple[Descriptor, ...]:
        """Read the list under its tag; a tag that is something else lists nothing."""
        try:
            document = self.fetch_manifest(referrers_tag(digest))
        except NotFound:
            return ()
        if document.media_type != media_types.OCI_INDEX:
            return ()
        return self._parsed(document.content, f"tag {referrers_tag(digest)}")

    def _parsed(self, content: bytes, name: str) -> tuple[Descriptor, ...]:
        index = parse_document(content, media_type=media_types.OCI_INDEX, name=name, limits=self.limits)
        if not isinstance(index, Index):
            raise MalformedDocument(document=name, what="it is not the index it was said to be")
        return index.manifests

    def _current(self, tag: str) -> bytes | None:
        """Fetch the list under a tag; None if there is none."""
        try:
            return self.fetch_manifest(tag).content
        except NotFound:
            return None

    def _with(self, referrer: Referrer, current: bytes | None, gone: frozenset[str]) -> bytes | None:
        """Add a referrer to a list, and leave out what is gone; None if it is there already."""
        try:
            return list_referrer(current, referrer, without=gone)
        except ValueError:
            digest = referrer.descriptor["digest"]
            raise ReferrersUnusable(place=self.place, digest=digest, tag=referrer.tag) from None

    def _gone(self, current: bytes | None) -> frozenset[str]:
        """Find the entries of a list that somebody has deleted: registries refuse a list that names such."""
        if current is None:
            return frozenset()
        try:
            listed = self._parsed(current, "list of referrers")[:_MOST_MISSED]
        except MalformedDocument:
            return frozenset()
        return frozenset(one.digest for one in listed if not self.exists(one.digest))


class RegistrySource:
    """A repository that is asked what refers to its images; no right to push is asked for."""

    def __init__(self, endpoint: Endpoint, credentials: FindCredentials, meter: Meter) -> None:
        """Ask nothing yet."""
        limits = Limits()
        self.place = endpoint.place
        self._line = open_line(endpoint, credentials=credentials, meter=meter, limits=limits)
        self._backend = RegistryBackend(endpoint, meter=meter, limits=limits, line=self._line)
        self._lists = ReferrerLists(
            line=self._line,
            base=f"{endpoint.origin}/v2/{endpoint.repository}",
            fetch_manifest=self._backend.fetch_manifest,
            exists=self._backend.exists,
            retrier=Retrier(),
            limits=limits,
            place=self.place,
        )

    def fetch_manifest(self, name: str) -> Document:
        """Fetch a manifest or index, as `RegistryBackend.fetch_manifest` does."""
        return self._backend.fetch_manifest(name)

    def has_manifest(self, digest: str) -> bool:
        """Tell whether a manifest or index is there. Raises: RegistryFault. Cost: One request."""
        return self._backend.exists(digest)

    def list_referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """List what refers to a manifest or index; see `ReferrerLists.fetch`."""
        return self._lists.fetch(digest)

    def close(self) -> None:
        """Close the connections."""
        self._line.close()


def _is_index(head: Response) -> bool:
    """Tell whether an answer says that it is a list: others answer pages of their own, with status 200."""
    return (head.header("content-type") or "").partition(";")[0].strip().lower() == media_types.OCI_INDEX
