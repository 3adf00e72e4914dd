import base64

import pytest

from rafsight.interfaces.service.jobs.opening import open_store
from rafsight.interfaces.service.web.tokens import (
    Tokens,
    UnknownScope,
    check_scopes,
    new_token,
    shown_token,
    token_digest,
)


@pytest.fixture
def store(tmp_path):
    store = open_store(str(tmp_path / "store.sqlite"))
    yield store
    store.close()


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, ""),
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "bearer  abc "}, "abc"),
        ({"authorization": basic("anybody", "a:bc")}, "a:bc"),
        ({"authorization": "Basic %%%"}, ""),
        ({"authorization": "Basic /w=="}, ""),
        ({"authorization": "Digest abc"}, ""),
        ({"x-scanneradapter-api-key": "abc"}, "abc"),
        ({"x-scanneradapter-api-key": "abc", "authorization": "Bearer other"}, "abc"),
        ({"authorization": "Bearer " + "a" * 1000}, "a" * 200),
    ],
)
def test_how_a_token_is_shown(headers, token):
    assert shown_token(headers) == token


def test_the_token_itself_is_nowhere(store, tmp_path):
    token = new_token()
    store.add_token(token_digest(token), name="ci", scopes=("read",), expires=None)
    for path in tmp_path.iterdir():
        assert token.encode() not in path.read_bytes()


def test_two_tokens_differ_and_are_long():
    one, other = new_token(), new_token()
    assert one != other
    assert len(one) >= 43
    assert one.startswith("rafsight_")


def test_a_token_is_found_until_it_is_over(store):
    now = [1_000_000.0]
    tokens = Tokens(store, clock=lambda: now[0])
    live, ends = new_token(), new_token()
    kept = store.add_token(token_digest(live), name="a", scopes=("read",), expires=None)
    store.add_token(token_digest(ends), name="b", scopes=("admin",), expires=int((now[0] + 60) * 1000))
    assert tokens.find(live).name == "a"
    assert tokens.find(ends).scopes == ("admin",)
    assert tokens.find(new_token()) is None
    assert tokens.remembered(live).name == "a"
    store.revoke_token(kept.id)
    assert tokens.remembered(live) is not None  # for a few seconds
    now[0] += 6
    assert tokens.remembered(live) is None
    assert tokens.find(live) is None
    assert tokens.are_live()
    now[0] += 60
    assert tokens.remembered(ends) is None
    assert tokens.find(ends) is None
    assert not tokens.are_live()
    assert tokens.are_any()  # who revokes the last one does not open the door


def test_scopes():
    assert check_scopes(("scan:write", "read", "read")) == ("read", "scan:write")
    with pytest.raises(UnknownScope, match="root"):
        check_scopes(("root",))
