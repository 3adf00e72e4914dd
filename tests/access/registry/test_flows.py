"""The conversations, without any network: what is asked, in which order, and who sees a secret."""

import base64
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.access.registry.helpers import Time, authorization, play

from rafsight.access.registry.credentials import Credentials
from rafsight.access.registry.errors import (
    RateLimited,
    RegistryBusy,
    RegistryDenied,
    RegistryMisbehaves,
    RegistryUnreachable,
    UntrustedRedirect,
)
from rafsight.access.registry.flows import Conversations
from rafsight.access.registry.messages import Request, Response

ORIGIN = "https://registry.test"
REALM = "https://auth.test/token"
BEARER = (("www-authenticate", f'Bearer realm="{REALM}",service="the service",scope="repository:app:pull"'),)
BASIC = (("www-authenticate", 'Basic realm="harbor"'),)
GET = Request(method="GET", url=f"{ORIGIN}/v2/app/manifests/v6", headers=(("Accept", "x"),))
BLOB = Request(method="GET", url=f"{ORIGIN}/v2/app/blobs/sha256:1", headers=(("Range", "bytes=0-9"),))
ALICE = Credentials(source="config.json", username="alice", password="s3cret:with:colons")
BASIC_ALICE = "Basic " + base64.b64encode(b"alice:s3cret:with:colons").decode()

OK = Response(status=200)
REFUSED = Response(status=401, headers=BEARER)


def token(value: str = "T1", **more) -> Response:
    return Response(status=200, body=json.dumps({"token": value, **more}).encode())


def conversations(credentials: Credentials | None = None, *, time: Time | None = None, **more) -> Conversations:
    return Conversations(
        origin=ORIGIN, repository="app", credentials=lambda: credentials, clock=(time or Time()).clock, **more
    )


def redirect(to: str, status: int = 307) -> Response:
    return Response(status=status, headers=(("location", to),))


def test_open_registry_is_one_request_and_no_questions():
    def never() -> Credentials | None:
        raise AssertionError("credentials were looked up")

    requests, answer = play(Conversations(origin=ORIGIN, repository="app", credentials=never).ask(GET), OK)
    assert requests == [GET]
    assert answer.status == 200


def test_basic():
    talk = conversations(ALICE)
    requests, answer = play(talk.ask(GET), Response(status=401, headers=BASIC), OK)
    assert [authorization(one) for one in requests] == [None, BASIC_ALICE]
    assert answer.status == 200
    requests, _ = play(talk.ask(GET), OK)
    assert authorization(requests[0]) == BASIC_ALICE


def test_basic_refused_is_asked_once():
    talk = conversations(ALICE)
    requests, answer = play(talk.ask(GET), Response(status=401, headers=BASIC), Response(status=401, headers=BASIC))
    assert answer.status == 401
    assert len(requests) == 2
    requests, answer = play(talk.ask(GET), Response(status=401, headers=BASIC))
    assert answer.status == 401
    assert "config.json" in talk.sent


def test_basic_without_credentials():
    talk = conversations()
    _, answer = play(talk.ask(GET), Response(status=401, headers=BASIC))
    assert answer.status == 401
    assert talk.sent == "no credentials were sent"


def test_token_by_form():
    requests, answer = play(conversations(ALICE).ask(GET), REFUSED, token(), OK)
    assert answer.status == 200
    asked = requests[1]
    assert (asked.method, asked.url) == ("POST", REALM)
    assert parse_qs(asked.body.decode()) == {
        "service": ["the service"],
        "scope": ["repository:app:pull"],
        "client_id": ["rafsight"],
    }
    assert authorization(asked) == BASIC_ALICE
    assert authorization(requests[2]) == "Bearer T1"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 415, 500, 501])
def test_token_by_get_where_forms_are_refused(status):
    time = Time()
    talk = conversations(ALICE, time=time)
    requests, answer = play(talk.ask(GET), REFUSED, Response(status=status), token(expires_in=60), OK)
    assert answer.status == 200
    asked = requests[2]
    assert asked.method == "GET"
    assert asked.url.startswith(REALM + "?")
    query = parse_qs(urlsplit(asked.url).query)
    assert query == {
        "service": ["the service"],
        "scope": ["repository:app:pull"],
        "client_id": ["rafsight"],
        "account": ["alice"],
    }
    assert "s3cret" not in asked.url
    time.now += 100
    requests, _ = play(
        talk.ask(GET), token("T2"), OK
    )  # the habit is remembered, and the token renewed before it is refused
    assert [one.method for one in requests] == ["GET", "GET"]
    assert authorization(requests[1]) == "Bearer T2"


