"""Pushing where tokens are wanted: which rights are asked for, and what happens when they end."""

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.access.registry.helpers import Content, authorization, largest_layer, play, target_for

from rafsight.access.registry.credentials import Credentials
from rafsight.access.registry.errors import RegistryDenied
from rafsight.access.registry.flows import Conversations
from rafsight.access.registry.messages import Request, Response
from rafsight.access.registry.tokens import widen_scope
from rafsight.access.target import Pushed
from rafsight.base.digest import digest_of
from rafsight.formats.oci.media_types import OCI_INDEX
from rafsight.testing.registry import PLANTED, serve_writable
from rafsight.testing.registry_pages import Answer, error_answer

CONTENT = bytes(range(256)) * 1000
DIGEST = digest_of(CONTENT)
DOCUMENT = b'{"schemaVersion":2,"manifests":[]}'
ALICE = Credentials(source="the test", username="alice", password="wonderland")
BOTH = "repository:app:pull,push"


@dataclass
class Guard:
    """A token server and the gate of its registry; as Docker's, except for what a test wants otherwise."""

    url: str = ""
    never: tuple[str, ...] = ()
    """Actions that nobody is given."""
    late: tuple[str, ...] = ()
    """Actions that the first token lacks, though they were asked for."""
    closed: tuple[str, ...] = ()
    """Repositories for which a token is refused altogether."""
    revoke: str = ""
    """Before the first request with this method all tokens end."""
    asked: list = field(default_factory=list)
    """The scopes of each token."""
    refused: list = field(default_factory=list)
    """Methods that were refused."""
    _rights: dict = field(default_factory=dict)

    def __call__(self, call):
        parts = urlsplit(call.path)
        if parts.path == "/token":
            values = parse_qs(call.body.decode() if call.method == "POST" else parts.query)["scope"]
            return self.grant([one for value in values for one in value.split(" ")])
        if call.method == self.revoke:
            self.revoke, self._rights = "", {}
        repository = parts.path.removeprefix("/v2/").partition("/")[0]
        needed = {f"{repository}:pull"} | ({f"{repository}:push"} if call.method not in ("GET", "HEAD") else set())
        scopes = [f"repository:{repository}:{'pull' if len(needed) == 1 else 'pull,push'}"]
        for other in parse_qs(parts.query).get("from", ()):
            needed.add(f"{other}:pull")
            scopes.append(f"repository:{other}:pull")
        held = self._rights.get((call.header("authorization") or "").removeprefix("Bearer "), set())
        if needed <= held:
            return None
        self.refused.append(call.method)
        challenge = f'Bearer realm="{self.url}/token",service="s",scope="{" ".join(scopes)}"'
        return error_answer(401, "UNAUTHORIZED", "authentication required", (("WWW-Authenticate", challenge),))

    def grant(self, scopes):
        self.asked.append(" ".join(scopes))
        rights = set()
        for scope in scopes:
            _, name, actions = scope.split(":")
            if name in self.closed:
                return Answer(status=403)
            lacking = (*self.never, *self.late) if len(self.asked) == 1 else self.never
            rights |= {f"{name}:{action}" for action in actions.split(",") if action not in lacking}
        token = f"token-{len(self.asked)}"
        self._rights[token] = rights
        return Answer(content=json.dumps({"token": token}).encode())


@contextmanager
def guarded(tmp_path, **guard):
    gate = Guard(**guard)
    with serve_writable(tmp_path, gate=gate, layouts={"base": PLANTED, "other": PLANTED}) as registry:
        gate.url = registry.url
        target = target_for(registry, credentials=ALICE)
        try:
            yield registry, target, gate
        finally:
            target.close()


def test_one_token_does_for_everything(tmp_path):
    with guarded(tmp_path) as (_, target, gate):
        assert target.push_blob(DIGEST, len(CONTENT), Content(CONTENT)).how == "sent"
        target.push_manifest(DOCUMENT, OCI_INDEX, tag="v1")
        assert gate.asked == [BOTH]
        assert gate.refused == ["HEAD"]


def test_a_token_to_pull_is_replaced_when_it_does_not_do(tmp_path):
    content = Content(CONTENT)
    with guarded(tmp_path, late=("push",)) as (_, target, gate):
        assert target.push_blob(DIGEST, len(CONTENT), content) == Pushed(sent=len(CONTENT), how="sent")
        assert gate.asked == [BOTH, BOTH]
        assert gate.refused == ["HEAD", "POST"]
        assert content.opened == 1


def test_a_token_that_ends_in_the_middle_is_renewed(tmp_path):
    content = Content(CONTENT)
    with guarded(tmp_path, revoke="PUT") as (registry, target, gate):
        pushed = target.push_blob(DIGEST, len(CONTENT), content)
        assert pushed.how == "sent"
        assert pushed.sent >= len(CONTENT)
        assert gate.refused == ["HEAD", "PUT"]
        assert content.opened == content.closed == 2
        assert [one.status for one in registry.log if one.call.method == "PUT"] == [401, 201]
        assert target.has_blob(DIGEST)


def test_who_may_only_pull_is_told_so(tmp_path):
    content = Content(CONTENT)
    with guarded(tmp_path, never=("push",)) as (registry, target, gate):
        with pytest.raises(RegistryDenied) as caught:
            target.push_blob(DIGEST, len(CONTENT), content)
        assert f"docker login {registry.host}` with an account that may push" in caught.value.advice
        assert "those from the test" in str(caught.value)
        assert content.opened == 0
        assert len(gate.asked) == 2


