import pytest

from rafsight.interfaces.service.web.registries import (
    MalformedName,
    MalformedNetwork,
    Names,
    Registries,
    RegistryRefused,
    parse_reference,
)

DIGEST = "sha256:" + "0" * 64
ADDRESSES = {
    "registry.example.com": ["93.184.216.34"],
    "inside.example.com": ["10.1.2.3"],
    "both.example.com": ["93.184.216.34", "10.1.2.3"],
    "six.example.com": ["2606:2800:220:1::1"],
    "mapped.example.com": ["::ffff:169.254.169.254"],
    "translated.example.com": ["64:ff9b::a9fe:a9fe"],
    "cloud.example.com": ["169.254.169.254"],
    "carrier.example.com": ["100.64.0.1"],
    "localhost": ["127.0.0.1", "::1"],
    "nowhere.example.com": [],
    "2130706433": ["127.0.0.1"],
    "fe80.example.com": ["fe80::1%eth0"],
}


def resolve(host, port):
    assert port
    if host in ADDRESSES:
        return ADDRESSES[host]
    if host.replace(".", "").isdigit() or ":" in host:
        return [host]
    raise OSError(-2, "Name or service not known")


def registries(*allow, networks=()):
    return Registries(allow, networks, resolve=resolve)


@pytest.mark.parametrize(
    ("allow", "registry"),
    [
        (["registry.example.com"], "registry.example.com"),
        (["registry.example.com"], "registry.example.com:5000"),
        (["registry.example.com"], "REGISTRY.example.com"),
        (["*.example.com"], "registry.example.com"),
        (["*.example.com"], "six.example.com"),
        (["**"], "registry.example.com"),
        (["registry.example.com:5000"], "registry.example.com:5000"),
        (["inside.example.com"], "inside.example.com"),
        (["localhost:5000"], "localhost:5000"),
        (["127.0.0.1:5000"], "127.0.0.1:5000"),
        (["10.1.2.3"], "10.1.2.3:443"),
        (["[::1]:5000"], "[::1]:5000"),
    ],
)
def test_what_is_on_the_list_is_talked_to(allow, registry):
    registries(*allow).check(registry)


@pytest.mark.parametrize(
    ("allow", "registry", "why"),
    [
        ([], "registry.example.com", "not on the list"),
        (["registry.example.com"], "other.example.com", "not on the list"),
        (["registry.example.com"], "registry.example.com.evil.org", "not on the list"),
        (["registry.example.com:5000"], "registry.example.com", "not on the list"),
        (["registry.example.com:5000"], "registry.example.com:5001", "not on the list"),
        (["*.example.com"], "inside.example.com", "address"),
        (["*.example.com"], "both.example.com", "address"),
        (["*.example.com"], "carrier.example.com", "address"),
        (["**"], "localhost", "address"),
        (["**"], "127.0.0.1:5000", "address"),
        (["**"], "2130706433", "address"),
        (["**"], "169.254.169.254", "address"),
        (["**"], "[::1]", "address"),
        (["cloud.example.com"], "cloud.example.com", "address"),
        (["mapped.example.com"], "mapped.example.com", "address"),
        (["translated.example.com"], "translated.example.com", "address"),
        (["fe80.example.com"], "fe80.example.com", "address"),
        (["169.254.169.254"], "169.254.169.254", "address"),
        (["nowhere.example.com"], "nowhere.example.com", "no address"),
        (["unknown.example.com"], "unknown.example.com", "no address"),
    ],
)
def test_what_is_not_on_the_list_or_lies_inside_is_refused(allow, registry, why):
    with pytest.raises(RegistryRefused, match=why):
        registries(*allow).check(registry)


def test_networks_are_an_exception():
    registries("*.example.com", networks=["10.0.0.0/8"]).check("inside.example.com")
    registries("cloud.example.com", networks=["169.254.169.254/32"]).check("cloud.example.com")
    with pytest.raises(RegistryRefused):
        registries("*.example.com", networks=["10.2.0.0/16"]).check("inside.example.com")


def test_what_was_fine_just_now_is_not_asked_again_for_a_moment():
    now, asked = [0.0], []

    def count(host, port):
        asked.append(host)
        return ["93.184.216.34"] if len(asked) < 2 else ["10.1.2.3"]

    registries = Registries(["*.example.com"], resolve=count, clock=lambda: now[0])
    assert not registries.was_checked("a.example.com")
    registries.check("a.example.com")
    assert registries.was_checked("a.example.com")
    assert not registries.was_checked("b.example.com")
    now[0] += 2
    assert not registries.was_checked("a.example.com")
    with pytest.raises(RegistryRefused):
        registries.check("a.example.com")
    assert not registries.was_checked("a.example.com")


def test_a_network_that_is_none():
    with pytest.raises(MalformedNetwork, match=r"10\.0\.0\.0/40"):
        Registries((), ["10.0.0.0/40"])


@pytest.mark.parametrize("registry", ["", "a b", "a/b", "a:0", "a:70000", "a:x", "user@host", "-a", "a\n", "ä", "[::1"])
def test_a_registry_that_is_no_name(registry):
    with pytest.raises(MalformedName):
        registries("**").check(registry)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("r.example.com/app:v1", Names(registry="r.example.com", repository="app", tag="v1")),
        ("R.example.com:5000/a/b", Names(registry="r.example.com:5000", repository="a/b", tag="latest")),
        (f"localhost/a@{DIGEST}", Names(registry="localhost", repository="a", digest=DIGEST)),
        (f"h:1/a/b/c:t@{DIGEST}", Names(registry="h:1", repository="a/b/c", tag="t", digest=DIGEST)),
        ("[::1]:5000/a:t", Names(registry="[::1]:5000", repository="a", tag="t")),
    ],
)
def test_references(text, names):
    assert parse_reference(text) == names


@pytest.mark.parametrize(
    "text",
    [
        "",
        "app",
        "app:v1",
        "/app:v1",
        "r/",
        "r/App:v1",
        "r/a:",
        "r/a@",
        "r/a@sha256:12",
        "r/../a:v1",
        "r/a//b:v1",
        "r/a:v1 ",
        "r/a:v1\0",
        "oci:folder:v1",
        "boot:/etc/passwd",
        "http://r/a:v1",
        "u:p@r/a:v1",
        "r/" + "a" * 300 + ":v1",
        "r/a:" + "t" * 129,
    ],
)
def test_references_that_are_none(text):
    with pytest.raises(MalformedName):
        parse_reference(text)
