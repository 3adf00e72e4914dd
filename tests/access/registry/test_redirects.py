import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.access.registry.helpers import Time

from rafsight.access.registry.errors import UntrustedRedirect
from rafsight.access.registry.redirects import Locations, check_target, same_origin

HOME = "https://registry.test/v2/app/blobs/sha256:1"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("https://storage.test/a?X-Amz-Signature=1%2F2#part", "https://storage.test/a?X-Amz-Signature=1%2F2"),
        ("/elsewhere", "https://registry.test/elsewhere"),
        ("//storage.test/a", "https://storage.test/a"),
        ("sha256:2", "sha256:2"),
        ("https://[2001:db8::1]:8443/a", "https://[2001:db8::1]:8443/a"),
        ("https://under_score.test/", "https://under_score.test/"),
    ],
)
def test_followed(target, expected):
    if target == "sha256:2":  # a relative path with a colon is a URL with the scheme `sha256`
        with pytest.raises(UntrustedRedirect):
            check_target(HOME, target, plain_http=False)
    else:
        assert check_target(HOME, target, plain_http=False) == expected


@pytest.mark.parametrize(
    "target",
    [
        "http://storage.test/a",
        "ftp://storage.test/a",
        "file:///etc/passwd",
        "https://user:secret@storage.test/a",
        "https:///nowhere",
        "https://a b/",
        "https://a\r\nHost: b/",
        "https://a:99999/",
        "https://a:b/",
        "https://[::1/",
        "https://" + "a" * 64 + ".test/",
        "https://ü.test/",
        "https://a..b/",
        "https://" + "a" * 20000,
        "",
    ],
)
def test_refused(target):
    with pytest.raises(UntrustedRedirect) as caught:
        check_target(HOME, target, plain_http=False)
    assert "secret" not in str(caught.value)


def test_plain_http_only_where_it_is_allowed():
    assert check_target(HOME, "http://storage.test/a", plain_http=True) == "http://storage.test/a"
    assert (
        check_target("http://127.0.0.1:5000/v2/", "http://storage.test/a", plain_http=False) == "http://storage.test/a"
    )


@given(st.text(max_size=60) | st.from_regex(r"https?://[a-z0-9@:.\[\]]{1,20}/.{0,10}", fullmatch=True))
def test_whatever_comes_is_refused_or_followable(target):
    try:
        url = check_target(HOME, target, plain_http=False)
    except UntrustedRedirect:
        return
    assert url.startswith("https://")
    assert url.isascii()
    assert url.isprintable()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a/x", "https://a:443/y", True),
        ("http://a:80", "http://A/y", True),
        ("https://a", "http://a", False),
        ("https://a", "https://a:8443", False),
        ("https://a", "https://b", False),
        ("https://a", "https://a.b", False),
    ],
)
def test_same_origin(one, other, same):
    assert same_origin(one, other) is same


def test_locations_age():
    time = Time()
    known = Locations(clock=time.clock)
    known.learn("d", "https://a/")
    assert known.find("d") == "https://a/"
    time.now += 299
    assert known.find("d") == "https://a/"
    time.now += 2
    assert known.find("d") is None
    assert known.find("other") is None


def test_only_what_failed_is_forgotten():
    known = Locations(clock=Time().clock)
    known.learn("d", "https://new/")
    known.forget("d", "https://old/")
    assert known.find("d") == "https://new/"
    known.forget("d", "https://new/")
    assert known.find("d") is None


def test_locations_are_bounded():
    known = Locations(clock=Time().clock)
    for number in range(20_000):
        known.learn(str(number), "https://a/")
    assert sum(known.find(str(number)) is not None for number in range(20_000)) <= 8192
