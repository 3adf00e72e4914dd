"""Which URLs and names may be called."""

import threading
import time

import pytest

from rafsight.interfaces.service.delivery.faults import MalformedTarget, TargetForbidden, TargetUnreachable
from rafsight.interfaces.service.delivery.targets import Target, TargetRules, ask_system, parse_target, rules_for

HOOK = parse_target("https://hooks.example.com/a/b?c=d")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.example.com", Target(scheme="https", host="hooks.example.com", port=443, path="/")),
        (
            "https://Hooks.Example.COM.:8443/x?y#z",
            Target(scheme="https", host="hooks.example.com", port=8443, path="/x?y"),
        ),
        ("http://10.0.0.1/", Target(scheme="http", host="10.0.0.1", port=80, path="/")),
        ("https://[2606:4700::1111]:99/x", Target(scheme="https", host="2606:4700::1111", port=99, path="/x")),
        ("https://under_score.example/", Target(scheme="https", host="under_score.example", port=443, path="/")),
    ],
)
def test_urls(url, target):
    assert parse_target(url) == target


def test_what_people_are_told_of_a_url():
    assert HOOK.origin == "https://hooks.example.com"
    assert parse_target("https://[2606::1]:99/secret").origin == "https://[2606::1]:99"
    assert parse_target("http://a.example:80/secret").origin == "http://a.example"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com/x",
        "ftp://hooks.example.com/",
        "https:///x",
        "https://user@hooks.example.com/",
        "https://a:b@hooks.example.com/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com:x/",
        "https://hooks.example.com\\@evil.example/",
        "https://hooks example.com/",
        "https://hooks.example.com/\r\nX: y",
        "https://höoks.example.com/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://-a..b/",
        "https://" + "a" * 300 + "/",
        "https://a.example/" + "a" * 2048,
    ],
)
def test_what_is_no_url(url):
    with pytest.raises(MalformedTarget) as caught:
        parse_target(url)
    assert "secret" not in str(caught.value)


class TestLists:
    """Names."""

    @pytest.mark.parametrize(
        ("hosts", "may"),
        [
            ((), False),
            (("*",), True),
            (("hooks.example.com",), True),
            (("other.example", "hooks.example.com"), True),
            (("*.example.com",), True),
            (("*.com",), True),
            (("example.com",), False),
            (("*.hooks.example.com",), False),
            (("*ooks.example.com",), False),
            (("hooks.example.com.evil.example",), False),
        ],
    )
    def test_names(self, hosts, may):
        rules = TargetRules(hosts=hosts)
        if may:
            rules.check(HOOK)
        else:
            with pytest.raises(
                TargetForbidden, match=r"https://hooks\.example\.com is not called: its host is not on the list"
            ):
                rules.check(HOOK)

    def test_https_unless_it_is_said(self):
        plain = parse_target("http://hooks.example.com/")
        with pytest.raises(TargetForbidden, match="not HTTPS"):
            TargetRules(hosts=("*",)).check(plain)
        TargetRules(hosts=("*",), plain_http=True).check(plain)
        rules_for(plain).check(plain)
        with pytest.raises(TargetForbidden):
            rules_for(HOOK).check(plain)
        with pytest.raises(TargetForbidden):
            rules_for(HOOK).check(parse_target("https://other.example.com/"))

    def test_a_network_that_is_none(self):
        with pytest.raises(MalformedTarget, match=r"10.0.0.1/8: it is no network"):
            rules_for(HOOK, networks=("10.0.0.1/8",))


class TestAddresses:
    """What names lead to."""

    def addresses(self, *found, rules=None, patience=5.0):
        return (rules or rules_for(HOOK)).addresses(HOOK, resolve=lambda host, port: found, patience=patience)

    def test_public_ones(self):
        assert self.addresses("93.184.216.34", "2606:4700::1111", "93.184.216.34") == (
            "93.184.216.34",
            "2606:4700::1111",
        )

    @pytest.mark.parametrize(
        "found",
        [
            ("127.0.0.1",),
            ("169.254.169.254",),
            ("93.184.216.34", "10.0.0.1"),
            ("::ffff:127.0.0.1",),
            ("fe80::1%eth0",),
            ("not an address",),
            tuple(f"93.184.216.{number}" for number in range(33)),
        ],
    )
    def test_others(self, found):
        with pytest.raises(TargetForbidden, match=r"https://hooks\.example\.com is not called"):
            self.addresses(*found)

    def test_private_and_listed_ones(self):
        assert self.addresses("10.0.0.1", rules=rules_for(HOOK, is_private=True)) == ("10.0.0.1",)
        listed = rules_for(HOOK, networks=("169.254.1.0/24", "fe80::/10"))
        assert self.addresses("169.254.1.7", "fe80::7", rules=listed) == ("169.254.1.7", "fe80::7")
        with pytest.raises(TargetForbidden):
            self.addresses("169.254.2.7", rules=listed)

    @pytest.mark.parametrize("spelling", ["127.0.0.1", "2130706433", "0x7f000001", "127.1", "localhost"])
    def test_this_machine_in_every_spelling(self, spelling):
        """What the system takes for an address is looked at as an address."""
        target = parse_target(f"https://{spelling}/")
        with pytest.raises(TargetForbidden):
            rules_for(target).addresses(target, resolve=ask_system, patience=10.0)
        assert rules_for(target, is_private=True).addresses(target, resolve=ask_system, patience=10.0)

    @pytest.mark.parametrize("fault", [OSError(-2, "Name or service not known"), UnicodeError("label too long")])
    def test_names_without_an_address(self, fault):
        def resolve(host, port):
            raise fault

        with pytest.raises(TargetUnreachable, match="its name has no address") as caught:
            rules_for(HOOK).addresses(HOOK, resolve=resolve, patience=5.0)
        assert not caught.value.permanent
        with pytest.raises(TargetUnreachable, match="its name has no address"):
            self.addresses()

    def test_a_name_server_that_takes_its_time(self):
        ended = threading.Event()

        def resolve(host, port):
            ended.wait(60)
            return ["93.184.216.34"]

        began = time.monotonic()
        with pytest.raises(TargetUnreachable, match="does not answer in time"):
            rules_for(HOOK).addresses(HOOK, resolve=resolve, patience=0.05)
        assert time.monotonic() - began < 20
        ended.set()
