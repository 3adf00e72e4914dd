"""Who may look: logging in by a token, cookies, scopes, and addresses of other names."""

import pytest
from tests.interfaces.service.pages.serving import FORM_FIELD, Reader, make_token

from rafsight.interfaces.service.pages.login import own_address

OPEN = {"host": "0.0.0.0"}


@pytest.fixture
def visitor(visit, empty):
    """Somebody at a service that others can reach, and that has a store of its own."""
    return visit(empty, **OPEN)


def cookie_of(answer, name):
    return next(value for value in answer.headers.get_list("set-cookie") if value.startswith(f"{name}="))


def test_without_a_token_there_is_the_login_alone(visitor):
    answer = visitor.get("/scans?state=failed")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fscans%3Fstate%3Dfailed")
    assert visitor.get("/").headers["location"] == "/login"
    login = visitor.get(answer.headers["location"])
    assert login.status_code == 200
    assert [one["value"] for one in Reader(login.text).all("input") if one["name"] == "next"] == ["/scans?state=failed"]
    assert "nav" not in {tag for tag, _ in Reader(login.text).elements}
    (style,) = [one["href"] for one in Reader(login.text).all("link") if one["rel"] == "stylesheet"]
    assert visitor.get(style).status_code == 200


def test_logging_in_and_out(visitor):
    token = make_token(visitor.store, "read")
    answer = visitor.send("/login", {"token": f" {token} ", "next": "/scans?state=failed"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/scans?state=failed")
    cookie = cookie_of(answer, "rafsight").lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert "max-age" not in cookie
    assert "secure" not in cookie
    shown = visitor.get("/")
    assert shown.status_code == 200
    assert "a person" in shown.text
    assert token not in shown.text
    gone = visitor.send("/logout", {}, page="/")
    assert gone.headers["location"] == "/login"
    assert visitor.get("/").status_code == 303


@pytest.mark.parametrize("text", ["", "rafsight_wrong", "x" * 300, "\u202e", "a\nb"])
def test_what_is_no_token(visitor, text):
    answer = visitor.send("/login", {"token": text, "next": "/"})
    assert answer.status_code == 403
    assert "wrong-token" not in answer.text
    assert "this is no token that may be used here" in answer.text
    assert not any(one.startswith("rafsight=") for one in answer.headers.get_list("set-cookie"))
    assert text == "" or text not in answer.text


def test_a_token_that_is_over(visitor):
    visitor.log_in("read")
    (kept,) = visitor.store.tokens()
    assert visitor.get("/").status_code == 200
    visitor.store.revoke_token(kept.id)
    visitor.service.tokens.find("another")
    visitor.service.tokens._known.clear()
    assert visitor.get("/").status_code == 303
    expired = make_token(visitor.store, "read", expires=1)
    assert visitor.send("/login", {"token": expired, "next": "/"}).status_code == 403


def test_a_token_opens_what_it_is_for(visitor):
    visitor.log_in("read")
    assert visitor.get("/").status_code == 200
    hunt = visitor.get("/hunt")
    assert hunt.status_code == 403
    assert "not-permitted" in hunt.text
    shown = visitor.get("/scans").text
    assert "Scan an image" not in shown
    assert 'href="/hunt"' not in shown
    assert visitor.send("/scans", {"reference": "127.0.0.1:5000/a:b", "scanner": "vuln"}, page="/").status_code == 403
    assert visitor.send("/state/match", {}, page="/").status_code == 403
    assert visitor.crew.rematches == 0


def test_the_header_goes_before_the_cookie(visitor):
    visitor.log_in("read")
    wrong = visitor.get("/", headers={"Authorization": "Bearer rafsight_wrong"})
    assert wrong.status_code == 303
    other = make_token(visitor.store, "hunt")
    assert visitor.get("/hunt", headers={"Authorization": f"Bearer {other}"}).status_code == 200


def test_whoever_comes_from_another_site_asks_again(visitor):
    """A link in a chat does not carry a cookie that is Strict; a second request from our own page does."""
    answer = visitor.get("/reports/abcdefgh?x=%22%3E", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    (refresh,) = [one["content"] for one in Reader(answer.text).all("meta") if one.get("http-equiv") == "refresh"]
    assert refresh == "0; url=/reports/abcdefgh?x=%22%3E"
    again = visitor.get("/reports/abcdefgh", headers={"Sec-Fetch-Site": "same-origin"})
    assert again.status_code == 303


def test_behind_https_and_a_path(visit, empty):
    visitor = visit(
        empty, **OPEN, base_url="https://scanner.example.com/rafsight", address="https://scanner.example.com"
    )
    answer = visitor.get("/")
    assert answer.headers["location"] == "/rafsight/login"
    login = Reader(visitor.get("/login").text)
    assert [one["action"] for one in login.all("form")] == ["/rafsight/login"]
    assert all(one["href"].startswith("/rafsight/") for one in login.all("link"))
    cookie = cookie_of(visitor.get("/login"), "rafsight-form")
    assert "Path=/rafsight/" in cookie
    assert "Secure" in cookie


def test_behind_https_no_other_host_can_set_our_cookies(visit, empty):
    visitor = visit(empty, **OPEN, base_url="https://scanner.example.com", address="https://scanner.example.com")
    token = visitor.log_in("read")
    assert visitor.cookies["__Host-rafsight"] == token
    assert visitor.get("/").status_code == 200


def test_without_tokens_everybody_on_this_machine_may_by_its_names_alone(visit, empty):
    visitor = visit(empty)
    assert visitor.get("/").status_code == 200
    assert "Log out" not in visitor.get("/").text
    stranger = visitor.get("/", headers={"Host": "evil.example"})
    assert stranger.status_code == 403
    assert "wrong-host" in stranger.text


def test_who_logs_in_elsewhere_is_not_logged_in_here(visitor):
    """A form of a stranger cannot log somebody in with the stranger's token."""
    token = make_token(visitor.store, "read")
    mark = FORM_FIELD.search(visitor.get("/login").text)[1]
    answer = visitor.post(
        "/login", [("form-token", mark), ("token", token)], headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403
    assert "foreign-form" in answer.text


@pytest.mark.parametrize(
    "address",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil", "javascript:alert(1)", "", "x", "/a b", "/\n", "/\u00e9"],
)  # fmt: skip
def test_nobody_is_led_elsewhere(address):
    assert own_address(address) == "/"


@pytest.mark.parametrize("address", ["/", "/scans", "/reports/abc?x=1&y=2", "/image?registry=127.0.0.1:5000"])
def test_own_addresses(address):
    assert own_address(address) == address
