import pytest
from tests.access.registry.helpers import NOWHERE

from rafsight.access.registry.endpoint import Endpoint
from rafsight.access.registry.errors import UnusableEndpoint


def endpoint(host: str, **more) -> Endpoint:
    return Endpoint(host=host, repository="app", **{"certificate_folders": (), **more})


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("registry.test", "https://registry.test"),
        ("registry.test:5000", "https://registry.test:5000"),
        ("docker.io", "https://registry-1.docker.io"),
        ("index.docker.io", "https://registry-1.docker.io"),
        ("localhost", "http://localhost"),
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("127.1.2.3", "http://127.1.2.3"),
        ("[::1]", "http://[::1]"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("[2001:db8::1]:5000", "https://[2001:db8::1]:5000"),
        ("localhost.test", "https://localhost.test"),
        ("10.0.0.1:5000", "https://10.0.0.1:5000"),
    ],
)
def test_origin(host, origin):
    assert endpoint(host).origin == origin


@pytest.mark.parametrize(
    "about_tls", [{"insecure": True}, {"ca_files": (NOWHERE,)}, {"certificate": NOWHERE}, {"plain_http": False}]
)
def test_whoever_speaks_of_tls_gets_it_on_loopback_too(about_tls):
    assert endpoint("127.0.0.1:5000", **about_tls).origin == "https://127.0.0.1:5000"


def test_plain_http_is_what_was_asked_for():
    assert endpoint("registry.test", plain_http=True).origin == "http://registry.test"
    assert endpoint("registry.test", plain_http=True, ca_files=(NOWHERE,)).origin == "http://registry.test"


def test_certificate_folder_means_tls(tmp_path):
    (tmp_path / "127.0.0.1:5000").mkdir()
    assert endpoint("127.0.0.1:5000", certificate_folders=(tmp_path,)).origin == "http://127.0.0.1:5000"
    (tmp_path / "127.0.0.1:5000" / "ca.crt").touch()
    assert endpoint("127.0.0.1:5000", certificate_folders=(tmp_path,)).origin == "https://127.0.0.1:5000"
    assert endpoint("127.0.0.1:5001", certificate_folders=(tmp_path,)).origin == "http://127.0.0.1:5001"


@pytest.mark.parametrize(
    "host",
    ["", "a b", "a/b", "../..", "..", "a@b", "a:b", "a:0", "a:99999", "[::1", "a\n", "ü.test", "http://a", "a" * 300],
)
def test_unusable_hosts(host):
    with pytest.raises(UnusableEndpoint):
        endpoint(host)


@pytest.mark.parametrize("repository", ["", "/", "a/", "/a", "A", "a b", "a/../b", "a?b", "a%2fb", "a\n", "a" * 256])
def test_unusable_repositories(repository):
    with pytest.raises(UnusableEndpoint):
        Endpoint(host="registry.test", repository=repository)


@pytest.mark.parametrize("repository", ["a", "a/b/c", "a-b_c.d/e__f", "a--b/c"])
def test_usable_repositories(repository):
    assert Endpoint(host="registry.test", repository=repository).place == f"registry.test/{repository}"
