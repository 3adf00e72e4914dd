"""Certificates of every kind, on both sides."""

import ssl
import warnings
from typing import Any

import pytest
from tests.access.registry.certificates import Certificates, make_pair
from tests.access.registry.helpers import NOWHERE, backend_for, largest_layer, planted_manifest

from rafsight.access.connect import connect
from rafsight.access.counting import Meter
from rafsight.access.options import Options
from rafsight.access.registry.endpoint import Endpoint
from rafsight.access.registry.errors import RegistryPlainHttp, RegistryUnreachable, RegistryUntrusted, UnusableEndpoint
from rafsight.access.registry.tls import make_context
from rafsight.testing.registry import PLANTED, Mischief, serve_layout

LAYER, CONTENT = largest_layer()
DIGEST, _ = planted_manifest()


def test_private_authority(certificates: Certificates):
    with serve_layout(PLANTED, tls=certificates.server.server_context()) as registry:
        backend = backend_for(registry, ca_files=(certificates.authority.certificate,))
        assert backend.fetch_manifest("v6").digest == DIGEST
        assert backend.fetch_range(LAYER, 7, 70_000) == CONTENT[7:70_007]
        backend.close()


def test_certificate_that_is_its_own_authority(certificates: Certificates):
    """What the docker manual makes by one line of openssl: a CA certificate that the server itself shows."""
    with serve_layout(PLANTED, tls=certificates.self_signed.server_context()) as registry:
        backend = backend_for(registry, ca_files=(certificates.self_signed.certificate,))
        assert backend.fetch_manifest("v6").digest == DIGEST
        backend.close()


def test_server_certificate_itself_may_be_trusted(certificates: Certificates):
    """Not self-signed, and nobody knows its authority: docker takes it from certs.d."""
    with serve_layout(PLANTED, tls=certificates.server.server_context()) as registry:
        backend = backend_for(registry, ca_files=(certificates.server.certificate,))
        assert backend.fetch_manifest("v6").digest == DIGEST
        backend.close()


@pytest.mark.parametrize("trusted", ["nobody", "stranger"])
def test_untrusted(certificates: Certificates, trusted):
    files = () if trusted == "nobody" else (certificates.stranger.certificate,)
    with serve_layout(PLANTED, tls=certificates.server.server_context()) as registry:
        backend = backend_for(registry, ca_files=files, plain_http=False)
        with pytest.raises(RegistryUntrusted, match="its certificate is not trusted"):
            backend.fetch_manifest("v6")
        assert backend.meter.cost.requests == 1
        assert registry.log == ()


def test_wrong_name(certificates: Certificates, tmp_path):
    other = make_pair(tmp_path, "other", issuer=certificates.authority, names=("other.test",))
    with serve_layout(PLANTED, tls=other.server_context()) as registry:
        backend = backend_for(registry, ca_files=(certificates.authority.certificate,))
        with pytest.raises(RegistryUntrusted, match="IP address mismatch"):
            backend.fetch_manifest("v6")


def test_insecure_is_silent(certificates: Certificates):
    with (
        serve_layout(PLANTED, tls=certificates.stranger.server_context()) as registry,
        warnings.catch_warnings(record=True) as seen,
    ):
        backend = backend_for(registry, insecure=True)
        assert backend.fetch_manifest("v6").digest == DIGEST
        backend.close()
    assert seen == []


def test_client_certificate(certificates: Certificates):
    context = certificates.server.server_context(client_authority=certificates.authority.certificate)
    authority, client = (certificates.authority.certificate,), certificates.client
    with serve_layout(PLANTED, tls=context) as registry:
        shown = backend_for(registry, ca_files=authority, certificate=client.certificate, key=client.key)
        assert shown.fetch_manifest("v6").digest == DIGEST
        shown.close()
        missing = backend_for(registry, ca_files=authority)
        with pytest.raises(RegistryUnreachable):
            missing.fetch_manifest("v6")


