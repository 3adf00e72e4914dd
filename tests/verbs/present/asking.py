"""A presenter that is asked as clients ask, without a server; and what it is asked about."""

import base64
import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rafsight import Options, Presenter
from rafsight.testing.registry_pages import Answer, Call

ALL = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"
CHALLENGE = ("WWW-Authenticate", 'Basic realm="here"')


@dataclass(frozen=True, slots=True)
class Got:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self):
        return json.loads(self.content)

    @property
    def digest(self):
        return self.headers["docker-content-digest"]

    @property
    def error(self):
        (one,) = self.json["errors"]
        return one["code"], one["message"]


class Asker:
    def __init__(self, presenter: Presenter) -> None:
        self.presenter = presenter

    def __call__(self, path, *, method="GET", query="", **headers) -> Got:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.presenter.answer(method, path, query, named)
        try:
            content = b"".join(answer.body.pieces())
        finally:
            answer.body.close()
        return Got(answer.status, {name.lower(): value for name, value in answer.headers}, content)

    @property
    def statistics(self):
        return self.presenter.statistics


@contextmanager
def presenting(registry, cache: Path | None, *, content="syft", options=None, **more):
    """Show a registry's images until the block ends."""
    host = registry if isinstance(registry, str) else registry.host
    settings = {"timeout": 5.0, "cache_dir": cache, **(options or {})}
    presenter = Presenter(host, content=content, options=Options(**settings), **more)
    try:
        yield Asker(presenter)
    finally:
        presenter.close()


def basic(user, password="x"):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass(slots=True)
class Doorman:
    """Lets users into repositories; to strangers it says that they have to log in."""

    users: dict[str, tuple[str, ...]]
    """User to the repositories that they may read."""

    def __call__(self, call: Call) -> Answer | None:
        user = next((name for name in self.users if call.header("authorization") == basic(name)), None)
        if user is None:
            return Answer(status=401, headers=(CHALLENGE,), content=b'{"errors":[{"code":"UNAUTHORIZED"}]}')
        parts = call.path.split("/")
        if len(parts) > 3 and parts[2] not in self.users[user]:
            return Answer(status=403, content=b'{"errors":[{"code":"DENIED"}]}')
        return None


def sha256(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def pull(ask, name="v6", repository="app", **headers):
    """Pull as an engine does: by HEAD, GET, and everything that the manifest names."""
    path = f"/v2/{repository}/manifests/{name}"
    head, got = ask(path, method="HEAD", accept=ALL, **headers), ask(path, accept=ALL, **headers)
    assert (head.status, head.content, got.status) == (200, b"", 200), got
    assert head.headers == got.headers
    assert got.digest == sha256(got.content)
    assert int(got.headers["content-length"]) == len(got.content)
    objects = {got.digest: got.content}
    for one in (got.json["config"], *got.json["layers"]):
        blob = ask(f"/v2/{repository}/blobs/{one['digest']}", **headers)
        assert (blob.status, len(blob.content), sha256(blob.content)) == (200, one["size"], one["digest"])
        objects[one["digest"]] = blob.content
    again = ask(f"/v2/{repository}/manifests/{got.digest}", accept=ALL, **headers)
    assert again.content == got.content
    return objects