def test_token_for_strangers_is_a_get_first():
    requests, answer = play(conversations().ask(GET), REFUSED, token(), OK)
    assert answer.status == 200
    assert requests[1].method == "GET"
    assert authorization(requests[1]) is None
    requests, answer = play(conversations().ask(GET), REFUSED, Response(status=405), token(), OK)
    assert [one.method for one in requests] == ["GET", "GET", "POST", "GET"]


def test_identity_token_is_exchanged():
    talk = conversations(Credentials(source="helper", identity_token="refresh-me"))
    requests, answer = play(
        talk.ask(GET), REFUSED, Response(status=200, body=b'{"access_token":"A1","expires_in":900}'), OK
    )
    assert answer.status == 200
    form = parse_qs(requests[1].body.decode())
    assert form == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["refresh-me"],
        "service": ["the service"],
        "scope": ["repository:app:pull"],
        "client_id": ["rafsight"],
    }
    assert authorization(requests[1]) is None
    assert authorization(requests[2]) == "Bearer A1"


def test_registry_token_is_used_as_it_is():
    talk = conversations(Credentials(source="config.json", registry_token="ready"))
    requests, answer = play(talk.ask(GET), REFUSED, OK)
    assert authorization(requests[1]) == "Bearer ready"
    _, answer = play(talk.ask(GET), REFUSED)
    assert answer.status == 401


def test_scope_is_made_up_where_the_challenge_has_none():
    bare = Response(status=401, headers=(("www-authenticate", f'Bearer realm="{REALM}"'),))
    requests, _ = play(conversations().ask(GET), bare, token(), OK)
    assert parse_qs(urlsplit(requests[1].url).query)["scope"] == ["repository:app:pull"]


def test_bearer_is_preferred_and_basic_taken_where_it_is_all():
    both = Response(status=401, headers=(*BASIC, *BEARER))
    requests, _ = play(conversations(ALICE).ask(GET), both, token(), OK)
    assert authorization(requests[2]) == "Bearer T1"
    unknown = Response(status=401, headers=(("www-authenticate", "Negotiate"), ("www-authenticate", "Bearer"), *BASIC))
    requests, _ = play(conversations(ALICE).ask(GET), unknown, OK)
    assert authorization(requests[1]) == BASIC_ALICE


def test_stale_token_is_renewed_once():
    talk = conversations()
    play(talk.ask(GET), REFUSED, token("T1"), OK)
    requests, answer = play(talk.ask(GET), REFUSED, token("T2"), OK)
    assert [authorization(one) for one in requests] == ["Bearer T1", None, "Bearer T2"]
    assert answer.status == 200
    requests, answer = play(talk.ask(GET), REFUSED, token("T3"), REFUSED)
    assert answer.status == 401


def test_stale_token_answered_by_basic_is_renewed_too():
    """Harbor answers `Basic realm="harbor"` to a bearer token that it no longer likes."""
    talk = conversations(ALICE)
    play(talk.ask(GET), REFUSED, token("T1"), OK)
    requests, answer = play(talk.ask(GET), Response(status=401, headers=BASIC), REFUSED, token("T2"), OK)
    assert [authorization(one) for one in requests] == ["Bearer T1", None, BASIC_ALICE, "Bearer T2"]
    assert answer.status == 200


def test_stale_token_that_nobody_needs_any_more():
    talk = conversations()
    play(talk.ask(GET), REFUSED, token("T1"), OK)
    requests, answer = play(talk.ask(GET), Response(status=401, headers=BASIC), OK, OK)
    assert answer.status == 200
    assert [authorization(one) for one in requests] == ["Bearer T1", None, None]
    assert talk.sent == "no credentials were sent"


def test_same_token_again_is_not_tried_again():
    talk = conversations()
    play(talk.ask(GET), REFUSED, token("T1"), OK)
    requests, answer = play(talk.ask(GET), REFUSED, token("T1"))
    assert answer.status == 401
    assert len(requests) == 2


def test_another_thread_has_renewed_already():
    talk = conversations()
    play(talk.ask(GET), REFUSED, token("T1"), OK)
    slow = talk.ask(GET)
    assert authorization(next(slow)) == "Bearer T1"
    play(talk.ask(GET), REFUSED, token("T2"), OK)
    assert authorization(slow.send(REFUSED)) == "Bearer T2"  # without asking for a token of its own
    slow.close()


