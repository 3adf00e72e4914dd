"""What a registry answers to those who read, out of OCI layouts; no socket here.

This module alone decides the pages of the stand-in registry in `registry.py`; what is pushed is taken in
`registry_uploads.py`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

_PATH: Final = re.compile(r"/v2/(?P<repository>.+)/(?P<kind>manifests|blobs|tags)/(?P<name>[^/]+)\Z")
_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)\Z")
_DIGEST: Final = re.compile(r"(sha256|sha512):([0-9a-f]{64}|[0-9a-f]{128})\Z")
_TAG_ANNOTATION: Final = "org.opencontainers.image.ref.name"

_PAGE: Final = 1000
"""Names on a page, however many are asked for."""

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as it came in."""

    method: str
    path: str
    """With its query."""
    headers: Headers
    """Names in lower case."""
    body: bytes = b""
    """The first MiB of it; nothing of what a registry that can be pushed to takes as it comes."""

    def header(self, name: str) -> str | None:
        """Return the first header of a (lower-case) name."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes out."""

    status: int = 200
    headers: Headers = ()
    content: bytes = b""
    file: Path | None = None
    """The body is a part of this file instead of `content`."""
    offset: int = 0
    size: int = 0
    """[bytes] of `file`."""

    @property
    def length(self) -> int:
        """[bytes] of the body."""
        return self.size if self.file else len(self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Reads a layout anew for each request: it may grow meanwhile."""

    path: Path

    def tags(self) -> dict[str, tuple[str, str]]:
        """Return digest and media type by tag."""
        index = json.loads((self.path / "index.json").read_bytes())
        return {
            entry["annotations"][_TAG_ANNOTATION]: (entry["digest"], entry.get("mediaType", ""))
            for entry in index.get("manifests", [])
            if _TAG_ANNOTATION in entry.get("annotations", {})
        }

    def blob(self, digest: str) -> Path | None:
        match = _DIGEST.match(digest)
        path = self.path / "blobs" / match[1] / match[2] if match else None
        return path if path is not None and path.is_file() else None


def answer_call(layouts: Mapping[str, Path], call: Call) -> Answer:
    """Answer as a registry does."""
    parts = urlsplit(call.path)
    if parts.path in ("/v2", "/v2/"):
        return Answer(headers=(("Content-Type", "application/json"),), content=b"{}")
    if parts.path == "/v2/_catalog" and call.method == "GET":
        return _catalog(layouts, parse_qs(parts.query))
    match = _PATH.match(parts.path)
    if call.method not in ("GET", "HEAD"):
        return error_answer(405, "UNSUPPORTED", "this registry can only be read")
    if match is None:
        return error_answer(404, "UNSUPPORTED", "there is no such page")
    if match["repository"] not in layouts:
        return error_answer(404, "NAME_UNKNOWN", "repository name not known to registry")
    layout = _Layout(path=layouts[match["repository"]])
    if match["kind"] == "manifests":
        return _manifest(layout, match["name"])
    if match["kind"] == "blobs":
        return _blob(layout, match["name"], call.header("range"))
    if match["name"] == "list":
        return _tags(layout, match["repository"], parse_qs(parts.query))
    return error_answer(404, "UNSUPPORTED", "there is no such page")


def error_answer(status: int, code: str, message: str, headers: Headers = ()) -> Answer:
    """Make an error document."""
    content = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Answer(status=status, headers=(("Content-Type", "application/json"), *headers), content=content)


def _manifest(layout: _Layout, name: str) -> Answer:
    digest, media_type = layout.tags().get(name, (name, ""))
    path = layout.blob(digest)
    if path is None:
        return error_answer(404, "MANIFEST_UNKNOWN", "manifest unknown")
    content = path.read_bytes()
    if not media_type:
        document = _object(content)
        if document is None:
            return error_answer(404, "MANIFEST_UNKNOWN", "manifest unknown")
        kind = "index" if "manifests" in document else "manifest"
        media_type = document.get("mediaType", f"application/vnd.oci.image.{kind}.v1+json")
    return Answer(headers=(("Content-Type", media_type), ("Docker-Content-Digest", digest)), content=content)


def _object(content: bytes) -> dict[str, Any] | None:
    """Decode a document; None if these bytes are none, but those of a layer."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _blob(layout: _Layout, digest: str, wanted: str | None) -> Answer:
    path = layout.blob(digest)
    if path is None:
        return error_answer(404, "BLOB_UNKNOWN", "blob unknown to registry")
    total = path.stat().st_size
    headers: Headers = (("Content-Type", "application/octet-stream"), ("Docker-Content-Digest", digest))
    match = _RANGE.match(wanted or "")
    if match is None:
        return Answer(headers=(*headers, ("Accept-Ranges", "bytes")), file=path, size=total)
    first = int(match[1])
    last = min(int(match[2]) if match[2] else total - 1, total - 1)
    if first > last:
        return Answer(status=416, headers=(("Content-Range", f"bytes */{total}"),))
    headers = (*headers, ("Content-Range", f"bytes {first}-{last}/{total}"))
    return Answer(status=206, headers=headers, file=path, offset=first, size=last - first + 1)


def _tags(layout: _Layout, repository: str, query: Mapping[str, list[str]]) -> Answer:
    page, headers = _page(sorted(layout.tags()), f"/v2/{repository}/tags/list", query)
    return Answer(headers=headers, content=json.dumps({"name": repository, "tags": page or None}).encode())


def _catalog(layouts: Mapping[str, Path], query: Mapping[str, list[str]]) -> Answer:
    page, headers = _page(sorted(layouts), "/v2/_catalog", query)
    return Answer(headers=headers, content=json.dumps({"repositories": page}).encode())


def _page(names: list[str], path: str, query: Mapping[str, list[str]]) -> tuple[list[str], Headers]:
    """Return the names of a page, and the headers that lead to the next."""
    last = query.get("last", [""])[0]
    rest = [name for name in names if name > last]
    count = min(int(query.get("n", ["1000"])[0]), _PAGE)
    page = rest[:count]
    headers: Headers = (("Content-Type", "application/json"),)
    if len(rest) > len(page) and page:
        headers = (*headers, ("Link", f'<{path}?n={count}&last={quote(page[-1])}>; rel="next"'))
    return page, headers
