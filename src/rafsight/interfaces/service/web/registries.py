"""Which registries the service talks to: the names on its list, and of what they resolve to only fit addresses.

A name that is written out in the list may lie in a private network or on this machine; one that only a pattern names
may not. Link-local addresses (where clouds keep their metadata) are fetched from only if their network is on the
list. This module alone decides that, with the tables of `delivery/addresses.py`. It is asked for every image, after
name resolution, before anything is kept; whoever connects later asks the same `Reach` about each connection.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rafsight.base.errors import CallerError
from rafsight.interfaces.service.delivery.addresses import Reach, parse_networks
from rafsight.interfaces.service.delivery.targets import Resolve, ask_system
from rafsight.interfaces.service.web.faults import RequestFault
from rafsight.interfaces.service.web.rules import matches

_HOST: Final = re.compile(
    r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::([0-9]{1,5}))?\Z"
)
_REPOSITORY: Final = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*\Z")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}\Z|sha512:[0-9a-f]{128}\Z")
_WILD: Final = re.compile(r"[*?]")
_HTTPS_PORT: Final = 443
_PORTS: Final = range(1, 65536)
_NAME_LENGTH: Final = 255
_REMEMBERED: Final = 2.0
"""[s]"""
_MOST: Final = 1000


class RegistryRefused(RequestFault):
    """The service does not talk to that registry."""

    code = "registry-refused"
    template = "the registry {registry} is not one that this service talks to: {why}"
    remedy = "Whoever runs the service adds it: --allow-registry HOST[:PORT], or registries.allow in the settings."
    status = 422


class MalformedName(RequestFault):
    """A registry, repository, tag or digest is not written as registries write them."""

    code = "malformed-name"
    template = "this is no {what}: {text}"
    remedy = "Write HOST[:PORT]/REPOSITORY:TAG or HOST[:PORT]/REPOSITORY@DIGEST."
    status = 422


class MalformedNetwork(CallerError):
    """A network in the settings is none."""

    code = "malformed-network"
    template = "this is no network: {text}"
    remedy = "Write it as 10.0.0.0/8 or fd00::/8."
    exit_status = RequestFault.exit_status


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """An image's name in its parts, checked."""

    registry: str
    """HOST[:PORT], in lower case."""
    repository: str
    tag: str = ""
    digest: str = ""


def parse_reference(text: str) -> Names:
    """Take `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]` apart; a reference without any tag means `latest`.

    Raises: MalformedName.
    """
    name, at, digest = text.partition("@")
    path, _, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    registry, _, first = path.partition("/")
    repository = "/".join(filter(None, (first, last)))
    if not colon and not at:
        tag = "latest"
    if not path or (colon and not tag) or (at and not digest):
        raise MalformedName(what="reference with a registry", text=text)
    return check_names(registry=registry, repository=repository, tag=tag, digest=digest)


def check_names(*, registry: str, repository: str, tag: str, digest: str) -> Names:
    """Check what strangers wrote.

    Raises: MalformedName.
    """
    if not _HOST.match(registry):
        raise MalformedName(what="registry", text=registry)
    for what, pattern, text in (("tag", _TAG, tag), ("digest", _DIGEST, digest)):
        if text and not pattern.match(text):
            raise MalformedName(what=what, text=text)
    if len(repository) > _NAME_LENGTH or not _REPOSITORY.match(repository):
        raise MalformedName(what="repository", text=repository)
    return Names(registry=registry.lower(), repository=repository, tag=tag, digest=digest)


class Registries:
    """The list. Safe to use from several threads."""

    def __init__(
        self,
        allow: Sequence[str],
        networks: Sequence[str] = (),
        *,
        resolve: Resolve = ask_system,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the list.

        Args:
            allow: `HOST[:PORT]` each, or a pattern of them; without a port every one is meant.
            networks: from which addresses may be, whatever they are.
            resolve: looks a name up.
            clock: [s]
        Raises: MalformedNetwork.
        """
        self._reach = reach_of(allow, networks)
        self._patterns = tuple(entry.lower() for entry in allow if _WILD.search(entry))
        self._resolve = resolve
        self._clock = clock
        self._checked: dict[str, float] = {}

    def was_checked(self, registry: str) -> bool:
        """Tell whether a registry was found to be fine just now: a burst of orders need not ask for each."""
        return self._clock() - self._checked.get(registry, float("-inf")) < _REMEMBERED

    def check(self, registry: str) -> None:
        """See that a registry may be talked to.

        Args:
            registry: HOST[:PORT].
        Raises: RegistryRefused, MalformedName.
        Cost: asks the system's resolver, which may take seconds.
        """
        found = _HOST.match(registry)
        if found is None or int(found[2] or 1) not in _PORTS:
            raise MalformedName(what="registry", text=registry)
        registry, host, port = registry.lower(), found[1].lower(), int(found[2] or _HTTPS_PORT)
        is_listed = any(entry in (registry, host) for entry in self._reach.hosts)
        if not is_listed and not any(matches(one, registry) or matches(one, host) for one in self._patterns):
            raise RegistryRefused(registry=registry, why="it is not on the list")
        try:
            addresses = self._resolve(host.strip("[]"), port)
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that no resolver would take
            raise RegistryRefused(registry=registry, why="its name has no address") from error
        if not addresses or not all(self._reach.permits(host.strip("[]"), port, text) for text in addresses):
            why = "its name leads to an address that is not fetched from" if addresses else "its name has no address"
            raise RegistryRefused(registry=registry, why=why)
        if len(self._checked) >= _MOST:
            self._checked.clear()
        self._checked[registry] = self._clock()


def reach_of(allow: Sequence[str], networks: Sequence[str]) -> Reach:
    """Make of a list what connections are checked by: names that are written out may lie in private networks.

    Raises: MalformedNetwork.
    """
    for text in networks:
        try:
            parse_networks((text,))
        except ValueError as error:
            raise MalformedNetwork(text=text) from error
    return Reach(hosts=tuple(entry.lower() for entry in allow if not _WILD.search(entry)), networks=tuple(networks))
