import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from rafsight.analysis.inventory import Distribution, EvidenceClass
from rafsight.analysis.purl import purl_of
from rafsight.analysis.sbom.package_url import component_of


@pytest.mark.parametrize(
    ("purl", "kind", "name", "version"),
    [
        ("pkg:npm/%40a/inner@2", "npm", "@a/inner", "2"),
        ("pkg:npm/lodash@4.17.20?x=y#sub/path", "npm", "lodash", "4.17.20"),
        ("pkg:maven/org.apache/commons-text@1.9", "maven", "org.apache:commons-text", "1.9"),
        ("pkg:golang/github.com/gin-gonic/gin@v1.7.0", "golang", "github.com/gin-gonic/gin", "v1.7.0"),
        ("pkg:composer/monolog/monolog@2.3.5", "composer", "monolog/monolog", "2.3.5"),
        ("pkg:deb/debian/openssl@3.0.2-1%2Bb1?arch=amd64&distro=debian-12", "deb", "openssl", "3.0.2-1+b1"),
        ("pkg:rpm/redhat/bash@4.4-5.el8?arch=x86_64&epoch=1", "rpm", "bash", "1:4.4-5.el8"),
        ("pkg:deb/debian/zlib1g@1.2.13.dfsg-1?distro=debian-12&epoch=1", "deb", "zlib1g", "1:1.2.13.dfsg-1"),
        ("pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?epoch=1", "deb", "zlib1g", "1:1.2.13.dfsg-1"),
        ("pkg:ebuild/app/x@1", "portage", "app/x", "1"),
        ("pkg:docker/library/nginx@1.2", "generic", "nginx", "1.2"),
        ("pkg:pypi/flask@0.12.2", "pypi", "flask", "0.12.2"),
    ],
)
def test_kinds(purl, kind, name, version):
    found = component_of(purl)
    assert (found.ecosystem, found.name, found.version, found.evidence) == (kind, name, version, EvidenceClass.DECLARED)


@pytest.mark.parametrize(
    ("purl", "title", "name"),
    [
        ("pkg:golang/github.com/masterminds/vcs@v1", "github.com/Masterminds/vcs", "github.com/Masterminds/vcs"),
        ("pkg:golang/github.com/masterminds/vcs@v1", "something else", "github.com/masterminds/vcs"),
        ("pkg:golang/github.com/go-playground/validator@v10.4.1#v10", "", "github.com/go-playground/validator/v10"),
        ("pkg:golang/github.com/ugorji/go@v1#codec", "github.com/ugorji/go/codec", "github.com/ugorji/go/codec"),
        ("pkg:golang/google.golang.org/genproto@v0#googleapis/api", "genproto", "google.golang.org/genproto"),
        ("pkg:golang/a.b/c@v2#v2/d", "a.b/c/v2", "a.b/c/v2"),
        ("pkg:golang/a.b/c@v2#v2x", "", "a.b/c"),
        ("pkg:npm/jsonstream@1", "JSONStream", "JSONStream"),
        ("pkg:npm/%40a/b@1#v2", "@A/b", "@A/b"),
        ("pkg:npm/b@1#v2", "b/v2", "b"),
        ("pkg:gem/rails@1", "Rails", "rails"),
    ],
)
def test_the_name_beside_it_may_have_the_true_spelling(purl, title, name):
    assert component_of(purl, title=title).name == name


def test_what_else_is_believed():
    found = component_of("pkg:apk/wolfi/libcrypto3@3.1-r1?arch=x86_64&upstream=openssl%403.1-r0", ("MIT",))
    assert (found.arch, found.source_name, found.source_version, found.licenses) == (
        "x86_64",
        "openssl",
        "3.1-r0",
        ("MIT",),
    )
    assert component_of("pkg:conda/x@1?build=0&channel=main&evil=1").qualifiers == (("build", "0"), ("channel", "main"))


@pytest.mark.parametrize(
    "purl",
    [
        "",
        "x",
        "pkg:",
        "pkg:npm",
        "pkg:npm/",
        "pkg:npm/x",
        "pkg:npm/x@",
        "pkg:npm/@1",
        "pkg:npm/x@" + "1" * 9999,
        "pkg:npm//@1",
    ],
)
def test_what_is_none(purl):
    assert component_of(purl) is None


TEXT = st.text("abcXYZ019._~+ %@é", min_size=1, max_size=8).map(str.strip).filter(bool)


@given(TEXT, TEXT, TEXT, st.sampled_from(["npm", "golang", "maven", "gem", "cargo", "swift"]))
def test_our_own_come_back(namespace, name, version, kind):
    if kind in ("gem", "cargo"):
        namespace = ""
    purl = PackageURL(kind, namespace or None, name, version).to_string()
    found = component_of(purl)
    assert found.version == version
    again = purl_of(found, None)
    assert PackageURL.from_string(again) == PackageURL.from_string(purl)


@given(st.text("pkg:/@?#&=%41npm\udc80 é", max_size=40))
def test_any_text_has_a_component_or_none(text):
    found = component_of("pkg:" + text)
    if found is not None:
        purl_of(found, Distribution(id="debian", version="12", name="")).encode()
