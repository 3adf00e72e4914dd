"""Requests that are passed on: whose secret goes where, and what comes back."""

import base64
import json
import ssl

import pytest

from rafsight.access.counting import Meter
from rafsight.access.options import Offline, Options
from rafsight.access.registry.errors import RegistryMisbehaves, RegistryUnreachable, UntrustedRedirect
from rafsight.access.registry.relay import (
    Question,
    Relay,
    UnusableAuthorization,
    UnusableUpstream,
    credentials_of,
)
from rafsight.testing.registry import PLANTED, Mischief, serve_layout
from rafsight.testing.registry_pages import Answer, Call

ALICE = "Basic " + base64.b64encode(b"alice:wonderland").decode()
CHALLENGE = ("WWW-Authenticate", 'Basic realm="here"')
TAGS = Question(method="GET", path="/v2/app/tags/list?n=1", repository="app")


@pytest.fixture
def relay():
    made = []

    def make(registry, *, own_login=False, **options):
        host = registry if isinstance(registry, str) else registry.host
        made.append(Relay(host, Options(timeout=5.0, **options), own_login=own_login))
        return made[-1]

    yield make
    for one in made:
        one.close()


def alice_only(call: Call) -> Answer | None:
    return None if call.header("authorization") == ALICE else Answer(status=401, headers=(CHALLENGE,), content=b"{}")


def ask(relay, question=TAGS, authorization=None):
    with relay.ask(question, authorization) as reply:
        return reply.head.status, relay.read(reply, 10_000), reply.head


def shown_to(registry):
    return [call.call.header("authorization") for call in registry.log if call.call.path != "/v2/"]


def test_a_question_goes_on_with_what_the_client_shows(relay):
    with serve_layout(PLANTED, gate=alice_only) as registry:
        passage = relay(registry)
        assert ask(passage, authorization=ALICE)[:2] == (200, b'{"name": "app", "tags": ["v5"]}')
        status, body, head = ask(passage)
        assert (status, body, head.header("www-authenticate")) == (401, b"{}", CHALLENGE[1])
        assert ask(passage, authorization="Bearer other")[0] == 401
    assert shown_to(registry) == [ALICE, None, "Bearer other"]  # each is asked once, and nobody logs in for them


def test_nothing_of_a_client_goes_where_a_redirect_leads(relay):
    with serve_layout(PLANTED) as storage:
        away = Mischief(only="/tags/", redirect_to=storage.url)
        with serve_layout(PLANTED, mischief=[away]) as registry:
            assert ask(relay(registry), authorization=ALICE)[0] == 200
        assert shown_to(registry) == [ALICE]
    assert [call.call.header("authorization") for call in storage.log] == [None]


def test_redirects_end(relay):
    with serve_layout(PLANTED, gate=turn_round) as registry, pytest.raises(UntrustedRedirect):
        ask(relay(registry))


def turn_round(call: Call) -> Answer | None:
    return None if call.path == "/v2/" else Answer(status=307, headers=(("Location", call.path),))


def test_own_logins_are_used_if_they_shall_be(relay, tmp_path):
    with serve_layout(PLANTED, gate=alice_only) as registry:
        auth = base64.b64encode(b"alice:wonderland").decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
        environment = {"DOCKER_CONFIG": str(tmp_path)}
        assert ask(relay(registry, environment=environment))[0] == 401
        own = relay(registry, own_login=True, environment=environment)
        assert ask(own)[0] == 200
        assert ask(own, authorization="Bearer mine")[0] == 401  # who shows something is asked in their own name
        named = relay(registry, own_login=True, username="alice", password="wonderland")
        assert ask(named)[0] == 200


def test_images_are_read_in_the_name_of_the_client(relay):
    with serve_layout(PLANTED, gate=alice_only) as registry:
        backend = relay(registry).backend("app", ALICE, Meter())
        assert backend.fetch_manifest("v6").content
        backend.close()
        stranger = relay(registry).backend("app", None, Meter())
        with pytest.raises(OSError, match="denies manifest v6"):
            stranger.fetch_manifest("v6")
        stranger.close()


@pytest.mark.parametrize(
    "value",
    ["", "Basic", "Digest x", "Bearer a b", "Bearer \x7f", "Basic " + "x" * 40_000, "Bearer a\r\nHost: b", "Bearer é"],
)
def test_what_cannot_be_shown_to_anybody(relay, value):
    with serve_layout(PLANTED) as registry:
        with pytest.raises(UnusableAuthorization):
            ask(relay(registry), authorization=value)
        assert shown_to(registry) == []


def test_what_is_shown_as_credentials():
    assert credentials_of(ALICE)("h", "r").username == "alice"
    assert credentials_of("bearer token")("h", "r").registry_token == "token"
    for wrong in (
        "Basic !!!",
        "Basic " + base64.b64encode(b"alice").decode(),
        "Basic " + base64.b64encode(b":x").decode(),
    ):
        with pytest.raises(UnusableAuthorization):
            credentials_of(wrong)


@pytest.mark.parametrize("host", ["", "a/b", "http://a", "a b", "a:b", "a@b", "../x", "alpha", "é.example"])
def test_what_is_no_registry(host):
    with pytest.raises(UnusableUpstream):
        Relay(host, Options(), own_login=False)


def test_offline():
    with pytest.raises(Offline):
        Relay("127.0.0.1:1", Options(offline=True), own_login=False)


def test_nobody_there(relay):
    with pytest.raises(RegistryUnreachable):
        relay("127.0.0.1:1").settle()


def test_a_registry_on_this_machine_that_speaks_tls(relay, tmp_path):
    from tests.access.registry.certificates import make_certificates  # costly, and for this test only

    certificates = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server.certificate, certificates.server.key)
    authority = str(certificates.authority.certificate)
    with serve_layout(PLANTED, tls=context) as registry:
        passage = relay(registry, environment={"SSL_CERT_FILE": authority})
        assert ask(passage)[0] == 200
        assert passage.origin.startswith("https:")


def test_an_answer_without_end(relay):
    with serve_layout(PLANTED) as registry:
        passage = relay(registry)
        question = Question(method="GET", path="/v2/app/manifests/v6")
        with passage.ask(question, None) as reply, pytest.raises(RegistryMisbehaves, match="more than 10 bytes"):
            passage.read(reply, 10)
