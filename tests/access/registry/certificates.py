"""Certificates made for one test run."""

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = ("localhost", "127.0.0.1", "registry.test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    certificate: Path
    key: Path
    private: ec.EllipticCurvePrivateKey
    public: x509.Certificate

    def server_context(self, *, client_authority: Path | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if client_authority is not None:
            context.load_verify_locations(client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def make_pair(
    folder: Path, name: str, *, issuer: Pair | None = None, authority: bool = False, names: tuple[str, ...] = NAMES
) -> Pair:
    """Make a certificate: signed by `issuer`, or by itself."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.public.subject if issuer else subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(one) for one in names]), critical=False)
    public = builder.sign(issuer.private if issuer else private, hashes.SHA256())
    pair = Pair(certificate=folder / f"{name}.crt", key=folder / f"{name}.key", private=private, public=public)
    pair.certificate.write_bytes(public.public_bytes(serialization.Encoding.PEM))
    pair.key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return pair


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    authority: Pair
    server: Pair
    client: Pair
    stranger: Pair
    """An authority that nobody trusts."""
    self_signed: Pair
    """What the docker manual's openssl line makes: one certificate that is its own authority."""


def make_certificates(folder: Path) -> Certificates:
    authority = make_pair(folder, "authority", authority=True, names=())
    return Certificates(
        authority=authority,
        server=make_pair(folder, "server", issuer=authority),
        client=make_pair(folder, "client", issuer=authority, names=()),
        stranger=make_pair(folder, "stranger", authority=True, names=()),
        self_signed=make_pair(folder, "self-signed", authority=True),
    )
