"""How a container starts, from an image's config, however odd that is: one strange member hides no other.

This module alone decides which members are looked at. What cannot be read is named, so that it is not taken for
absent.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from rafsight.analysis.json_text import decode_json, decode_part

_ENV_COUNT: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One entry of Env."""

    index: int
    name: str
    value: str

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"config.Env[{self.index}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartConfig:
    """What a container is started with; empty where the config says nothing."""

    user: str = ""
    env: tuple[Variable, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    stop_signal: str = ""
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    healthcheck: tuple[str, ...] = ()
    """`NONE`, or `CMD` and `CMD-SHELL` with their words."""
    created: str = ""
    unread: tuple[str, ...] = ()
    """Members with another type than they should have."""

    def last(self, name: str) -> Variable | None:
        """Return the entry of Env that counts for a name: the last."""
        return next((one for one in reversed(self.env) if one.name == name), None)

    @property
    def started(self) -> list[tuple[str, list[str]]]:
        """The words of what is started, with the place; those of a shell's line one by one."""
        pairs = (("config.Entrypoint", self.entrypoint), ("config.Cmd", self.cmd))
        return [(place, [part for word in words[:1000] for part in word[:10_000].split()]) for place, words in pairs]

    @property
    def identity(self) -> tuple[str, str]:
        """User and group, apart; either may be a name, a number or empty."""
        user, _, group = self.user.partition(":")
        return user.strip(), group.strip()


def read_start(content: bytes) -> StartConfig:
    """Read a config.

    Args:
        content: the config's JSON, bounded by whoever fetched it.
    Raises: MalformedFile: it is no JSON object, or nested deeper than a decoder goes.
    """
    outer = _Reader(decode_json(content, dict[str, msgspec.Raw]), "")
    raw = outer.take("config", dict[str, msgspec.Raw] | None)
    inner = _Reader(raw or {}, "config.")
    health = inner.take("Healthcheck", dict[str, msgspec.Raw] | None) or {}
    checks = _Reader(health, "config.Healthcheck.")
    start = StartConfig(
        user=inner.take("User", str | None) or "",
        env=_variables(inner.take("Env", list[str | None] | None)),
        entrypoint=_words(inner.take("Entrypoint", list[str] | str | None)),
        cmd=_words(inner.take("Cmd", list[str] | str | None)),
        working_dir=inner.take("WorkingDir", str | None) or "",
        stop_signal=inner.take("StopSignal", str | None) or "",
        ports=tuple(inner.take("ExposedPorts", dict[str, msgspec.Raw] | None) or ()),
        volumes=tuple(inner.take("Volumes", dict[str, msgspec.Raw] | None) or ()),
        labels={key: value or "" for key, value in (inner.take("Labels", dict[str, str | None] | None) or {}).items()},
        healthcheck=_words(checks.take("Test", list[str] | str | None)),
        created=outer.take("created", str | None) or "",
    )
    return replace(start, unread=(*outer.unread, *inner.unread, *checks.unread))


class _Reader:
    """Members of one object, taken one by one."""

    def __init__(self, members: dict[str, msgspec.Raw], prefix: str) -> None:
        self._members = members
        self._prefix = prefix
        self.unread: list[str] = []

    def take(self, name: str, shape: Any) -> Any:
        """Return a member; None if it is absent, or of another shape (then it is noted)."""
        raw = self._members.get(name)
        if raw is None or bytes(raw) == b"null":
            return None
        found = decode_part(raw, shape)
        if found is None:
            self.unread.append(self._prefix + name)
        return found


def _variables(entries: list[str | None] | None) -> tuple[Variable, ...]:
    found = []
    for index, entry in enumerate((entries or [])[:_ENV_COUNT]):
        name, _, value = (entry or "").partition("=")
        found.append(Variable(index=index, name=name, value=value))
    return tuple(found)


def _words(value: list[str] | str | None) -> tuple[str, ...]:
    """Return the words of a command; very old configs have a text."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
