import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from rafsight.analysis.inventory import Component, Distribution, Ecosystem
from rafsight.analysis.purl import normal_name, purl_of

DEBIAN = Distribution(id="debian", version="12.7", name="")
ALPINE = Distribution(id="alpine", version="3.20.3", name="")
RHEL = Distribution(id="rhel", version="8.9", name="")
LEAP = Distribution(id="opensuse-leap", version="15.5", name="")
WOLFI = Distribution(id="wolfi", version="", name="")


def make(ecosystem, name, version, **more):
    return Component(ecosystem=ecosystem, name=name, version=version, **more)


@pytest.mark.parametrize(
    ("component", "distribution", "purl"),
    [
        (
            make("deb", "busybox", "1:1.35.0-4+b1", arch="amd64", source_name="busybox", source_version="1:1.35.0-4"),
            DEBIAN,
            "pkg:deb/debian/busybox@1:1.35.0-4%2Bb1?arch=amd64&distro=debian-12.7&upstream=busybox%401:1.35.0-4",
        ),
        (
            make("deb", "libstdc++6", "12.2.0-14", source_name="gcc-12", source_version="12.2.0-14"),
            DEBIAN,
            "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14?distro=debian-12.7&upstream=gcc-12",
        ),
        (
            make("deb", "x", "1~rc1", arch="all", source_name="x", source_version="1~rc1"),
            None,
            "pkg:deb/x@1~rc1?arch=all",
        ),
        (make("deb", "x", "1"), None, "pkg:deb/x@1"),
        (
            make("apk", "libcrypto3", "3.1.4-r1", arch="x86_64", source_name="openssl", source_version="3.1.4-r1"),
            ALPINE,
            "pkg:apk/alpine/libcrypto3@3.1.4-r1?arch=x86_64&distro=3.20.3&upstream=openssl",
        ),
        (make("apk", "musl", "1-r0", source_name="musl"), WOLFI, "pkg:apk/wolfi/musl@1-r0?distro=wolfi"),
        (
            make("rpm", "bash", "4.4.20-5.el8", arch="x86_64", source_name="bash", source_version="4.4.20-5.el8"),
            RHEL,
            "pkg:rpm/redhat/bash@4.4.20-5.el8?arch=x86_64&distro=redhat-8.9&upstream=bash-4.4.20-5.el8.src.rpm",
        ),
        (
            make("rpm", "npm", "1:8.19-1", modularity="nodejs:18:1:a", source_name="nodejs", source_version="1:18-1"),
            RHEL,
            "pkg:rpm/redhat/npm@8.19-1?distro=redhat-8.9&epoch=1&modularitylabel=nodejs:18:1:a&upstream=nodejs-18-1.src.rpm",
        ),
        (make("rpm", "x", "1-1"), LEAP, "pkg:rpm/opensuse/x@1-1?distro=opensuse-leap-15.5"),
        (make("pypi", "Zope.Interface_x", "1.0+local"), DEBIAN, "pkg:pypi/zope-interface-x@1.0%2Blocal"),
        (make("npm", "@babel/core", "7.0.0"), DEBIAN, "pkg:npm/%40babel/core@7.0.0"),
        (make("maven", "org.example:a_b", "1.0-x y"), DEBIAN, "pkg:maven/org.example/a_b@1.0-x%20y"),
        (make("maven", "thing", ""), DEBIAN, "pkg:maven/thing"),
        (make("golang", "golang.org/x/text", "v0.3.5"), DEBIAN, "pkg:golang/golang.org/x/text@v0.3.5"),
        (make("golang", "stdlib", "1.21.3"), DEBIAN, "pkg:golang/stdlib@1.21.3"),
        # Case counts in a module's path, and its last element is no subpath.
        (make("golang", "github.com/A/b/v2", "(devel)"), DEBIAN, "pkg:golang/github.com/A/b/v2@%28devel%29"),
        (make("cargo", "serde", "1.0.1+a"), DEBIAN, "pkg:cargo/serde@1.0.1%2Ba"),
        (make("generic", "a b", "1"), DEBIAN, "pkg:generic/a%20b@1"),
        (make("composer", "Symfony/Console", "v5.4.1"), DEBIAN, "pkg:composer/symfony/console@v5.4.1"),
        (make("gem", "rack", "2.2.3"), DEBIAN, "pkg:gem/rack@2.2.3"),
        (make("nuget", "Newtonsoft.Json", "13.0.1"), DEBIAN, "pkg:nuget/Newtonsoft.Json@13.0.1"),
        (make("swift", "github.com/A/B", "1.0"), DEBIAN, "pkg:swift/github.com/A/B@1.0"),
        (make("portage", "app-misc/gtk+", "1-r1"), None, "pkg:ebuild/app-misc/gtk%2B@1-r1"),
        (make("alpm", "openssl", "1:3.2-1", arch="x86_64"), None, "pkg:alpm/openssl@1:3.2-1?arch=x86_64"),
        (make("hex", "Plug", "1.11.0"), None, "pkg:hex/plug@1.11.0"),
        (
            make("conda", "numpy", "1.26.4", qualifiers=(("build", "py_0"), ("channel", "pkgs/main"))),
            DEBIAN,
            "pkg:conda/numpy@1.26.4?build=py_0&channel=pkgs%2Fmain",
        ),
        (make("julia", "JSON", "0.21.4", qualifiers=(("uuid", "u-1"),)), None, "pkg:julia/JSON@0.21.4?uuid=u-1"),
        # packageurl-python would write `jsonstream`, which is another package of the same registry.
        (make("npm", "JSONStream", "1.3.5"), DEBIAN, "pkg:npm/JSONStream@1.3.5"),
    ],
)
def test_purls(component, distribution, purl):
    component = replace(component, ecosystem=Ecosystem(component.ecosystem))
    assert purl_of(component, distribution) == purl
    parsed = PackageURL.from_string(purl)
    assert parsed.name.lower() in (
        component.name.lower(),
        component.name.lower().rpartition("/")[2],
        component.name.rpartition(":")[2],
        normal_name(component.name),
    )


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=12).filter(
    lambda text: text == text.strip()
)
LOWER = TEXT.map(str.lower).filter(lambda text: text.strip() == text and "/" not in text)


