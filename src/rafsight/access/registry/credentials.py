"""Whose credentials are sent to which registry.

    explicit user and password          first, if given
    $REGISTRY_AUTH_FILE                 then the files, in this order; the first that knows the registry wins
    $DOCKER_CONFIG/config.json          or ~/.docker/config.json
    $XDG_RUNTIME_DIR/containers/auth.json
    $XDG_CONFIG_HOME/containers/auth.json, or ~/.config/containers/auth.json

This module alone decides that order, and which keys of a file mean a registry. The environment is a mapping that the
caller hands over, read in `credentials_from_environment` and nowhere else. Files are read, and helpers run, only when
a registry asks for credentials.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HUB: Final = "docker.io"
HUB_KEY: Final = "https://index.docker.io/v1/"
"""How docker's files and helpers call Docker Hub."""
_HUB_NAMES: Final = frozenset(("docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Something to show to a registry. The secrets never appear in a repr."""

    source: str
    """Where they come from, for people: a file, a helper, `the command line`."""
    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    """A refresh token, to be exchanged for bearer tokens."""
    registry_token: str = field(default="", repr=False)
    """A bearer token, used as it is."""


FindCredentials = Callable[[str, str], Credentials | None]
"""(host, repository) to credentials; None if nobody knows any. Raises UnusableCredentials, CredentialHelperFailed."""


def no_credentials(host: str, repository: str) -> Credentials | None:
    """Know nobody: anonymous access."""
    del host, repository
    return None


def fixed_credentials(username: str, password: str, *, source: str = "the command line") -> FindCredentials:
    """Show one user name and password to whoever asks; an empty user name makes the password a bearer token."""
    if username:
        found = Credentials(source=source, username=username, password=password)
    else:
        found = Credentials(source=source, registry_token=password)
    return lambda host, repository: found  # noqa: ARG005 - the same for every place


def first_of(*finders: FindCredentials) -> FindCredentials:
    """Ask several places in order."""

    def find(host: str, repository: str) -> Credentials | None:
        for finder in finders:
            if (found := finder(host, repository)) is not None:
                return found
        return None

    return find


def credentials_from_environment(environ: Mapping[str, str]) -> FindCredentials:
    """Find what `docker login` and `podman login` have left on this machine.

    Args:
        environ: REGISTRY_AUTH_FILE, DOCKER_CONFIG, XDG_RUNTIME_DIR, XDG_CONFIG_HOME, HOME, and PATH for the helpers.
    Cost: Nothing here; when a registry asks, up to four small files, and a process if a helper is named.
    """
    from rafsight.access.registry.credential_files import CredentialFiles

    home = environ.get("HOME", "")
    files: list[tuple[Path, bool]] = []

    def add(folder: str, name: str, *, required: bool = False) -> None:
        if folder:
            files.append((Path(folder) / name, required))

    if named := environ.get("REGISTRY_AUTH_FILE", ""):
        files.append((Path(named), True))
    add(environ.get("DOCKER_CONFIG", "") or (f"{home}/.docker" if home else ""), "config.json")
    add(environ.get("XDG_RUNTIME_DIR", ""), "containers/auth.json")
    add(environ.get("XDG_CONFIG_HOME", "") or (f"{home}/.config" if home else ""), "containers/auth.json")
    return CredentialFiles(files=tuple(files), search_path=environ.get("PATH", ""), environ=dict(environ)).find


def keys_of(host: str, repository: str) -> tuple[str, ...]:
    """Return the keys under which a file may know a repository, the most particular first.

    podman allows `HOST/NAMESPACE/REPOSITORY` and every prefix of it; docker only the host.
    """
    host = canonical_key(host)
    parts = repository.split("/") if repository else []
    return tuple("/".join((host, *parts[:count])) for count in range(len(parts), -1, -1))


def canonical_key(key: str) -> str:
    """Return the one spelling of a key: no scheme, no `/v1/` or `/v2/`, Docker Hub by one name, host in lower case."""
    rest = key.strip()
    for scheme in ("https://", "http://"):
        if rest.lower().startswith(scheme):
            rest = rest[len(scheme) :]
    host, slash, path = rest.partition("/")
    host = host.lower()
    path = path.rstrip("/")
    if path in ("v1", "v2"):
        path = ""
    if host in _HUB_NAMES:
        host = HUB
    return f"{host}{slash}{path}" if path else host


def helper_key(host: str) -> str:
    """Return how helpers call a registry."""
    return HUB_KEY if canonical_key(host) == HUB else host
