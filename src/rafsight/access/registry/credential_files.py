"""Docker's `config.json` and podman's `auth.json`.

This module alone reads them. A file that cannot be understood is an error that names the file and never quotes it.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rafsight.access.registry.credential_helper import ask_helper
from rafsight.access.registry.credentials import Credentials, canonical_key, helper_key, keys_of
from rafsight.access.registry.errors import UnusableCredentials
from rafsight.base.units import MiB

if TYPE_CHECKING:
    from rafsight.access.registry import wire

_LARGEST_FILE: Final = 4 * MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialFiles:
    """Credential files in the order in which they are asked."""

    files: tuple[tuple[Path, bool], ...]
    """Path, and whether it is an error if the file does not exist."""
    search_path: str
    """PATH, where helpers are looked for."""
    environ: Mapping[str, str]
    """What helpers get as their environment."""

    def find(self, host: str, repository: str) -> Credentials | None:
        """Return the credentials for a repository from the first file that has some.

        Raises: UnusableCredentials, CredentialHelperFailed.
        """
        for path, required in self.files:
            content = _read(path, required=required)
            if content is None:
                continue
            found = self._find_in(_parse(content, path), path, host, repository)
            if found is not None:
                return found
        return None

    def _find_in(self, file: "wire.CredentialFile", path: Path, host: str, repository: str) -> Credentials | None:
        helpers = {canonical_key(key): name for key, name in (file.helpers or {}).items() if name}
        logins = {canonical_key(key): login for key, login in (file.auths or {}).items() if login}
        asked_store = False
        for key in keys_of(host, repository):
            if key in helpers:
                named = key if "/" in key else helper_key(host)
                found = ask_helper(helpers[key], named, file=path, search_path=self.search_path, environ=self.environ)
                if found is not None:
                    return found
            if "/" not in key and file.store and not asked_store:
                asked_store = True
                name = helper_key(host)
                found = ask_helper(file.store, name, file=path, search_path=self.search_path, environ=self.environ)
                if found is not None:
                    return found
            if key in logins and (found := _login(logins[key], path)) is not None:
                return found
        return None


def _read(path: Path, *, required: bool) -> bytes | None:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        if required:
            raise UnusableCredentials(file=str(path), why="there is no such file") from None
        return None
    except OSError as error:
        raise UnusableCredentials(file=str(path), why=error.strerror or "it cannot be read") from None
    if len(content) > _LARGEST_FILE:
        raise UnusableCredentials(file=str(path), why="it is too large")
    return content


def _parse(content: bytes, path: Path) -> "wire.CredentialFile":
    import msgspec

    from rafsight.access.registry import wire

    if not content.strip():
        return wire.CredentialFile()
    try:
        return msgspec.json.decode(content, type=wire.CredentialFile)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise UnusableCredentials(file=str(path), why="it is not the JSON that docker or podman writes") from None


def _login(login: "wire.Login", path: Path) -> Credentials | None:
    """Read one entry of `auths`; None if it only marks that a helper has the secret."""
    username, password = login.username or "", login.password or ""
    if login.auth:
        username, password = _decode(login.auth, path)
    identity_token, registry_token = login.identity_token or "", login.registry_token or ""
    if not (username or identity_token or registry_token):
        return None
    return Credentials(
        source=str(path),
        username=username,
        password=password,
        identity_token=identity_token,
        registry_token=registry_token,
    )


def _decode(text: str, path: Path) -> tuple[str, str]:
    try:
        user, colon, password = base64.b64decode(text, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        colon = ""
    if not colon:
        raise UnusableCredentials(file=str(path), why="an `auth` in it is not the base64 of USER:PASSWORD") from None
    return user, password.rstrip("\0")
