"""What each question to the presenting registry is answered.

This module alone decides when something of ours is handed out: after the registry behind has said that this client may
have the manifest that it was made of.
"""

from dataclasses import replace
from io import BytesIO
from typing import IO, Final

from rafsight.access.backend import Document
from rafsight.base.digest import is_digest
from rafsight.base.errors import Defect
from rafsight.formats.oci import media_types
from rafsight.verbs.present.answers import (
    VERSION,
    Answer,
    FilePart,
    Headers,
    document_answer,
    error_answer,
)
from rafsight.verbs.present.making import Maker
from rafsight.verbs.present.origins import Origins
from rafsight.verbs.present.ranges import Part, choose_part
from rafsight.verbs.present.routes import ALIAS, Kind, Route
from rafsight.verbs.present.searching import Search
from rafsight.verbs.present.upstream import Client, Upstream
from rafsight.views.presenting.shown import Shown

_TRIES: Final = 3
"""Times that a layer is made again, if it goes at once because others need its room."""
_OCTETS: Final = "application/octet-stream"
_NO_REFERRERS: Final = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'


class Pages:
    """Answers questions. Thread-safe; every method raises RafsightError."""

    def __init__(self, maker: Maker, upstream: Upstream, content: str) -> None:
        """Take who makes images, who is asked, and what images hold, for people."""
        self._maker = maker
        self._upstream = upstream
        self._content = content
        self._origins = Origins(maker.images, upstream)
        self._search = Search(maker, self._origins, upstream)

    def answer(self, client: Client, route: Route) -> Answer:
        """Answer a question."""
        if route.kind is Kind.MANIFEST:
            return self._manifest(client, route)
        if route.kind is Kind.BLOB:
            return self._blob(client, route)
        if route.kind is Kind.REFERRERS:
            return self._referrers(client, route)
        return self._upstream.pass_on(client, route.path, route.repository)

    def refused(self, client: Client, repository: str) -> Answer:
        """Answer a client whom the registry has refused in the middle: in the registry's own words, if it repeats them.

        A token may have run out meanwhile; the client gets another one by what it is told here.
        """
        asking = replace(client, method="GET", query="n=1")
        answer = self._upstream.pass_on(asking, f"/v2/{repository}/tags/list", repository)
        if answer.status in (401, 403):
            return answer
        answer.body.close()
        return error_answer(403, "DENIED", f"a part of the image is denied to you in {repository}")

    def _manifest(self, client: Client, route: Route) -> Answer:
        is_exact = is_digest(route.name)
        if is_exact and (answer := self._own_manifest(client, route)) is not None:
            return answer
        document = self._upstream.document(client, route.repository, route.aliased or route.name)
        if isinstance(document, Answer):
            if is_exact and document.status == 404 and self._search.find(client, route.repository, route.name):
                return self._own_manifest(client, route) or document
            return document
        if is_exact:
            return self._as_it_is(client, document)
        shown = self._maker.show(client, route.repository, document)
        return self._pass_document(client, document) if shown is None else self._shown(client, route, shown)

    def _own_manifest(self, client: Client, route: Route) -> Answer | None:
        """Answer with a manifest of ours, by its digest; None if it is none, or not for this client."""
        origin = self._origins.admitted(client, route.repository, route.name)
        if origin is None or isinstance(origin, Answer):
            return origin
        shown = self._maker.obtain(client, route.repository, origin)
        if shown is None or isinstance(shown, Answer):
            return shown
        return self._shown(client, route, shown) if shown.digest == route.name else None

    def _as_it_is(self, client: Client, document: Document) -> Answer:
        """Answer with a document by its own digest, unless it is one that is shown as another."""
        parsed = self._maker.parse_manifest(document)
        if parsed is None or not self._maker.is_shown(parsed):
            return self._pass_document(client, document)
        known = self._maker.images.find(document.digest)
        as_what = f" as {known.digest}" if known else ""
        alias = ALIAS + document.digest.replace(":", "-")
        message = f"{document.digest} is a Nydus image, which is shown here{as_what}: ask for the tag {alias}"
        return error_answer(404, "MANIFEST_UNKNOWN", message)

    def _shown(self, client: Client, route: Route, shown: Shown) -> Answer:
        """Answer with what stands for a Nydus image, or for an index with some."""
        self._maker.counter.add(images_shown=1)
        for one in (shown, *self._maker.children(shown)):
            self._origins.remember(route.repository, one)
        headers = (
            ("Docker-Content-Digest", shown.digest),
            ("ETag", f'"{shown.digest}"'),
            ("X-Rafsight-Content", self._content),
            ("X-Rafsight-Origin", shown.origin),
            ("X-Rafsight-Original-Size", str(shown.original_size)),
            ("X-Rafsight-Fetched", str(shown.fetched)),
        )
        return document_answer(shown.manifest, shown.media_type, headers, head=client.is_head)

    def _pass_document(self, client: Client, document: Document) -> Answer:
        headers = (("Docker-Content-Digest", document.digest), ("ETag", f'"{document.digest}"'))
        media_type = document.media_type or media_types.OCI_MANIFEST
        return document_answer(document.content, media_type, headers, head=client.is_head)

    def _blob(self, client: Client, route: Route) -> Answer:
        answer = self._own_blob(client, route)
        if answer is not None:
            return answer
        answer = self._upstream.pass_on(client, route.path, route.repository)
        if answer.status == 404 and self._search.find(client, route.repository, route.name):
            return self._own_blob(client, route) or answer
        return answer

    def _own_blob(self, client: Client, route: Route) -> Answer | None:
        """Answer with a config or a layer of ours; None if it is none, or not for this client."""
        origin = self._origins.admitted(client, route.repository, route.name)
        if origin is None or isinstance(origin, Answer):
            return origin
        shown = self._maker.obtain(client, route.repository, origin)
        if shown is None or isinstance(shown, Answer):
            return shown
        if route.name == shown.config_digest:
            return _file_answer(client, BytesIO(shown.config), route.name, len(shown.config))
        size = next((layer.size for layer in shown.layers if layer.digest == route.name), None)
        if size is None:
            return None
        return _file_answer(client, self._open_layer(client, route, shown), route.name, size)

    def _open_layer(self, client: Client, route: Route, shown: Shown) -> "IO[bytes]":
        for _ in range(_TRIES):
            file = self._maker.shelf.open(route.name)
            if file is not None:
                return file
            self._maker.restore(client, route.repository, shown)
        raise Defect(what=f"layer {route.name} goes as soon as it is made")

    def _referrers(self, client: Client, route: Route) -> Answer:
        """Answer with what refers to the image that something of ours was made of."""
        origin = self._origins.admitted(client, route.repository, route.name)
        if isinstance(origin, Answer):
            return origin
        if origin is None:
            return self._upstream.pass_on(client, route.path, route.repository)
        answer = self._upstream.pass_on(client, f"/v2/{route.repository}/referrers/{origin}", route.repository)
        if answer.status != 404:
            return answer
        listed = self._upstream.document(client, route.repository, origin.replace(":", "-"))
        is_list = isinstance(listed, Document) and listed.media_type in media_types.INDEXES
        content = listed.content if isinstance(listed, Document) and is_list else _NO_REFERRERS
        return document_answer(content, media_types.OCI_INDEX, head=client.is_head)


def _file_answer(client: Client, file: "IO[bytes]", digest: str, size: int) -> Answer:
    """Answer with an object of ours, or a part of it."""
    etag = f'"{digest}"'
    part = choose_part(client.header("range"), client.header("if-range"), etag, size)
    headers: Headers = (
        ("Content-Type", _OCTETS),
        ("Docker-Content-Digest", digest),
        ("ETag", etag),
        ("Accept-Ranges", "bytes"),
        VERSION,
    )
    if part is None:
        file.close()
        refused = error_answer(416, "RANGE_INVALID", f"the blob has {size} bytes")
        return replace(refused, headers=(*refused.headers, ("Content-Range", f"bytes */{size}")))
    return _part_answer(client, file, part, headers)


def _part_answer(client: Client, file: "IO[bytes]", part: Part, headers: Headers) -> Answer:
    headers = (*headers, ("Content-Length", str(part.size)))
    if not part.is_whole:
        headers = (*headers, ("Content-Range", part.content_range))
    status = 200 if part.is_whole else 206
    if client.is_head:
        file.close()
        return Answer(status=status, headers=headers)
    return Answer(status=status, headers=headers, body=FilePart(file=file, start=part.start, size=part.size))
