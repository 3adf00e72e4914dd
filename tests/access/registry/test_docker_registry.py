"""Against the real thing: Debian's docker-registry, open and behind every kind of lock."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.access.registry.certificates import Certificates
from tests.access.registry.conftest import StartRegistry
from tests.access.registry.helpers import Time, backend_for, largest_layer, planted_blob, planted_manifest
from tests.access.registry.token_server import ISSUER, SERVICE, TokenServer

from rafsight.access.backend import NotFound, ShortRead
from rafsight.access.registry.credentials import Credentials
from rafsight.access.registry.errors import RegistryDenied, RegistryPlainHttp, RegistryUnreachable, RegistryUntrusted
from rafsight.base.errors import ExitStatus
from rafsight.testing.registry import serve_layout

pytestmark = pytest.mark.registry

ALICE = Credentials(source="the test", username="alice", password="wonderland")
# made once by `htpasswd -nbB alice wonderland`
HTPASSWD = "alice:$2y$05$XcHA1GbSfAS46SM/BN28d.83LSdrFhSfx9OVc0g/bRrObhFrmFNzy\n"


def test_open_registry_serves_the_planted_image(start_registry: StartRegistry):
    backend = backend_for(start_registry())
    digest, _ = planted_manifest()
    layer, content = largest_layer()
    by_tag, by_digest = backend.fetch_manifest("v6"), backend.fetch_manifest(digest)
    assert by_tag == by_digest
    assert by_tag.digest == digest
    assert by_tag.content == planted_blob(digest)
    assert by_tag.media_type == "application/vnd.oci.image.manifest.v1+json"
    assert backend.tags() == ("v5", "v6")
    assert backend.exists("v5")
    assert not backend.exists("v7")
    assert backend.blob_size(layer) == len(content)
    assert backend.fetch_range(layer, 1000, 5000) == content[1000:6000]
    assert backend.fetch_range(layer, len(content) - 1, 1) == content[-1:]
    with backend.open_blob(layer) as pieces:
        assert hashlib.sha256(b"".join(pieces)).hexdigest() == layer.removeprefix("sha256:")
    assert backend.supports_ranges
    backend.ping()
    backend.close()


def test_cost_is_exact(start_registry: StartRegistry):
    backend = backend_for(start_registry())
    layer, _ = largest_layer()
    manifest = backend.fetch_manifest("v6")
    backend.fetch_range(layer, 0, 4096)
    assert backend.meter.cost.requests == 2
    assert backend.meter.cost.bytes_fetched == len(manifest.content) + 4096
    backend.close()


def test_what_is_not_there(start_registry: StartRegistry):
    host = start_registry()
    backend = backend_for(host)
    missing = "sha256:" + "0" * 64
    with pytest.raises(NotFound, match=f"{host}/app has no manifest v7"):
        backend.fetch_manifest("v7")
    with pytest.raises(NotFound, match="has no blob sha256:000"):
        backend.fetch_range(missing, 0, 1)
    with pytest.raises(NotFound):
        backend.blob_size(missing)
    with pytest.raises(NotFound), backend.open_blob(missing):
        pass
    with pytest.raises(NotFound, match="no such repository"):
        backend_for(host, repository="nothing/here").tags()
    layer, content = largest_layer()
    with pytest.raises(ShortRead):
        backend.fetch_range(layer, len(content) - 10, 20)
    with pytest.raises(ShortRead):
        backend.fetch_range(layer, len(content) + 10, 20)
    backend.close()


def test_parallel_ranges(start_registry: StartRegistry):
    backend = backend_for(start_registry())
    layer, content = largest_layer()
    offsets = range(0, 64 * 10_000, 10_000)
    with ThreadPoolExecutor(8) as threads:
        pieces = list(threads.map(lambda offset: backend.fetch_range(layer, offset, 10_000), offsets))
    assert b"".join(pieces) == content[: 64 * 10_000]
    assert backend.meter.cost.requests == 64
    backend.close()


@pytest.fixture
def basic_host(start_registry: StartRegistry, tmp_path) -> str:
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    return start_registry(auth=f"auth: {{htpasswd: {{realm: basic-realm, path: {tmp_path}/htpasswd}}}}\n")


def test_basic(basic_host: str):
    backend = backend_for(basic_host, credentials=ALICE)
    layer, content = largest_layer()
    assert backend.fetch_manifest("v6").digest == planted_manifest()[0]
    assert backend.fetch_range(layer, 0, 10) == content[:10]
    assert backend.meter.cost.requests == 3  # only the first is refused
    backend.close()


def test_basic_refused(basic_host: str):
    wrong = Credentials(source="some/config.json", username="alice", password="through-the-looking-glass")
    backend = backend_for(basic_host, credentials=wrong)
    with pytest.raises(RegistryDenied) as caught:
        backend.fetch_manifest("v6")
    assert "the credentials sent were those from some/config.json" in str(caught.value)
    assert "looking-glass" not in str(caught.value) + caught.value.advice + repr(caught.value.details)
    assert caught.value.exit_status is ExitStatus.DENIED
    assert f"docker login {basic_host}" in caught.value.advice
    stranger = backend_for(basic_host)
    with pytest.raises(RegistryDenied, match="no credentials were sent"):
        stranger.fetch_manifest("v6")
    assert stranger.meter.cost.requests == 1
    backend.close()
    stranger.close()


def tls(certificates: Certificates, more: str = "") -> str:
    server = certificates.server
    return f"  tls:\n    certificate: {server.certificate}\n    key: {server.key}\n{more}"


def test_private_authority(start_registry: StartRegistry, certificates: Certificates):
    host = start_registry(http=tls(certificates))
    trusting = backend_for(host, ca_files=(certificates.authority.certificate,))
    assert trusting.fetch_manifest("v6").digest == planted_manifest()[0]
    careless = backend_for(host, insecure=True)
    assert careless.fetch_manifest("v6").digest == planted_manifest()[0]
    strict = backend_for(host, plain_http=False)
    with pytest.raises(RegistryUntrusted, match="certificate is not trusted") as caught:
        strict.fetch_manifest("v6")
    assert "--ca-file" in caught.value.advice
    assert strict.meter.cost.requests == 1  # a certificate does not get better by asking again
    other = backend_for(host, ca_files=(certificates.stranger.certificate,))
    with pytest.raises(RegistryUntrusted):
        other.fetch_manifest("v6")
    for backend in (trusting, careless, strict, other):
        backend.close()


def test_http_and_https_confused(start_registry: StartRegistry, certificates: Certificates):
    plain = backend_for(start_registry(), plain_http=False)
    with pytest.raises(RegistryPlainHttp) as caught:
        plain.fetch_manifest("v6")
    assert "--plain-http" in caught.value.advice
    locked = backend_for(start_registry(http=tls(certificates)), plain_http=True)
    with pytest.raises(OSError, match="HTTP request to an HTTPS server"):
        locked.fetch_manifest("v6")
    plain.close()
    locked.close()


def test_client_certificate(start_registry: StartRegistry, certificates: Certificates, tmp_path):
    authority, client = certificates.authority.certificate, certificates.client
    host = start_registry(http=tls(certificates, f"    clientcas: [{authority}]\n"))
    shown = backend_for(host, ca_files=(authority,), certificate=client.certificate, key=client.key)
    assert shown.fetch_manifest("v6").digest == planted_manifest()[0]
    missing = backend_for(host, ca_files=(authority,))
    with pytest.raises((RegistryUntrusted, RegistryUnreachable)) as caught:
        missing.fetch_manifest("v6")
    assert "--cert" in caught.value.advice or "network" in caught.value.advice

    folder = tmp_path / "certs.d" / host
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(authority.read_bytes())
    (folder / "client.cert").write_bytes(client.certificate.read_bytes())
    (folder / "client.key").write_bytes(client.key.read_bytes())
    from_folder = backend_for(host, certificate_folders=(tmp_path / "certs.d",))
    assert from_folder.fetch_manifest("v6").digest == planted_manifest()[0]
    for backend in (shown, missing, from_folder):
        backend.close()


@pytest.fixture
def token_server(certificates: Certificates) -> TokenServer:
    return TokenServer(signer=certificates.stranger, users={"alice": "wonderland"}, identity_tokens=("remembered",))


@pytest.fixture
def token_host(start_registry: StartRegistry, token_server: TokenServer):
    with serve_layout({}, gate=token_server.gate) as tokens:
        yield start_registry(
            auth=f"auth: {{token: {{realm: '{tokens.url}/token', service: {SERVICE}, issuer: {ISSUER}, "
            f"rootcertbundle: {token_server.signer.certificate}}}}}\n"
        )


def read_image(host: str, credentials: Credentials | None, **more):
    backend = backend_for(host, credentials=credentials, **more)
    layer, content = largest_layer()
    assert backend.fetch_manifest("v6").digest == planted_manifest()[0]
    assert backend.fetch_range(layer, 5, 10) == content[5:15]
    assert backend.tags() == ("v5", "v6")
    backend.close()
    return backend.meter.cost


@pytest.mark.parametrize(("takes_post", "how", "requests"), [(True, "POST", 5), (False, "GET", 6)])
def test_token_for_a_password(token_host: str, token_server: TokenServer, takes_post, how, requests):
    token_server.takes_post = takes_post
    cost = read_image(token_host, ALICE)
    assert token_server.issued == [how]
    assert cost.requests == requests  # refused, token (twice without POST), manifest, range, tags


def test_token_for_an_identity_token(token_host: str, token_server: TokenServer):
    read_image(token_host, Credentials(source="the test", identity_token="remembered"))
    assert token_server.issued == ["refresh"]


def test_token_for_strangers(token_host: str, token_server: TokenServer):
    token_server.anonymous = True
    read_image(token_host, None)
    assert token_server.issued == ["GET"]


def test_ready_token(token_host: str, token_server: TokenServer):
    token = token_server.token(["repository:app:pull"])
    read_image(token_host, Credentials(source="the test", registry_token=token))
    assert token_server.issued == []


def test_token_denied(token_host: str):
    backend = backend_for(token_host, credentials=Credentials(source="x.json", username="alice", password="wrong"))
    with pytest.raises(RegistryDenied, match=r"a token for repository:app:pull .*those from x\.json"):
        backend.fetch_manifest("v6")
    backend.close()


def test_token_that_the_registry_refuses(token_host: str, token_server: TokenServer):
    token_server.lifetime = -1000  # issued, and already over
    backend = backend_for(token_host, credentials=ALICE, time=Time())
    with pytest.raises(RegistryDenied):
        backend.fetch_manifest("v6")
    assert backend.meter.cost.requests <= 6
    backend.close()