class TestMounts:
    """A token has to open the other repository, too."""

    LAYER, BLOB = largest_layer()

    def push(self, registry, target, neighbour="base"):
        return target.push_blob(
            self.LAYER, len(self.BLOB), Content(self.BLOB), neighbour=f"{registry.host}/{neighbour}"
        )

    def test_it_is_asked_for(self, tmp_path):
        with guarded(tmp_path) as (registry, target, gate):
            assert self.push(registry, target) == Pushed(sent=0, how="mounted")
            assert gate.asked == [BOTH, f"{BOTH} repository:base:pull"]
            assert gate.refused == ["HEAD"]
            target.push_blob(DIGEST, len(CONTENT), Content(CONTENT), neighbour=f"{registry.host}/base")
            assert len(gate.asked) == 2

    def test_several(self, tmp_path):
        with guarded(tmp_path) as (registry, target, gate):
            self.push(registry, target)
            target.push_blob(DIGEST, len(CONTENT), Content(CONTENT), neighbour=f"{registry.host}/other")
            assert gate.asked[-1] == f"{BOTH} repository:base:pull repository:other:pull"
            assert gate.refused == ["HEAD"]

    def test_where_it_cannot_be_had_the_blob_is_sent(self, tmp_path):
        with guarded(tmp_path, closed=("base",)) as (registry, target, gate):
            assert self.push(registry, target) == Pushed(sent=len(self.BLOB), how="sent")
            asked = len(gate.asked)
            assert target.push_blob(
                DIGEST, len(CONTENT), Content(CONTENT), neighbour=f"{registry.host}/base"
            ) == Pushed(sent=len(CONTENT), how="sent")
            assert "repository:base:pull" not in gate._rights
            # refused: asked for by us, then again by form and as the registry wished
            assert {scope for scope in gate.asked if "base" in scope} == {f"{BOTH} repository:base:pull"}
            assert len(gate.asked) - asked <= 2


ORIGIN = "https://registry.test"
POST = Request(method="POST", url=f"{ORIGIN}/v2/app/blobs/uploads/")
CHALLENGE = (("www-authenticate", 'Bearer realm="https://auth.test/token",service="s",scope="repository:app:pull"'),)


def talk(**more):
    return Conversations(origin=ORIGIN, repository="app", credentials=lambda: None, clock=lambda: 0.0, **more)


def token(value):
    return Response(status=200, body=json.dumps({"token": value}).encode())


def scopes(request):
    return parse_qs(urlsplit(request.url).query).get("scope")


@pytest.mark.parametrize(("pushes", "wanted"), [(False, "repository:app:pull"), (True, BOTH)])
def test_who_only_pulls_asks_for_no_more(pushes, wanted):
    requests, _ = play(
        talk(pushes=pushes).ask(POST), Response(status=401, headers=CHALLENGE), token("T"), Response(status=202)
    )
    assert scopes(requests[1]) == [wanted]


def test_an_address_elsewhere_gets_no_authorization():
    conversations = talk(pushes=True)
    play(conversations.ask(POST), Response(status=401, headers=CHALLENGE), token("T"), Response(status=202))
    for url in ("https://storage.test/put", "https://registry.test:444/put", "http://registry.test/put"):
        requests, answer = play(
            conversations.ask(Request(method="PUT", url=url)), Response(status=401, headers=CHALLENGE)
        )
        assert [authorization(one) for one in requests] == [None]
        assert answer.status == 401
    requests, _ = play(conversations.ask(Request(method="PUT", url=f"{ORIGIN}/put")), Response(status=201))
    assert authorization(requests[0]) == "Bearer T"


def test_nothing_is_borrowed_without_tokens():
    requests, _ = play(talk(pushes=True).borrow(POST, "base"), Response(status=201))
    assert requests == [POST]


def test_a_fault_while_borrowing_is_no_refusal():
    conversations = talk(pushes=True)
    play(conversations.ask(POST), Response(status=401, headers=CHALLENGE), token("T1"), Response(status=202))
    _, error = play(conversations.borrow(POST, "base"), Response(status=503))
    assert type(error).__name__ == "RegistryBusy"
    requests, _ = play(conversations.borrow(POST, "base"), token("T2"), Response(status=201))
    assert scopes(requests[0]) == [BOTH, "repository:base:pull"]
    assert authorization(requests[1]) == "Bearer T2"


@pytest.mark.parametrize(
    ("scope", "needed", "expected"),
    [
        ("repository:app:pull", (), "repository:app:pull"),
        ("anything at all", (), "anything at all"),
        ("repository:app:pull", (BOTH,), BOTH),
        (BOTH, (BOTH,), BOTH),
        ("repository:app:push,pull", (BOTH,), "repository:app:push,pull"),
        ("repository:b:pull", (BOTH,), f"repository:b:pull {BOTH}"),
        ("registry:catalog:*", (BOTH,), f"registry:catalog:* {BOTH}"),
        (f"{BOTH} repository:b:pull", (BOTH, "repository:b:pull"), f"{BOTH} repository:b:pull"),
        ("nonsense", (BOTH,), BOTH),
    ],
)
def test_scopes_are_widened(scope, needed, expected):
    assert widen_scope(scope, needed) == expected
