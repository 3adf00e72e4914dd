"""Internet addresses: which are of the public internet, which only hide another one, and who may have which.

This module alone decides that, by the tables of IANA's registries of special addresses as they are written here, not as
the running Python knows them. Values only.
"""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SPECIAL_4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network, and the unspecified address
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' own networks, and some clouds' metadata
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local: clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_PUBLIC_6: Final = IPv6Network("2000::/3")
_SPECIAL_6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocols, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
        "5f00::/16",
    )
)
_COMPATIBLE: Final = IPv6Network("::/96")
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
_LOW_BITS: Final = 0xFFFFFFFF

PRIVATE: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)
"""This machine, and networks of one's own; neither link-local addresses nor multicast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which addresses registries may have, and the hosts to which they send us."""

    hosts: tuple[str, ...] = ()
    """`HOST[:PORT]` in lower case that may lie on this machine or in a network of one's own; without a port on any."""
    networks: tuple[str, ...] = ()
    """Where every host may lie, such as `10.1.0.0/16`."""

    def permits(self, host: str, port: int, address: str) -> bool:
        """Tell whether a host may be connected to at an address.

        Args:
            host: its name, without brackets.
            port: of the connection.
            address: that the name leads to.
        """
        parsed = parse_address(address)
        name = (f"[{host}]" if ":" in host else host).lower()
        own = PRIVATE if name in self.hosts or f"{name}:{port}" in self.hosts else ()
        return parsed is not None and is_permitted(parsed, (*parse_networks(self.networks), *own))


@lru_cache(maxsize=64)
def parse_networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Read networks.

    Raises: ValueError: one is none.
    """
    return tuple(map(ip_network, texts))


def parse_address(text: str) -> Address | None:
    """Read an address as resolvers write it; None if it is none, or of one link only (`fe80::1%eth0`)."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return None if isinstance(address, IPv6Address) and address.scope_id else address


def embedded(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to, by its form; None if it is one of its own."""
    if isinstance(address, IPv4Address) or int(address) <= 1:
        return None
    if address in _COMPATIBLE or address in _TRANSLATED:
        return IPv4Address(int(address) & _LOW_BITS)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


def is_public(address: Address) -> bool:
    """Tell whether an address is one that the whole internet knows, and of one host."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_4)
    return address in _PUBLIC_6 and not any(address in network for network in _SPECIAL_6)


def is_permitted(address: Address, networks: tuple[Network, ...]) -> bool:
    """Tell whether an address may be called.

    Args:
        address: of a peer.
        networks: that may be although they are not public. One that hides an IPv4 address has to be listed, and so has
            the hidden one, unless that is public.
    """
    is_listed = any(address.version == network.version and address in network for network in networks)
    inner = embedded(address)
    if inner is not None:
        return is_listed and is_permitted(inner, networks)
    return is_listed or is_public(address)