@given(
    ecosystem=st.sampled_from([Ecosystem.DEB, Ecosystem.RPM]),
    name=TEXT,
    version=TEXT.filter(lambda text: ":" not in text),
    epoch=st.integers(0, 9),
    arch=st.just("") | TEXT,
    label=TEXT,
)
def test_os_purls_are_as_packageurl_writes_them(ecosystem, name, version, epoch, arch, label):
    rpm = ecosystem is Ecosystem.RPM
    whole = f"{epoch}:{version}" if epoch else version
    component = Component(
        ecosystem=ecosystem,
        name=name,
        version=whole,
        arch=arch,
        source_name="a b",
        source_version=whole,
        modularity=label,
    )
    qualifiers = {"arch": arch, "distro": "debian-12.7", "modularitylabel": label}
    qualifiers |= (
        {"epoch": str(epoch) if epoch else "", "upstream": f"a b-{version}.src.rpm"} if rpm else {"upstream": "a b"}
    )
    expected = PackageURL(ecosystem.value, "debian", name, version if rpm else whole, qualifiers)
    assert purl_of(component, DEBIAN) == expected.to_string()


@given(ecosystem=st.sampled_from([Ecosystem.NPM, Ecosystem.PYPI, Ecosystem.APK]), name=LOWER, scope=LOWER, version=TEXT)
def test_other_purls_are_as_packageurl_writes_them(ecosystem, name, scope, version):
    match ecosystem:
        case Ecosystem.NPM:
            component = Component(ecosystem=ecosystem, name=f"@{scope}/{name}", version=version)
            expected = PackageURL("npm", f"@{scope}", name, version)
        case Ecosystem.PYPI:
            component = Component(ecosystem=ecosystem, name=name, version=version)
            expected = PackageURL("pypi", None, normal_name(name), version)
        case _:
            component = Component(ecosystem=ecosystem, name=name, version=version)
            expected = PackageURL("apk", "alpine", name, version, {"distro": "3.20.3"})
    # packageurl-python lowers the digits of what it encoded in these names; the standard wants capitals.
    text = re.sub("%[0-9a-f]{2}", lambda match: match[0].upper(), expected.to_string())
    assert purl_of(component, ALPINE) == text
