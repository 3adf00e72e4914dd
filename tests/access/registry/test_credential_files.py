"""Files as docker and podman write them, and files as nobody should."""

import base64
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.access.registry.credential_files import CredentialFiles
from rafsight.access.registry.credentials import credentials_from_environment
from rafsight.access.registry.errors import CredentialHelperFailed, UnusableCredentials


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def find(tmp_path: Path, content: object, host: str, repository: str = "team/app"):
    files = CredentialFiles(
        files=((write(tmp_path / "config.json", content), True),), search_path=str(tmp_path / "bin"), environ={}
    )
    return files.find(host, repository)


def make_helper(tmp_path: Path, name: str, script: str) -> None:
    path = write(tmp_path / "bin" / f"docker-credential-{name}", f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("registry.test", "registry.test"),
        ("https://registry.test", "registry.test"),
        ("https://registry.test/v1/", "registry.test"),
        ("https://registry.test/v2/", "registry.test"),
        ("registry.test:5000", "registry.test:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
        ("registry.test/team", "registry.test"),
        ("registry.test/team/app", "registry.test"),
    ],
)
def test_all_spellings(tmp_path, key, host):
    found = find(tmp_path, {"auths": {key: auth("alice", "a:b:c")}}, host)
    assert (found.username, found.password) == ("alice", "a:b:c")
    assert found.source == str(tmp_path / "config.json")


@pytest.mark.parametrize(
    "key",
    ["other.test", "registry.test:5000", "registry.test/teams", "registry.test/team/app/more", "sub.registry.test"],
)
def test_others_are_not_taken(tmp_path, key):
    assert find(tmp_path, {"auths": {key: auth("alice", "x")}}, "registry.test") is None


def test_most_particular_wins(tmp_path):
    auths = {
        "registry.test": auth("host", "x"),
        "registry.test/team/app": auth("app", "x"),
        "registry.test/team": auth("team", "x"),
    }
    assert find(tmp_path, {"auths": auths}, "registry.test", "team/app").username == "app"
    assert find(tmp_path, {"auths": auths}, "registry.test", "team/other").username == "team"
    assert find(tmp_path, {"auths": auths}, "registry.test", "else").username == "host"


def test_every_form_of_an_entry(tmp_path):
    def entry(**members: str) -> Any:
        return find(tmp_path, {"auths": {"registry.test": members}}, "registry.test")

    assert entry(username="alice", password="pw").password == "pw"
    assert entry(identitytoken="it").identity_token == "it"
    assert entry(registrytoken="rt").registry_token == "rt"
    both = entry(**auth("00000000-0000-0000-0000-000000000000", ""), identitytoken="it")
    assert (both.identity_token, both.username[:8]) == ("it", "00000000")
    assert entry(**auth("alice", "padded\0\0")).password == "padded"
    assert entry(email="alice@test") is None
    assert entry() is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "  \n",
        "{}",
        '{"auths":null}',
        '{"auths":{"registry.test":null}}',
        '{"HttpHeaders":{"a":"b"},"psFormat":"x"}',
    ],
)
def test_files_that_say_nothing(tmp_path, content):
    assert find(tmp_path, content, "registry.test") is None


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"auths":[]}',
        '{"auths":{"registry.test":"s3cret"}}',
        '{"auths":{"registry.test":{"auth":"s3cret!"}}}',
        '{"auths":{"registry.test":{"auth":"bm9jb2xvbg=="}}}',
        '{"auths":{"registry.test":{"auth":"/////w=="}}}',
        '{"auths":{"registry.test":{"auth":7}}}',
        '{"x":' + "[" * 100_000,
    ],
)
def test_malformed_files_are_named_and_not_quoted(tmp_path, content):
    with pytest.raises(UnusableCredentials) as caught:
        find(tmp_path, content, "registry.test")
    assert str(tmp_path / "config.json") in str(caught.value)
    assert "s3cret" not in str(caught.value) + repr(caught.value.details)
    assert caught.value.__cause__ is None


@settings(max_examples=60)
@given(content=st.binary(max_size=200) | st.text(st.sampled_from('{}[]":,auths0nul'), max_size=60).map(str.encode))
def test_no_file_breaks_it(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "config.json"
    path.write_bytes(content)
    files = CredentialFiles(files=((path, True),), search_path="", environ={})
    with suppress(UnusableCredentials, CredentialHelperFailed):
        files.find("registry.test", "app")


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "config.json").mkdir()
    with pytest.raises(UnusableCredentials):
        CredentialFiles(files=((tmp_path / "config.json", False),), search_path="", environ={}).find("h", "r")
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(5 << 20)
    with pytest.raises(UnusableCredentials, match="too large"):
        CredentialFiles(files=((huge, False),), search_path="", environ={}).find("h", "r")


def test_environment(tmp_path):
    def login(path: str, user: str, host: str = "registry.test") -> None:
        write(tmp_path / path, {"auths": {host: auth(user, "x")}})

    def user(**environ: str) -> str | None:
        found = credentials_from_environment(environ)("registry.test", "team/app")
        return found.username if found else None

    home = str(tmp_path / "home")
    assert user() is None
    assert user(HOME=home) is None
    login("home/.config/containers/auth.json", "podman-home")
    assert user(HOME=home) == "podman-home"
    login("xdg/containers/auth.json", "xdg")
    assert user(HOME=home, XDG_CONFIG_HOME=str(tmp_path / "xdg")) == "xdg"
    login("run/containers/auth.json", "podman-run")
    assert user(HOME=home, XDG_RUNTIME_DIR=str(tmp_path / "run")) == "podman-run"
    login("home/.docker/config.json", "docker-home")
    assert user(HOME=home, XDG_RUNTIME_DIR=str(tmp_path / "run")) == "docker-home"
    login("docker/config.json", "docker-config")
    assert user(HOME=home, DOCKER_CONFIG=str(tmp_path / "docker")) == "docker-config"
    login("named.json", "named")
    named = str(tmp_path / "named.json")
    assert user(HOME=home, DOCKER_CONFIG=str(tmp_path / "docker"), REGISTRY_AUTH_FILE=named) == "named"
    login("named.json", "named", "other.test")
    assert user(HOME=home, REGISTRY_AUTH_FILE=named) == "docker-home"
    with pytest.raises(UnusableCredentials, match="no such file"):
        user(REGISTRY_AUTH_FILE=str(tmp_path / "missing.json"))


ECHO = 'host=$(cat)\nprintf \'{"ServerURL":"%s","Username":"alice","Secret":"for %s"}\' "$host" "$host"'


def test_store_and_helpers(tmp_path):
    make_helper(tmp_path, "store", f"PATH=/usr/bin:/bin\n{ECHO}")
    found = find(tmp_path, {"credsStore": "store", "auths": {"registry.test": {}}}, "registry.test")
    assert (found.username, found.password, found.source) == ("alice", "for registry.test", "docker-credential-store")
    assert find(tmp_path, {"credsStore": "store"}, "docker.io").password == "for https://index.docker.io/v1/"
    config = {
        "credHelpers": {"registry.test": "store"},
        "auths": {"registry.test": auth("inline", "x"), "other.test": auth("bob", "x")},
    }
    assert find(tmp_path, config, "registry.test").username == "alice"
    assert find(tmp_path, config, "other.test").username == "bob"


def test_helper_without_credentials(tmp_path):
    make_helper(tmp_path, "empty", "echo 'credentials not found in native keychain'; exit 1")
    config = {"credsStore": "empty", "auths": {"registry.test": auth("inline", "x")}}
    assert find(tmp_path, config, "registry.test").username == "inline"
    assert find(tmp_path, config, "other.test") is None