def test_token_lifetimes():
    time = Time()
    talk = conversations(time=time)
    play(talk.ask(GET), REFUSED, token("T1", expires_in=300), OK)
    time.now += 289
    requests, _ = play(talk.ask(GET), OK)
    assert authorization(requests[0]) == "Bearer T1"
    time.now += 2
    requests, _ = play(talk.ask(GET), token("T2", expires_in=-5), OK)
    assert authorization(requests[1]) == "Bearer T2"
    requests, _ = play(talk.ask(GET), token("T3"), OK)  # T2 was good for once
    assert authorization(requests[1]) == "Bearer T3"


@pytest.mark.parametrize("hidden", [403, 404])
def test_hidden_repositories_are_asked_for_again_with_credentials(hidden):
    talk = conversations(ALICE)
    requests, answer = play(talk.ask(GET), Response(status=hidden), Response(status=401, headers=BASIC), OK)
    assert [one.url for one in requests] == [GET.url, f"{ORIGIN}/v2/", GET.url]
    assert answer.status == 200
    open_to_all = conversations(ALICE)
    _, answer = play(open_to_all.ask(GET), Response(status=hidden), Response(status=200))
    assert answer.status == hidden
    assert open_to_all.sent == "no credentials were sent"
    _, answer = play(open_to_all.ask(GET), Response(status=hidden))  # not pinged each time
    _, answer = play(conversations().ask(GET), Response(status=hidden))  # nothing to show
    assert answer.status == hidden


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"token":""}',
        b'{"token":7}',
        b'{"token":"a b"}',
        b'{"token":"a\\r\\nHost: b"}',
        b'{"token":"\\u00fc"}',
        b'{"token":"' + b"a" * 70_000 + b'"}',
        b'{"x":' + b"[" * 50_000,
        b'{"token":"a","expires_in":"soon"}',
        b'{"token":"\xff"}',
    ],
)
def test_bad_tokens(body):
    _, error = play(conversations().ask(GET), REFUSED, Response(status=200, body=body))
    assert isinstance(error, RegistryMisbehaves)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RegistryDenied),
        (401, RegistryDenied),
        (403, RegistryDenied),
        (429, RateLimited),
        (503, RegistryBusy),
        (418, RegistryMisbehaves),
    ],
)
def test_token_server_refuses(status, kind):
    _, error = play(conversations().ask(GET), REFUSED, Response(status=status, headers=(("retry-after", "7"),)))
    assert type(error) is kind
    assert "auth.test" in str(error)
    if isinstance(error, RateLimited):
        assert error.retry_after == 7


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_busy_token_server_is_no_reason_for_get(status):
    talk = conversations(ALICE)
    _, error = play(talk.ask(GET), REFUSED, Response(status=status))
    assert isinstance(error, (RateLimited, RegistryBusy))
    assert not error.permanent
    requests, _ = play(talk.ask(GET), REFUSED, token(), OK)
    assert requests[1].method == "POST"


@pytest.mark.parametrize(
    "realm", ["http://auth.test/token", "https://u:p@auth.test/", "ftp://auth.test/", "https://", "https://a\x01b/"]
)
def test_realms_that_get_no_password(realm):
    bad = Response(status=401, headers=(("www-authenticate", f'Bearer realm="{realm}"'),))
    requests, error = play(conversations(ALICE).ask(GET), bad)
    assert isinstance(error, UntrustedRedirect)
    assert len(requests) == 1


def test_realm_in_plain_http_if_it_is_allowed():
    plain = Response(status=401, headers=(("www-authenticate", 'Bearer realm="http://auth.test/token"'),))
    requests, _ = play(conversations(plain_http=True).ask(GET), plain, token(), OK)
    assert requests[1].url.startswith("http://auth.test/token?")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_redirects_go_without_authorization(status):
    talk = conversations(ALICE)
    play(talk.ask(GET), Response(status=401, headers=BASIC), OK)
    requests, answer = play(talk.ask(BLOB), redirect("https://storage.test/1", status), Response(status=206))
    assert [authorization(one) for one in requests] == [BASIC_ALICE, None]
    assert requests[1].url == "https://storage.test/1"
    assert dict(requests[1].headers) == {"Range": "bytes=0-9"}
    assert answer.url == "https://storage.test/1"


@pytest.mark.parametrize(
    "other", ["https://registry.test:8443/1", "https://registry.test.evil/1", "https://sub.registry.test/1"]
)
def test_other_ports_and_hosts_are_others(other):
    talk = conversations(ALICE)
    requests, _ = play(talk.ask(GET), Response(status=401, headers=BASIC), redirect(other), OK)
    assert [authorization(one) for one in requests] == [None, BASIC_ALICE, None]


