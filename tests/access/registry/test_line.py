"""Which scheme a registry on loopback is asked in, when nobody said so."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from tests.access.registry.certificates import Certificates
from tests.access.registry.helpers import backend_for, largest_layer, planted_manifest
from tests.closed_port import closed_port

from rafsight.access.registry.credentials import Credentials
from rafsight.access.registry.errors import RegistryMisbehaves, RegistryUnreachable, RegistryUntrusted
from rafsight.testing.registry import PLANTED, Mischief, serve_layout

LAYER, CONTENT = largest_layer()
DIGEST, _ = planted_manifest()
GO = b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
PASSWORD = Credentials(username="alice", password="secret", source="this test")


@contextmanager
def polite(behind: str, answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Answer connections that begin with a letter as Go's servers do, and pass others on to a TLS server."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes] = []
    target = behind.rpartition(":")

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if connection.recv(1, socket.MSG_PEEK) != b"\x16":
                seen.append(connection.recv(65536))
                connection.sendall(answer)
                return
            with socket.create_connection((target[0], int(target[2]))) as onward:
                back = threading.Thread(target=pump, args=(onward, connection))
                back.start()
                pump(connection, onward)
                back.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],)).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize("answer", [GO, b"", b"\x15\x03\x01\x00\x02\x02\x16"], ids=["go", "hang-up", "alert"])
def test_a_registry_that_speaks_tls_is_asked_in_tls(certificates: Certificates, answer):
    with (
        serve_layout(PLANTED, tls=certificates.server.server_context()) as registry,
        polite(registry.host, answer) as (host, seen),
    ):
        backend = backend_for(host, default_ca_file=certificates.authority.certificate, credentials=PASSWORD)
        assert backend.fetch_manifest("v6").digest == DIGEST
        assert backend.fetch_range(LAYER, 7, 70_000) == CONTENT[7:70_007]
        assert set(backend.tags()) == {"v5", "v6"}
        backend.ping()
        backend.close()
        assert len(seen) == 1
        assert b"uthorization" not in seen[0]


def test_it_is_not_trusted_for_that(certificates: Certificates):
    with serve_layout(PLANTED, tls=certificates.server.server_context()) as registry:
        backend = backend_for(registry)
        with pytest.raises(RegistryUntrusted, match="its certificate is not trusted") as caught:
            backend.fetch_manifest("v6")
        assert "--ca-file" in caught.value.advice
        with pytest.raises(RegistryUntrusted):
            backend.tags()
        assert backend.meter.cost.requests == 3
        assert registry.log == ()
        backend.close()


def test_threads_change_together(certificates: Certificates):
    with serve_layout(PLANTED, tls=certificates.server.server_context()) as registry:
        backend = backend_for(registry, default_ca_file=certificates.authority.certificate)
        with ThreadPoolExecutor(6) as pool:
            read = list(pool.map(lambda offset: backend.fetch_range(LAYER, offset, 100), range(0, 6000, 1000)))
        assert read == [CONTENT[offset : offset + 100] for offset in range(0, 6000, 1000)]
        backend.close()


def test_who_asks_for_plain_http_gets_it(certificates: Certificates):
    with (
        serve_layout(PLANTED, tls=certificates.server.server_context()) as registry,
        polite(registry.host, GO) as (host, seen),
    ):
        backend = backend_for(host, plain_http=True, insecure=True)
        with pytest.raises(RegistryMisbehaves, match="HTTPS server"):
            backend.fetch_manifest("v6")
        assert len(seen) == 1
        backend.close()


@pytest.mark.parametrize("mischief", [Mischief(only="", status=400), Mischief(only="", hang_up=True)])
def test_a_bad_answer_in_http_stays_one(mischief):
    with serve_layout(PLANTED, mischief=[mischief]) as registry:
        backend = backend_for(registry)
        with pytest.raises((RegistryMisbehaves, RegistryUnreachable)) as caught:
            backend.fetch_manifest("v6")
        assert not isinstance(caught.value, RegistryUntrusted)
        assert registry.url.startswith("http:")
        backend.close()


def test_nobody_there():
    with closed_port() as port, pytest.raises(RegistryUnreachable, match="refused"):
        backend_for(f"127.0.0.1:{port}").fetch_manifest("v6")
