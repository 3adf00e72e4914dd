"""Which of several answers counts."""

import json

import pytest
from tests.access.registry.helpers import backend_for, target_for

from rafsight.access.backend import NotFound
from rafsight.access.registry.credentials import Credentials
from rafsight.access.registry.errors import RegistryDenied
from rafsight.testing.registry import PLANTED, serve_layout
from rafsight.testing.registry_pages import Answer, error_answer

ALICE = Credentials(source="the test", username="alice", password="wonderland")
MISSING = "sha256:" + "0" * 64


def test_the_answer_to_a_ping_is_not_that_to_the_question():
    with serve_layout(PLANTED) as registry:  # open to everybody, while we know a login
        for ask in (
            lambda backend: backend.blob_size(MISSING),
            lambda backend: backend.fetch_range(MISSING, 0, 2),
            lambda backend: backend.fetch_manifest("v7"),
        ):
            backend = backend_for(registry, credentials=ALICE)
            with pytest.raises(NotFound):
                ask(backend)
            assert [served.call.path for served in registry.log][-1] == "/v2/"
            backend.close()
            registry.forget()
        backend = backend_for(registry, credentials=ALICE)
        assert not backend.exists("v7")
        assert backend.exists("v6")
        backend.close()
        target = target_for(registry, credentials=ALICE)
        assert not target.has_blob(MISSING)
        target.close()


def test_a_token_that_does_not_help_is_no_answer():
    def gate(call):
        if call.path.startswith("/token"):
            return Answer(content=json.dumps({"token": "always-the-same"}).encode())
        challenge = (("WWW-Authenticate", f'Bearer realm="{registry.url}/token",service="s"'),)
        return error_answer(401, "UNAUTHORIZED", "not with this one", challenge)

    with serve_layout(PLANTED, gate=gate) as registry:
        backend = backend_for(registry, credentials=ALICE)
        for _ in range(2):
            with pytest.raises(RegistryDenied, match="not with this one"):
                backend.fetch_manifest("v6")
        backend.close()