def test_redirect_within_the_registry_keeps_authorization():
    talk = conversations(ALICE)
    requests, _ = play(talk.ask(GET), Response(status=401, headers=BASIC), redirect("/v2/moved/manifests/v6"), OK)
    assert authorization(requests[2]) == BASIC_ALICE
    assert requests[2].url == f"{ORIGIN}/v2/moved/manifests/v6"


def test_another_host_cannot_ask_for_credentials():
    requests, answer = play(
        conversations(ALICE).ask(GET), redirect("https://evil.test/"), Response(status=401, headers=BASIC)
    )
    assert answer.status == 401
    assert all(authorization(one) is None for one in requests)


def test_another_host_cannot_send_us_back_with_more():
    """Back home we are authorized again, as for any request to the registry."""
    talk = conversations(ALICE)
    play(talk.ask(GET), Response(status=401, headers=BASIC), OK)
    requests, _ = play(talk.ask(GET), redirect("https://other.test/"), redirect(f"{ORIGIN}/v2/x/manifests/1"), OK)
    assert [authorization(one) for one in requests] == [BASIC_ALICE, None, BASIC_ALICE]


def test_redirects_end():
    _, error = play(conversations().ask(GET), *(redirect("https://storage.test/again") for _ in range(6)))
    assert isinstance(error, UntrustedRedirect)
    _, answer = play(conversations().ask(GET), *(redirect("https://storage.test/again") for _ in range(5)), OK)
    assert answer.status == 200


def test_https_does_not_become_http():
    _, error = play(conversations().ask(GET), redirect("http://storage.test/1?Signature=secret"))
    assert isinstance(error, UntrustedRedirect)
    assert "secret" not in str(error)
    assert "--plain-http" in error.advice


def test_blob_locations_are_remembered():
    talk = conversations(ALICE)
    part = Response(status=206)
    play(talk.fetch(BLOB, "d"), redirect("https://storage.test/1"), part)
    requests, _ = play(talk.fetch(BLOB, "d"), part)
    assert [one.url for one in requests] == ["https://storage.test/1"]
    requests, _ = play(talk.fetch(BLOB, "other"), part)
    assert requests[0].url == BLOB.url


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_blob_locations_that_went_stale(status):
    talk = conversations()
    part = Response(status=206)
    play(talk.fetch(BLOB, "d"), redirect("https://storage.test/1"), part)
    requests, answer = play(talk.fetch(BLOB, "d"), Response(status=status), redirect("https://storage.test/2"), part)
    assert [one.url for one in requests] == ["https://storage.test/1", BLOB.url, "https://storage.test/2"]
    assert answer.status == 206
    requests, _ = play(talk.fetch(BLOB, "d"), part)
    assert requests[0].url == "https://storage.test/2"


def test_blob_location_that_redirects_or_fails_is_not_kept():
    talk = conversations()
    play(talk.fetch(BLOB, "d"), redirect("https://storage.test/1"), Response(status=403))
    requests, _ = play(talk.fetch(BLOB, "d"), Response(status=206))
    assert requests[0].url == BLOB.url
    play(talk.fetch(BLOB, "d"), redirect("https://storage.test/1"), Response(status=206))
    requests, _ = play(talk.fetch(BLOB, "d"), redirect("http://evil.test/"), Response(status=206))
    assert [one.url for one in requests] == ["https://storage.test/1", BLOB.url]


def test_blob_location_that_cannot_be_reached_is_forgotten():
    talk = conversations()
    play(talk.fetch(BLOB, "d"), redirect("https://storage.test/1"), Response(status=206))
    conversation = talk.fetch(BLOB, "d")
    assert next(conversation).url == "https://storage.test/1"
    with pytest.raises(RegistryUnreachable):
        conversation.throw(RegistryUnreachable(host="storage.test", why="it broke"))
    assert talk.locations.find("d") is None


def test_broken_off_conversations_leave_no_lock():
    talk = conversations()
    conversation = talk.ask(GET)
    next(conversation)
    assert conversation.send(REFUSED).wants_body
    conversation.close()
    _, answer = play(talk.ask(GET), REFUSED, token(), OK)
    assert answer.status == 200


def test_secrets_are_not_shown():
    talk = conversations(ALICE)
    play(talk.ask(GET), REFUSED, token("T0KEN"), OK)
    shown = repr(talk)
    assert "s3cret" not in shown
    assert "T0KEN" not in shown
    assert base64.b64encode(b"alice:s3cret:with:colons").decode() not in shown
