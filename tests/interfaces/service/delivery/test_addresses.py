"""Addresses: what may be called, of every kind that is special."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.interfaces.service.delivery.addresses import (
    PRIVATE,
    Reach,
    embedded,
    is_permitted,
    is_public,
    parse_address,
)

PUBLIC = ("1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0", "169.253.0.1",
          "223.255.255.255", "192.0.1.0", "2606:4700::1111", "2a00::1", "2001:200::1", "2001:db7::1", "2003::1")  # fmt: skip
SPECIAL = ("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.255",
           "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1",
           "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
           "::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "100::1", "2001:db8::1",
           "2001:10::1", "3fff::1", "5f00::1", "4000::1")  # fmt: skip
WRAPPED = {
    "::ffff:93.184.216.34": "93.184.216.34",
    "::ffff:127.0.0.1": "127.0.0.1",
    "::127.0.0.1": "127.0.0.1",
    "::93.184.216.34": "93.184.216.34",
    "64:ff9b::169.254.169.254": "169.254.169.254",
    "64:ff9b::93.184.216.34": "93.184.216.34",
    "2002:7f00:1::": "127.0.0.1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe": "127.0.0.1",
}
HIDING_NOTHING_USEFUL = ("2001::1", "2002::1")
LOCAL_TRANSLATION = "64:ff9b:1::a00:1"


@pytest.mark.parametrize("text", PUBLIC)
def test_public_ones_may_be_called(text):
    assert is_permitted(ip_address(text), ())


@pytest.mark.parametrize("text", [*SPECIAL, *WRAPPED, *HIDING_NOTHING_USEFUL, LOCAL_TRANSLATION])
def test_all_others_may_not(text):
    assert not is_permitted(ip_address(text), ())


@pytest.mark.parametrize("text", SPECIAL)
def test_a_listed_one_may(text):
    address = ip_address(text)
    assert is_permitted(address, (ip_network(text),))
    assert is_permitted(
        address, (ip_network("1.1.1.1/32"), ip_network(f"{text}/{address.max_prefixlen - 3}", strict=False))
    )


@pytest.mark.parametrize("text", WRAPPED)
def test_one_that_hides_another_needs_both(text):
    outer, inner = ip_address(text), ip_address(WRAPPED[text])
    assert embedded(outer) == inner
    assert is_permitted(outer, (ip_network(outer),)) == is_public(inner)
    assert is_permitted(outer, (ip_network(outer), ip_network(inner)))
    assert not is_permitted(outer, (ip_network(inner),))


@pytest.mark.parametrize("text", ["::", "::1", "2606:4700::1111", "fe80::1", LOCAL_TRANSLATION, "127.0.0.1"])
def test_one_of_its_own_hides_none(text):
    assert embedded(ip_address(text)) is None


@pytest.mark.parametrize("text", ["10.1.2.3", "127.0.0.1", "192.168.0.1", "172.20.0.1", "100.64.0.1", "::1", "fd00::1"])
def test_private_networks(text):
    assert is_permitted(ip_address(text), PRIVATE)


@pytest.mark.parametrize("text", ["169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "::", "::ffff:10.0.0.1"])
def test_what_is_not_even_private(text):
    assert not is_permitted(ip_address(text), PRIVATE)


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f.1", "1.2.3.4.5", "fe80::1%eth0", "[::1]", "1.2.3.4/8"]
)
def test_what_is_no_address(text):
    assert parse_address(text) is None


@given(st.ip_addresses())
def test_python_agrees_about_what_is_not_global(address):
    """What Python knows to be special is special here, too; we know more of it."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert not is_permitted(address, ())
    assert is_permitted(address, (ip_network("0.0.0.0/0"), ip_network("::/0")))


REACH = Reach(hosts=("registry.local", "other.local:5000", "[::1]:5000", "10.0.0.9"), networks=("10.1.0.0/16",))


@pytest.mark.parametrize(
    ("host", "port", "address", "expected"),
    [
        ("storage.example.com", 443, "93.184.216.34", True),
        ("storage.example.com", 443, "10.1.2.3", True),
        ("storage.example.com", 443, "10.2.2.3", False),
        ("storage.example.com", 443, "169.254.169.254", False),
        ("registry.local", 443, "192.168.0.1", True),
        ("REGISTRY.local", 80, "127.0.0.1", True),
        ("registry.local", 443, "169.254.169.254", False),
        ("other.local", 5000, "192.168.0.1", True),
        ("other.local", 5001, "192.168.0.1", False),
        ("::1", 5000, "::1", True),
        ("::1", 5001, "::1", False),
        ("10.0.0.9", 8443, "10.0.0.9", True),
        ("registry.local", 443, "fe80::1%eth0", False),
        ("registry.local", 443, "nonsense", False),
    ],
)
def test_who_may_have_which_address(host, port, address, expected):
    assert REACH.permits(host, port, address) is expected
