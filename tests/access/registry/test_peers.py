"""Addresses that are not connected to: neither by the registry's own name, nor where it sends us."""

import socket
from contextlib import closing

import pytest
from tests.access.registry.helpers import backend_for, planted_manifest

from rafsight.access.registry.errors import RegistryForbidden
from rafsight.testing.registry import PLANTED, Mischief, serve_layout

DIGEST, MANIFEST = planted_manifest("v6")


class Asked:
    """Notes what it is asked, and answers as it was told; the last answer is for all others."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def __call__(self, host, port, address):
        self.asked.append((host, port, address))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def test_what_is_permitted_is_read():
    permits = Asked(True)
    with serve_layout(PLANTED) as registry, closing(backend_for(registry, permits=permits)) as backend:
        assert backend.fetch_manifest("v6").digest == DIGEST
        port = int(registry.host.partition(":")[2])
    assert set(permits.asked) == {("127.0.0.1", port, "127.0.0.1")}


def test_what_is_not_is_not_even_connected_to():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        with closing(backend_for(host, permits=Asked(False))) as backend, pytest.raises(RegistryForbidden) as caught:
            backend.fetch_manifest("v6")
        assert caught.value.permanent
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_name_that_means_something_else_a_moment_later_is_told_nothing():
    """Its addresses are fine when they are looked at; the one that answers is not."""
    with serve_layout(PLANTED) as registry, closing(backend_for(registry, permits=Asked(True, False))) as backend:
        with pytest.raises(RegistryForbidden):
            backend.fetch_manifest("v6")
        assert registry.log == ()


def test_where_a_registry_sends_us_is_looked_at_too():
    layer = MANIFEST["layers"][0]["digest"]
    with (
        serve_layout(PLANTED) as storage,
        serve_layout(PLANTED, mischief=[Mischief(redirect_to=storage.url)]) as registry,
    ):

        def only_the_registry(name, port, address):
            assert address == "127.0.0.1"
            return f"{name}:{port}" == registry.host

        with closing(backend_for(registry, permits=only_the_registry)) as backend:
            assert backend.fetch_manifest("v6").digest == DIGEST
            with pytest.raises(RegistryForbidden, match=storage.host):
                backend.fetch_range(layer, 0, 10)
        assert storage.log == ()
