import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.access.registry.credentials import (
    Credentials,
    canonical_key,
    first_of,
    fixed_credentials,
    helper_key,
    keys_of,
    no_credentials,
)


@pytest.mark.parametrize(
    ("key", "canonical"),
    [
        ("registry.test", "registry.test"),
        ("https://registry.test", "registry.test"),
        ("https://registry.test/", "registry.test"),
        ("http://registry.test:5000/v2/", "registry.test:5000"),
        ("https://Registry.TEST/v1/", "registry.test"),
        ("registry.test/v1", "registry.test"),
        ("registry.test/Team/app", "registry.test/Team/app"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("docker.io/library/", "docker.io/library"),
        ("", ""),
    ],
)
def test_one_spelling_for_all(key, canonical):
    assert canonical_key(key) == canonical


@given(st.text(max_size=60))
def test_canonical_keys_stay(key):
    once = canonical_key(key)
    assert canonical_key(once) == once or "://" in once or once != once.strip() or once.endswith(("/v1", "/v2"))


def test_longest_key_first():
    assert keys_of("registry.test:5000", "team/sub/app") == (
        "registry.test:5000/team/sub/app",
        "registry.test:5000/team/sub",
        "registry.test:5000/team",
        "registry.test:5000",
    )


def test_helpers_know_docker_hub_by_its_old_name():
    assert helper_key("docker.io") == "https://index.docker.io/v1/"
    assert helper_key("registry.test:5000") == "registry.test:5000"


def test_secrets_are_not_shown():
    shown = repr(Credentials(source="s", username="alice", password="p1", identity_token="p2", registry_token="p3"))
    assert shown == "Credentials(source='s', username='alice')"


def test_fixed_and_first():
    alice = fixed_credentials("alice", "pw")
    assert alice("h", "r") == Credentials(source="the command line", username="alice", password="pw")
    assert fixed_credentials("", "token")("h", "r") == Credentials(source="the command line", registry_token="token")
    found = first_of(no_credentials, alice, fixed_credentials("bob", ""))("h", "r")
    assert found is not None
    assert found.username == "alice"
    assert first_of(no_credentials)("h", "r") is None
