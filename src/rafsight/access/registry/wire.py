"""The JSON that registries, token servers, credential files and helpers write, as msgspec reads it; no behaviour.

Every member may be null or absent. Imported late: msgspec costs start-up time.
"""

import msgspec


class Token(msgspec.Struct):
    """The answer of a token server (distribution-spec, token authentication)."""

    token: str | None = None
    access_token: str | None = None
    expires_in: float | None = None


class Error(msgspec.Struct):
    """One entry of an error document."""

    code: str | None = None
    message: str | None = None


class Errors(msgspec.Struct):
    """An error document (distribution-spec, error codes)."""

    errors: list[Error] | None = None


class Tags(msgspec.Struct):
    """One page of a tag list."""

    tags: list[str] | None = None


class Repositories(msgspec.Struct):
    """One page of the catalog."""

    repositories: list[str] | None = None


class Named(msgspec.Struct):
    """A project or a repository of Harbor."""

    name: str = ""


class MediaType(msgspec.Struct):
    """The one member of a manifest that says what it is."""

    media_type: str | None = msgspec.field(default=None, name="mediaType")


class Login(msgspec.Struct):
    """One entry of `auths` in a credentials file."""

    auth: str | None = None
    username: str | None = None
    password: str | None = None
    identity_token: str | None = msgspec.field(default=None, name="identitytoken")
    registry_token: str | None = msgspec.field(default=None, name="registrytoken")


class CredentialFile(msgspec.Struct):
    """Docker's `config.json`, podman's `auth.json`."""

    auths: dict[str, Login | None] | None = None
    helpers: dict[str, str | None] | None = msgspec.field(default=None, name="credHelpers")
    store: str | None = msgspec.field(default=None, name="credsStore")


class HelperAnswer(msgspec.Struct):
    """What `docker-credential-NAME get` prints."""

    username: str | None = msgspec.field(default=None, name="Username")
    secret: str | None = msgspec.field(default=None, name="Secret")
