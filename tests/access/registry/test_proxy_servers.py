"""Through a proxy, as the environment names it."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from tests.access.registry.certificates import Certificates
from tests.access.registry.helpers import Time, backend_for, largest_layer, planted_manifest

from rafsight.access.registry.errors import RegistryUnreachable
from rafsight.access.registry.proxies import proxies_from_environment
from rafsight.testing.registry import PLANTED, serve_layout

LAYER, CONTENT = largest_layer()
DIGEST, _ = planted_manifest()


@dataclass(slots=True)
class Proxy:
    """A forward proxy that finds every name on this machine."""

    address: str = ""
    refuse: bool = False
    heads: list[list[str]] = field(default_factory=list)


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def run_proxy() -> Iterator[Proxy]:
    proxy = Proxy()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            head = []
            while line := self.rfile.readline().decode("latin-1").strip():
                head.append(line)
            if not head:
                return
            proxy.heads.append(head)
            method, target, _ = head[0].split(" ")
            if proxy.refuse:
                self.wfile.write(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
            place = target if method == "CONNECT" else target.split("/")[2]
            with socket.create_connection(("127.0.0.1", int(place.rpartition(":")[2])), timeout=5) as upstream:
                if method == "CONNECT":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    back = threading.Thread(target=pump, args=(upstream, self.connection))
                    back.start()
                    pump(self.connection, upstream)
                    back.join()
                else:
                    path = "/" + target.split("/", 3)[3]
                    kept = [line for line in head[1:] if not line.lower().startswith(("proxy-", "connection:"))]
                    upstream.sendall(
                        "\r\n".join([f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", ""]).encode()
                    )
                    pump(upstream, self.connection)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = False
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        proxy.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


def named(host: str) -> str:
    """A name for this machine that only the proxy can find."""
    return "registry.test:" + host.rpartition(":")[2]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_plain_http(variable):
    with run_proxy() as proxy, serve_layout(PLANTED) as registry:
        proxies = proxies_from_environment({variable: f"http://us%3Aer:pw@{proxy.address}"})
        backend = backend_for(named(registry.host), plain_http=True, proxies=proxies)
        assert backend.fetch_manifest("v6").digest == DIGEST
        assert backend.fetch_range(LAYER, 3, 1000) == CONTENT[3:1003]
        backend.close()
    assert proxy.heads[0][0] == f"GET http://{named(registry.host)}/v2/app/manifests/v6 HTTP/1.1"
    assert "proxy-authorization: basic dXM6ZXI6cHc=".lower() in [line.lower() for line in proxy.heads[0]]
    assert all(served.call.header("proxy-authorization") is None for served in registry.log)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_tls_through_a_tunnel(certificates: Certificates, variable):
    with run_proxy() as proxy, serve_layout(PLANTED, tls=certificates.server.server_context()) as registry:
        proxies = proxies_from_environment({variable: f"user:pw@{proxy.address}"})
        backend = backend_for(named(registry.host), ca_files=(certificates.authority.certificate,), proxies=proxies)
        assert backend.fetch_manifest("v6").digest == DIGEST
        assert backend.fetch_range(LAYER, 3, 1000) == CONTENT[3:1003]
        backend.close()
    assert [head[0].rpartition(" ")[0] for head in proxy.heads] == [
        f"CONNECT {named(registry.host)}"
    ]  # one tunnel, kept open
    assert any(line.lower().startswith("proxy-authorization: basic ") for line in proxy.heads[0])
    assert all(served.call.header("proxy-authorization") is None for served in registry.log)


def test_no_proxy_and_loopback_go_directly():
    with run_proxy() as proxy, serve_layout(PLANTED) as registry:
        backend = backend_for(registry, proxies=proxies_from_environment({"HTTP_PROXY": proxy.address}))
        assert backend.fetch_manifest("v6").digest == DIGEST
        backend.close()
        environment = {"HTTPS_PROXY": proxy.address, "NO_PROXY": "localhost,.test"}
        away = backend_for(named(registry.host), proxies=proxies_from_environment(environment))
        with pytest.raises(RegistryUnreachable):  # no such name without the proxy
            away.fetch_manifest("v6")
    assert proxy.heads == []


def test_proxy_that_refuses(certificates: Certificates):
    time = Time()
    with run_proxy() as proxy:
        proxy.refuse = True
        proxies = proxies_from_environment({"HTTPS_PROXY": f"user:s3cret@{proxy.address}"})
        backend = backend_for("registry.test:5000", proxies=proxies, time=time)
        with pytest.raises(RegistryUnreachable, match="the proxy did not let us through") as caught:
            backend.fetch_manifest("v6")
        assert "s3cret" not in str(caught.value)


def test_proxy_that_is_not_there():
    backend = backend_for("registry.test:5000", proxies=proxies_from_environment({"HTTPS_PROXY": "127.0.0.1:1"}))
    with pytest.raises(RegistryUnreachable, match="the proxy did not let us through"):
        backend.fetch_manifest("v6")