def test_client_certificate_and_key_in_one_file(certificates: Certificates, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(certificates.client.certificate.read_bytes() + certificates.client.key.read_bytes())
    context = certificates.server.server_context(client_authority=certificates.authority.certificate)
    with serve_layout(PLANTED, tls=context) as registry:
        backend = backend_for(registry, ca_files=(certificates.authority.certificate,), certificate=both)
        assert backend.fetch_manifest("v6").digest == DIGEST
        backend.close()


def test_client_certificate_is_not_shown_elsewhere(certificates: Certificates):
    """A storage that asks for a certificate, but does not insist, sees none; the registry does."""
    seen: dict[str, list[bool]] = {"registry": [], "storage": []}

    def watching(name: str) -> ssl.SSLContext:
        context = certificates.server.server_context(client_authority=certificates.authority.certificate)
        context.verify_mode = ssl.CERT_OPTIONAL

        class Watched(ssl.SSLSocket):
            def do_handshake(self, block: bool = False) -> None:
                super().do_handshake(block)
                seen[name].append(bool(self.getpeercert()))

        context.sslsocket_class = Watched
        return context

    with serve_layout(PLANTED, tls=watching("storage")) as storage:
        away = [Mischief(redirect_to=storage.url)]
        with serve_layout(PLANTED, tls=watching("registry"), mischief=away) as registry:
            pair: dict[str, Any] = {"certificate": certificates.client.certificate, "key": certificates.client.key}
            backend = backend_for(registry, ca_files=(certificates.authority.certificate,), **pair)
            assert backend.fetch_range(LAYER, 0, 10) == CONTENT[:10]
            backend.close()
    assert seen == {"registry": [True], "storage": [False]}


def test_https_asked_of_http():
    with serve_layout(PLANTED) as registry:
        backend = backend_for(registry, plain_http=False)
        with pytest.raises(RegistryPlainHttp, match="speaks plain HTTP"):
            backend.fetch_manifest("v6")
        assert backend.meter.cost.requests == 1


def test_redirect_from_https_to_http(certificates: Certificates):
    from rafsight.access.registry.errors import UntrustedRedirect

    with serve_layout(PLANTED) as storage:
        away = [Mischief(redirect_to=storage.url)]
        with serve_layout(PLANTED, tls=certificates.server.server_context(), mischief=away) as registry:
            backend = backend_for(registry, ca_files=(certificates.authority.certificate,))
            with pytest.raises(UntrustedRedirect, match="leave HTTPS"):
                backend.fetch_range(LAYER, 0, 10)
            assert storage.log == ()
            backend.close()


def test_certificate_folder(certificates: Certificates, tmp_path):
    context = certificates.server.server_context(client_authority=certificates.authority.certificate)
    with serve_layout(PLANTED, tls=context) as registry:
        folder = tmp_path / registry.host
        folder.mkdir()
        (folder / "ca.crt").write_bytes(certificates.authority.certificate.read_bytes())
        (folder / "me.cert").write_bytes(certificates.client.certificate.read_bytes())
        with pytest.raises(UnusableEndpoint, match="key beside it is missing"):
            backend_for(registry, certificate_folders=(tmp_path,)).fetch_manifest("v6")
        (folder / "me.key").write_bytes(certificates.client.key.read_bytes())
        backend = backend_for(registry, certificate_folders=(tmp_path,))
        assert backend.fetch_manifest("v6").digest == DIGEST
        backend.close()


@pytest.mark.parametrize("case", ["missing", "folder", "empty", "text", "key"])
def test_unusable_authorities(certificates: Certificates, tmp_path, case):
    path = {"missing": NOWHERE, "folder": tmp_path, "key": certificates.client.key}.get(case, tmp_path / "ca.pem")
    if case in ("empty", "text"):
        path.write_text("" if case == "empty" else "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(UnusableEndpoint) as caught:
        make_context(Endpoint(host="h", repository="r", ca_files=(path,)), at_home=True)
    assert str(path) in str(caught.value)


def test_unusable_client_certificates(certificates: Certificates, tmp_path):
    from cryptography.hazmat.primitives import serialization

    locked = tmp_path / "locked.key"
    secret = serialization.BestAvailableEncryption(b"secret")
    locked.write_bytes(
        certificates.client.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    )
    for key in (None, locked, certificates.server.key, NOWHERE):
        endpoint = Endpoint(host="h", repository="r", certificate=certificates.client.certificate, key=key)
        with pytest.raises(UnusableEndpoint):
            make_context(endpoint, at_home=True)
        make_context(endpoint, at_home=False)  # not needed there


def test_certificate_file_of_the_environment(certificates: Certificates):
    """SSL_CERT_FILE is taken from the options, and says nothing about the scheme of this registry."""
    with serve_layout(PLANTED, tls=certificates.server.server_context()) as registry:
        for file, trusted in ((certificates.authority.certificate, True), (certificates.stranger.certificate, False)):
            options = Options(environment={"SSL_CERT_FILE": str(file)})
            with connect(registry.reference("v6"), options, Meter()) as source:
                if trusted:
                    assert source.backend.fetch_manifest(source.name).digest == DIGEST
                else:
                    with pytest.raises(RegistryUntrusted):
                        source.backend.fetch_manifest(source.name)
    with serve_layout(PLANTED) as registry:
        options = Options(environment={"SSL_CERT_FILE": str(NOWHERE)})
        with connect(registry.reference("v6"), options, Meter()) as source:
            assert source.backend.fetch_manifest(source.name).digest == DIGEST


def test_certificate_file_of_the_environment_that_is_none():
    endpoint = Endpoint(host="registry.test", repository="app", default_ca_file=NOWHERE, certificate_folders=())
    with pytest.raises(UnusableEndpoint, match="nonexistent"):
        make_context(endpoint, at_home=True)
