"""A repository in a registry, as a backend.

This module alone speaks the pull side of the OCI distribution specification. Who we are is decided in flows.py, when to
try again in access/retry.py, what travels in transport.py.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rafsight.access.backend import DigestMismatch, Document, NotFound
from rafsight.access.counting import Meter
from rafsight.access.registry.credentials import FindCredentials, no_credentials
from rafsight.access.registry.endpoint import Endpoint
from rafsight.access.registry.errors import RegistryMisbehaves
from rafsight.access.registry.flows import Conversation, Conversations
from rafsight.access.registry.line import Line, open_line
from rafsight.access.registry.messages import Headers, Request, Response, host_of
from rafsight.access.registry.pages import next_page
from rafsight.access.registry.reading import PROGRESS, BlobStream, RangeRead, total_of
from rafsight.access.registry.transport import Reply
from rafsight.access.retry import Retrier
from rafsight.base.digest import check_digest, digest_of, hasher_for, is_digest
from rafsight.base.errors import RegistryFault
from rafsight.base.limits import Limits
from rafsight.base.units import MiB
from rafsight.formats.oci.media_types import ACCEPTED

TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_MANIFEST_TYPES: Final = ", ".join(ACCEPTED)
_PAGES: Final = frozenset(("text/html", "application/xhtml+xml"))
_MOST_TAGS: Final = 1_000_000
_MOST_PAGES: Final = 1000
_PAGE_SIZE: Final = 8 * MiB
_TAGS_PER_PAGE: Final = 1000


class RegistryBackend:
    """One repository of a registry, read-only. Thread-safe; nothing is asked before the first call.

    Every method raises RegistryFault or ImageFault; CallerError and HostLimit when credentials or certificates of this
    machine cannot be used.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        credentials: FindCredentials = no_credentials,
        retrier: Retrier | None = None,
        meter: Meter | None = None,
        limits: Limits | None = None,
        line: Line | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            endpoint: the repository, and how its registry is reached.
            credentials: asked when the registry wants to know who we are.
            retrier: when failed calls are made again.
            meter: counts every request and every byte of a body, also of failed and of token requests.
            limits: bounds of manifests and tokens.
            line: of the same endpoint, to share its connections and tokens; who made it closes it.
        """
        self.place = endpoint.place
        self.meter = meter or Meter()
        self.supports_ranges = True
        self._endpoint = endpoint
        self._limits = limits or Limits()
        self._retrier = retrier or Retrier()
        self._base = f"{endpoint.origin}/v2/{endpoint.repository}"
        self._owns_line = line is None
        self._line = line or open_line(endpoint, credentials=credentials, meter=self.meter, limits=self._limits)

    def fetch_manifest(self, name: str) -> Document:
        """Fetch a manifest or index by tag or digest.

        The bytes are verified against the digest, and against Docker-Content-Digest if the registry sends it.

        Raises: NotFound, DigestMismatch, RegistryFault.
        Cost: One request if the registry knows us.
        """
        return self._retrier.run(lambda: self._fetch_manifest(name))

    def exists(self, name: str) -> bool:
        """Tell whether a manifest or index exists, by tag or digest, without fetching it.

        Raises: RegistryFault.
        Cost: One request.
        """

        def ask() -> bool:
            request = self._request("HEAD", f"/manifests/{_check_name(name)}", ("Accept", _MANIFEST_TYPES))
            with self._ask(request, f"manifest {name}") as reply:
                reply.discard()
            return True

        try:
            return self._retrier.run(ask)
        except NotFound:
            return False

    def tags(self) -> tuple[str, ...]:
        """List the repository's tags, in the registry's order.

        Raises: NotFound, RegistryFault.
        Cost: One request per 1,000 tags, or as the registry cuts the pages.
        """
        found: list[str] = []
        url: str | None = f"{self._base}/tags/list?n={_TAGS_PER_PAGE}"
        for _ in range(_MOST_PAGES):
            if url is None:
                return tuple(found)
            page, url = self._retrier.run(lambda url=url: self._tag_page(url))  # type: ignore[misc]
            found.extend(page)
            if len(found) > _MOST_TAGS:
                break
        raise self._misbehaves(why="its list of tags has no end")

    def fetch_range(self, digest: str, offset: int, size: int) -> bytes:
        """Fetch exactly `size` bytes of a blob.

        What came before a broken connection is kept; only the rest is asked for again.

        Raises: NotFound, ShortRead, RegistryFault.
        Cost: One request; a second one for the first range of a blob whose registry redirects.
        """
        check_digest(digest)
        read = RangeRead(place=self.place, digest=digest, offset=offset, size=size)
        attempts = self._retrier.start()
        while not read.complete:  # ends: `wait` raises, unless there was progress
            before = read.received
            try:
                with self._ask_blob(digest, read.header()) as reply:
                    read.take(reply)
            except RegistryFault as error:
                if not read.whole_blobs and read.received - before >= PROGRESS:  # else the cost would be quadratic
                    attempts.progressed()
                attempts.wait(error)
            finally:
                if read.whole_blobs:
                    self.supports_ranges = False
        return read.content()

    @contextmanager
    def open_blob(self, digest: str) -> Iterator[Iterator[bytes]]:
        """Open a whole blob as a stream of pieces, at most 1 MiB each; the bytes are not verified.

        A broken connection is continued by a ranged read.

        Raises: NotFound, RegistryFault; later, while reading: ShortRead, RegistryFault.
        Cost: One request and the blob.
        """
        check_digest(digest)
        stream = BlobStream(
            place=self.place,
            digest=digest,
            attempts=self._retrier.start(),
            ask=lambda headers: self._ask_blob(digest, headers),
        )
        try:
            stream.begin()
            yield stream.pieces()
        finally:
            stream.close()

    def blob_size(self, digest: str) -> int:
        """Return a blob's size in bytes: by HEAD, or by a ranged GET of one byte where HEAD does not say.

        Raises: NotFound, RegistryFault.
        Cost: One or two requests.
        """
        return self._retrier.run(lambda: self._blob_size(check_digest(digest)))

    def ping(self) -> None:
        """Ask whether the host is a registry that lets us in.

        Raises: RegistryFault.
        Cost: One request if the registry knows us.
        """
        request = Request(method="GET", url=f"{self._endpoint.origin}/v2/")

        def ask() -> None:
            with self._ask(request, "its API") as reply:
                reply.discard()

        self._retrier.run(ask)

    def close(self) -> None:
        """Close the connections."""
        if self._owns_line:
            self._line.close()

    def _fetch_manifest(self, name: str) -> Document:
        request = self._request("GET", f"/manifests/{_check_name(name)}", ("Accept", _MANIFEST_TYPES))
        content, head = self._document(request, f"manifest {name}", self._limits.index_size)
        is_object = _begins_an_object(content)
        kind = _content_type(head)
        if kind in _PAGES or (kind and "json" not in kind and not is_object):
            why = f"it answers a page ({kind}) for manifest {name}"
            raise RegistryMisbehaves(host=host_of(head.url), why=why)
        said = head.header("docker-content-digest") or ""
        actual = digest_of(content)
        for expected in (name, said):
            if is_digest(expected):
                hasher = hasher_for(expected)
                hasher.update(content)
                actual = f"{expected.partition(':')[0]}:{hasher.hexdigest()}"
                if actual != expected:
                    raise DigestMismatch(what=f"manifest {name}", place=self.place, expected=expected, actual=actual)
        if not is_object and not is_digest(name) and not is_digest(said):  # else these bytes really are the image's
            why = f"what it answers for manifest {name} is no JSON object"
            raise RegistryMisbehaves(host=host_of(head.url), why=why)
        digest = name if is_digest(name) else actual
        return Document(media_type=_media_type(head, content), digest=digest, content=content)

    def _tag_page(self, url: str) -> tuple[list[str], str | None]:
        import msgspec

        from rafsight.access.registry import wire

        request = Request(method="GET", url=url, headers=(("Accept", "application/json"),))
        content, head = self._document(request, "list of tags", _PAGE_SIZE)
        try:
            tags = msgspec.json.decode(content, type=wire.Tags).tags or []
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            raise self._misbehaves(why="its list of tags is not the JSON that registries answer") from None
        if not all(TAG.match(tag) for tag in tags):
            raise self._misbehaves(why="its list of tags holds something that is no tag")
        return tags, next_page(self._line, url, head, "tags") if tags else None

    def _blob_size(self, digest: str) -> int:
        # 401, 403: a storage that was signed for GET only; 405: no HEAD at all
        with self._ask(self._request("HEAD", f"/blobs/{digest}"), f"blob {digest}", 401, 403, 405) as reply:
            head = reply.head
            reply.discard()
        if head.status != 200 or head.size is None:
            with self._ask_blob(digest, (("Range", "bytes=0-0"),)) as reply:
                head = reply.head
        size = head.size if head.status == 200 else total_of(head)
        if size is None:
            raise self._misbehaves(why=f"it does not say how large blob {digest} is")
        return size

    def _document(self, request: Request, what: str, limit: int) -> tuple[bytes, Response]:
        """Fetch a small body as a whole."""
        with self._ask(request, what) as reply:
            head = reply.head
            if (head.header("content-encoding") or "identity").lower() != "identity":
                raise self._misbehaves(why=f"it encodes the {what}, which nobody asked for")
            content = b"" if (head.size or 0) > limit else reply.read_up_to(limit + 1)
        if len(content) > limit or (head.size or 0) > limit:
            raise self._misbehaves(why=f"the {what} is larger than {limit} bytes")
        return content, head

    def _request(self, method: str, path: str, *headers: tuple[str, str]) -> Request:
        return Request(method=method, url=self._base + path, headers=headers)

    def _ask(self, request: Request, what: str, *accepted: int) -> Reply:
        return self._line.begin(lambda talk: talk.ask(self._present(request)), what, *accepted, meter=self.meter)

    def _ask_blob(self, digest: str, headers: Headers) -> Reply:
        request = self._request("GET", f"/blobs/{digest}", *headers)

        def ask(talk: Conversations) -> Conversation:
            return talk.fetch(self._present(request), digest)

        return self._line.begin(ask, f"blob {digest}", 206, 416, meter=self.meter)

    def _present(self, request: Request) -> Request:
        return request.at(self._line.present(request.url))

    def _misbehaves(self, *, why: str) -> RegistryMisbehaves:
        return RegistryMisbehaves(host=self._endpoint.host, why=why)


def _check_name(name: str) -> str:
    """Check that a name can stand in a URL: a tag or a digest.

    Raises: MalformedDigest.
    """
    return name if TAG.match(name) else check_digest(name)


def _content_type(head: Response) -> str:
    return (head.header("content-type") or "").partition(";")[0].strip().lower()


def _begins_an_object(content: bytes) -> bool:
    """Tell whether a document begins as JSON objects do."""
    return content[:64].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").startswith(b"{")


def _media_type(head: Response, content: bytes) -> str:
    """Return what a document says it is: by Content-Type if that names one, else by its own member."""
    import msgspec

    from rafsight.access.registry import wire

    said = _content_type(head)
    if said in ACCEPTED:
        return said
    try:
        return msgspec.json.decode(content, type=wire.MediaType).media_type or said
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return said
