"""What a registry does with what is pushed to it; no socket here.

This module alone decides how the stand-in registry in `registry.py` takes uploads and manifests: each repository is an
OCI layout in one folder, with `+` where its name has a slash. Bytes go to disk as they come.
"""

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from rafsight.access.layout_target import LayoutTarget
from rafsight.base.digest import digest_of, hasher_for, is_digest
from rafsight.base.units import MiB
from rafsight.testing.registry_body import Body, BodyBroken
from rafsight.testing.registry_pages import Answer, Call, Headers, error_answer

_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(rf"(?=.{{1,255}}\Z){_PART}(?:/{_PART})*\Z")
_UPLOAD: Final = re.compile(r"/v2/(?P<repository>.+)/blobs/uploads/(?P<session>[0-9a-f]{32})?\Z")
_MANIFEST: Final = re.compile(r"/v2/(?P<repository>.+)/manifests/(?P<name>[^/]+)\Z")
_REFERRERS: Final = re.compile(r"/v2/(?P<repository>.+)/referrers/(?P<digest>[^/]+)\Z")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_RANGE: Final = re.compile(r"(?:bytes[ =])?(\d{1,19})-\d{1,19}(?:/.*)?\Z")
_UPLOADS: Final = ".uploads"
_LARGEST_MANIFEST: Final = 4 * MiB
_PIECE: Final = MiB
_FOREIGN: Final = ("nondistributable", "foreign")
"""Layers with these words in their media types may lie elsewhere."""


@dataclass(slots=True, kw_only=True)
class _Session:
    """An upload that has begun."""

    repository: str
    file: Path
    size: int = 0
    """[bytes] that have come."""
    lock: Lock = field(default_factory=Lock)


