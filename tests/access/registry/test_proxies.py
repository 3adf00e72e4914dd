import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.access.registry.errors import UnusableEndpoint
from rafsight.access.registry.proxies import Proxies, Proxy, is_loopback, proxies_from_environment

PROXY = Proxy(url="http://proxy.test:3128")
BOTH = Proxies(http=PROXY, https=PROXY)


@pytest.mark.parametrize("spelling", ["proxy.test:3128", "http://proxy.test:3128", "http://proxy.test:3128/"])
def test_reads_variables(spelling):
    assert proxies_from_environment({"HTTPS_PROXY": spelling}) == Proxies(https=PROXY)
    assert proxies_from_environment({"https_proxy": spelling}) == Proxies(https=PROXY)
    assert proxies_from_environment({"HTTP_PROXY": spelling}) == Proxies(http=PROXY)


def test_lower_case_wins():
    found = proxies_from_environment(
        {"HTTPS_PROXY": "upper:1", "https_proxy": "lower:2", "NO_PROXY": "A", "no_proxy": "b, .C ,,"}
    )
    assert found == Proxies(https=Proxy(url="http://lower:2"), direct=("b", ".c"))


def test_users_and_ports():
    found = proxies_from_environment({"HTTPS_PROXY": "https://us%40er:pa%3Ass@[2001:db8::1]"}).https
    assert found is not None
    assert (found.url, found.user) == ("https://[2001:db8::1]:443", "us@er:pa:ss")
    assert "pa:ss" not in repr(found)


def test_no_variables():
    assert proxies_from_environment({}) == Proxies()
    assert proxies_from_environment({"HTTP_PROXY": ""}).find("http", "a.test", None) is None


def test_cgi_programs_ignore_the_clients_proxy():
    assert proxies_from_environment({"HTTP_PROXY": "evil:1", "REQUEST_METHOD": "GET"}) == Proxies()


@pytest.mark.parametrize("value", ["socks5://a:1", "http://", "http://a:99999", "http://[::1", "ftp://a"])
def test_unusable(value):
    with pytest.raises(UnusableEndpoint, match="HTTPS_PROXY"):
        proxies_from_environment({"HTTPS_PROXY": value})


@pytest.mark.parametrize(
    ("entry", "direct", "proxied"),
    [
        ("*", ["a.test", "10.0.0.1"], []),
        ("a.test", ["a.test", "A.test", "b.a.test", "a.test."], ["ba.test", "a.test.b"]),
        (".a.test", ["b.a.test"], ["a.test"]),
        ("*.a.test", ["b.a.test"], ["a.test"]),
        ("a.test:5000", ["a.test:5000", "b.a.test:5000"], ["a.test", "a.test:5001"]),
        ("a.test:443", ["a.test"], ["a.test:5000"]),
        ("10.0.0.1", ["10.0.0.1", "10.0.0.1:5000"], ["10.0.0.2"]),
        ("10.0.0.0/8", ["10.1.2.3"], ["11.0.0.1", "a.test"]),
        ("2001:db8::/32", ["[2001:db8::5]"], ["[2001:db9::5]"]),
        ("2001:db8::5", ["[2001:db8::5]"], ["[2001:db8::6]"]),
        ("[2001:db8::5]:5000", ["[2001:db8::5]:5000"], ["[2001:db8::5]:5001"]),
        ("10.0.0.0/99", [], ["10.0.0.1"]),
    ],
)
def test_no_proxy(entry, direct, proxied):
    proxies = Proxies(https=PROXY, direct=(entry,))

    def find(place: str) -> Proxy | None:
        from urllib.parse import urlsplit

        parts = urlsplit(f"https://{place}/")
        return proxies.find("https", parts.hostname or "", parts.port)

    for place in direct:
        assert find(place) is None, place
    for place in proxied:
        assert find(place) is PROXY, place


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.8.7", "::1", "[::1]"])
def test_loopback_is_never_asked_through_a_proxy(host):
    assert is_loopback(host)
    assert BOTH.find("http", host, 5000) is None


@pytest.mark.parametrize("host", ["localhost.test", "128.0.0.1", "127.0.0.1.test", "::2", ""])
def test_not_loopback(host):
    assert not is_loopback(host)


@given(st.text(max_size=40), st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
def test_no_entry_breaks_it(entry, host):
    Proxies(https=PROXY, direct=(entry.strip().lower(),)).find("https", host, None)
