"""Whom TLS trusts, and which certificate we show.

This module alone makes TLS contexts.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rafsight.access.registry.endpoint import Endpoint
from rafsight.access.registry.errors import UnusableEndpoint


def make_context(endpoint: Endpoint, *, at_home: bool) -> ssl.SSLContext:
    """Make the TLS context for the registry itself (`at_home`) or for the other hosts it sends us to.

    The system's certificates (SSL_CERT_FILE and SSL_CERT_DIR are OpenSSL's own) and the given ones are trusted by both;
    our certificate is shown to the registry only.

    Raises: UnusableEndpoint.
    Cost: About 25 ms for the system's certificates.
    """
    context = ssl.create_default_context()
    # Authorities made by hand lack the key identifiers that Python 3.13 and later insist on; docker takes them.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # A certificate in a CA file is trusted itself, also if it is not self-signed: what docker's certs.d means.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    default = (endpoint.default_ca_file,) if endpoint.default_ca_file else ()
    for path in (*default, *endpoint.ca_files, *endpoint.folder_files("*.crt")):
        with _blaming(path, "it holds no certificates"):
            context.load_verify_locations(cafile=path)
    for certificate, key in _client_pairs(endpoint) if at_home else ():
        with _blaming(certificate, "it holds no certificate, or its key does not fit or has a password"):
            context.load_cert_chain(certificate, key, password=_no_password)
    if endpoint.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def _blaming(path: Path, why: str) -> Iterator[None]:
    """Turn what OpenSSL says about a file into an error that names it."""
    try:
        yield
    except ssl.SSLError:
        raise UnusableEndpoint(what=str(path), why=why) from None
    except OSError as error:
        raise UnusableEndpoint(what=str(path), why=error.strerror or "it cannot be read") from None


def _client_pairs(endpoint: Endpoint) -> list[tuple[Path, Path | None]]:
    if endpoint.certificate is not None:
        return [(endpoint.certificate, endpoint.key)]
    pairs: list[tuple[Path, Path | None]] = []
    for certificate in endpoint.folder_files("*.cert"):
        key = certificate.with_suffix(".key")
        if not key.exists():
            raise UnusableEndpoint(what=str(certificate), why="the key beside it is missing")
        pairs.append((certificate, key))
    return pairs


def _no_password() -> str:
    """Answer for OpenSSL, which would otherwise ask on the terminal."""
    return ""