class Uploads:
    """The repositories that can be pushed to. Thread-safe."""

    def __init__(self, folder: Path, *, layouts: Mapping[str, Path], referrers: bool) -> None:
        """Take what is in `folder` already.

        Args:
            folder: a layout for each repository; made if need be.
            layouts: other repositories, which can only be read, and blobs be mounted from.
            referrers: keep account of what refers to an image, and say so.
        """
        self._folder = folder
        self._layouts = dict(layouts)
        self._referrers = referrers
        self._sessions: dict[str, _Session] = {}
        self._lock = Lock()
        (folder / _UPLOADS).mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """Throw away what was not finished."""
        with suppress(OSError):
            shutil.rmtree(self._folder / _UPLOADS)

    def layouts(self) -> Mapping[str, Path]:
        """Return the layouts of all repositories, by name."""
        found = {path.name.replace("+", "/"): path for path in self._folder.iterdir() if path.name != _UPLOADS}
        return {**found, **self._layouts}

    def wants(self, call: Call) -> bool:
        """Tell whether a call is answered here, body and all."""
        path = urlsplit(call.path).path
        if call.method in ("GET", "HEAD"):
            return bool(_UPLOAD.match(path)) or (self._referrers and bool(_REFERRERS.match(path)))
        return bool(_UPLOAD.match(path)) or (call.method == "PUT" and bool(_MANIFEST.match(path)))

    def answer(self, call: Call, body: Body) -> Answer:
        """Answer a call that is wanted here.

        Raises: BodyBroken, OSError.
        """
        parts = urlsplit(call.path)
        match = _UPLOAD.match(parts.path) or _MANIFEST.match(parts.path) or _REFERRERS.match(parts.path)
        assert match is not None  # `wants` looked
        repository = match["repository"]
        if not _REPOSITORY.match(repository):
            return error_answer(400, "NAME_INVALID", "invalid repository name")
        if match.re is _REFERRERS:
            return self._list_referrers(repository, match["digest"])
        if repository in self._layouts:
            return error_answer(405, "UNSUPPORTED", "this repository can only be read")
        if match.re is _MANIFEST:
            return self._take_manifest(repository, match["name"], call.header("content-type") or "", body)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if match["session"] is None:
            return self._begin(call, repository, query, body)
        return self._go_on(call, repository, match["session"], query, body)

    def _begin(self, call: Call, repository: str, query: Mapping[str, str], body: Body) -> Answer:
        if call.method != "POST":
            return error_answer(405, "UNSUPPORTED", "uploads begin with POST")
        if "mount" in query and self._mount(repository, query["mount"], query.get("from", "")):
            return _created(repository, query["mount"])
        name = secrets.token_hex(16)
        session = _Session(repository=repository, file=self._folder / _UPLOADS / name)
        session.file.touch()
        with self._lock:
            self._sessions[name] = session
        if "digest" in query:
            return self._finish(name, session, query["digest"], body)
        return _progress(name, session, 202)

    def _go_on(self, call: Call, repository: str, name: str, query: Mapping[str, str], body: Body) -> Answer:
        with self._lock:
            session = self._sessions.get(name)
        if session is None or session.repository != repository:
            return error_answer(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        with session.lock:
            if call.method in ("GET", "HEAD"):
                return _progress(name, session, 204)
            if call.method == "DELETE":
                self._forget(name, session)
                return Answer(status=204)
            start = _RANGE.match(call.header("content-range") or "")
            if start and int(start[1]) != session.size:
                return _progress(name, session, 416)
            if call.method == "PATCH":
                _append(session, body)
                return _progress(name, session, 202)
            if call.method == "PUT":
                return self._finish(name, session, query.get("digest", ""), body)
        return error_answer(405, "UNSUPPORTED", "uploads go on with PATCH or PUT")

    def _finish(self, name: str, session: _Session, digest: str, body: Body) -> Answer:
        if not is_digest(digest):
            return error_answer(400, "DIGEST_INVALID", "the digest is none")
        _append(session, body)
        hasher = hasher_for(digest)
        with session.file.open("rb") as file:
            while piece := file.read(_PIECE):
                hasher.update(piece)
        try:
            if f"{digest.partition(':')[0]}:{hasher.hexdigest()}" != digest:
                return error_answer(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
            session.file.replace(self._place(session.repository, digest))
        finally:
            self._forget(name, session)
        return _created(session.repository, digest)

    def _forget(self, name: str, session: _Session) -> None:
        with self._lock:
            self._sessions.pop(name, None)
        session.file.unlink(missing_ok=True)

    def _mount(self, repository: str, digest: str, source: str) -> bool:
        """Take a blob from another repository, if it is there."""
        layout = self.layouts().get(source)
        file = _blob(layout, digest) if layout and is_digest(digest) else None
        if file is None or not file.is_file():
            return False
        copy = self._folder / _UPLOADS / secrets.token_hex(16)
        shutil.copyfile(file, copy)
        copy.replace(self._place(repository, digest))
        return True

    def _place(self, repository: str, digest: str) -> Path:
        """Return where a blob of a repository belongs; the layout is made if need be."""
        layout = self._layout(repository)
        with self._lock:
            for name, content in _NEW_LAYOUT:
                if not (layout / name).exists():
                    layout.mkdir(exist_ok=True)
                    draft = self._folder / _UPLOADS / secrets.token_hex(16)
                    draft.write_bytes(content)
                    draft.replace(layout / name)
        path = _blob(layout, digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _layout(self, repository: str) -> Path:
        return self._folder / repository.replace("/", "+")

    def _take_manifest(self, repository: str, name: str, media_type: str, body: Body) -> Answer:
        content = body.read_up_to(_LARGEST_MANIFEST + 1)
        if len(content) > _LARGEST_MANIFEST:
            return error_answer(413, "SIZE_INVALID", "the manifest is too large")
        digest = digest_of(content)
        if is_digest(name):
            actual = f"{name.partition(':')[0]}:{hashlib.new(name.partition(':')[0], content).hexdigest()}"
            if actual != name:
                return error_answer(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        elif not _TAG.match(name):
            return error_answer(400, "TAG_INVALID", "manifest tag did not match URI")
        document = _object(content)
        said = document.get("mediaType", media_type)
        if not document or said != media_type:
            return error_answer(400, "MANIFEST_INVALID", "manifest invalid")
        for missing in _references(document):
            if not _blob(self._layout(repository), missing).is_file():
                return error_answer(400, "MANIFEST_BLOB_UNKNOWN", f"blob unknown to registry: {missing}")
        place = self._place(repository, digest)  # makes the layout
        tag = "" if is_digest(name) else name
        LayoutTarget(place.parents[2]).push_manifest(content, media_type, tag=tag)
        headers: Headers = (("Location", f"/v2/{repository}/manifests/{digest}"), ("Docker-Content-Digest", digest))
        subject = _digest_in(document.get("subject"))
        if self._referrers and subject:
            headers = (*headers, ("OCI-Subject", subject))
        return Answer(status=201, headers=headers)

    def _list_referrers(self, repository: str, digest: str) -> Answer:
        """Look through all documents of a repository for those that refer to one: there are few here."""
        found = []
        layout = self.layouts().get(repository)
        for path in sorted((layout / "blobs" / "sha256").glob("*")) if layout else ():
            if path.stat().st_size > _LARGEST_MANIFEST:
                continue
            content = path.read_bytes()
            document = _object(content)
            if _digest_in(document.get("subject")) != digest:
                continue
            kind = document.get("artifactType") or (document.get("config") or {}).get("mediaType", "")
            known = {"mediaType": document.get("mediaType", ""), "digest": digest_of(content), "size": len(content)}
            more = {"artifactType": kind, "annotations": document.get("annotations")}
            found.append(known | {name: value for name, value in more.items() if value})
        media_type = "application/vnd.oci.image.index.v1+json"
        index = {"schemaVersion": 2, "mediaType": media_type, "manifests": found}
        return Answer(headers=(("Content-Type", media_type),), content=json.dumps(index).encode())


_NEW_LAYOUT: Final = (
    ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
    ("index.json", b'{"schemaVersion":2,"manifests":[]}'),
)


def _append(session: _Session, body: Body) -> None:
    """Write what comes; of what breaks off, nothing is kept."""
    with session.file.open("r+b") as file:
        file.seek(session.size)
        try:
            while piece := body.read(_PIECE):
                file.write(piece)
        except BodyBroken:
            file.truncate(session.size)
            raise
        session.size = file.tell()


def _created(repository: str, digest: str) -> Answer:
    location = ("Location", f"/v2/{repository}/blobs/{digest}")
    return Answer(status=201, headers=(location, ("Docker-Content-Digest", digest)))


def _progress(name: str, session: _Session, status: int) -> Answer:
    headers = (
        ("Location", f"/v2/{session.repository}/blobs/uploads/{name}?_state={session.size}"),
        ("Docker-Upload-UUID", name),
        ("Range", f"0-{max(session.size - 1, 0)}"),
    )
    return Answer(status=status, headers=headers)


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def _object(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _references(document: Mapping[str, Any]) -> list[str]:
    """Return the digests of what a manifest or an index cannot do without."""
    listed = [document.get("config")]
    for name in ("layers", "manifests"):
        members = document.get(name)
        listed += members if isinstance(members, list) else []
    needed = [one for one in listed if isinstance(one, dict) and not _is_foreign(str(one.get("mediaType")))]
    return [digest for one in needed if (digest := _digest_in(one))]


def _is_foreign(media_type: str) -> bool:
    return any(word in media_type for word in _FOREIGN)


def _digest_in(descriptor: object) -> str:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    return digest if isinstance(digest, str) and is_digest(digest) else ""
