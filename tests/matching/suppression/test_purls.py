import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.matching.suppression.purls import parse_purl

LIBSSL = "pkg:deb/debian/libssl3@3.0.14-1~deb12u1?arch=amd64&distro=debian-12.7&upstream=openssl"


@pytest.mark.parametrize(
    ("pattern", "purl", "means"),
    [
        (LIBSSL, LIBSSL, True),
        ("pkg:deb/debian/libssl3", LIBSSL, True),
        ("pkg:deb/debian/libssl3@*", LIBSSL, True),
        ("pkg:deb/debian/libssl3@3.0.14-1~deb12u1", LIBSSL, True),
        ("pkg:deb/debian/libssl3@3.0.14-1%7Edeb12u1", LIBSSL, True),
        ("pkg:deb/debian/libssl3@3.0", LIBSSL, False),
        ("pkg:deb/debian/libssl3?arch=amd64", LIBSSL, True),
        ("pkg:deb/debian/libssl3?arch=arm64", LIBSSL, False),
        ("pkg:deb/debian/libssl3?repository_url=https://deb.debian.org", LIBSSL, True),
        ("pkg:deb/ubuntu/libssl3", LIBSSL, False),
        ("pkg:deb/libssl3", LIBSSL, False),
        ("pkg:npm/%40babel/core", "pkg:npm/%40babel/core@7.0.0", True),
        ("pkg:npm/@babel/core@7.0.0", "pkg:npm/%40babel/core@7.0.0", True),
        ("pkg:npm/core", "pkg:npm/%40babel/core@7.0.0", False),
        ("pkg:pypi/Flask_Login", "pkg:pypi/flask-login@1.0", True),
        ("pkg:maven/org.a/b@1#sub", "pkg:maven/org.a/b@1", True),
        ("pkg:golang/github.com/A/b", "pkg:golang/github.com/A/b@v1", True),
        ("pkg:golang/github.com/a/b", "pkg:golang/github.com/A/b@v1", False),
        ("pkg:NPM/lodash", "pkg:npm/lodash@4", True),
    ],
)
def test_what_a_pattern_means(pattern, purl, means):
    assert parse_purl(pattern).means(parse_purl(purl)) is means


@pytest.mark.parametrize(
    "text", ["", "lodash", "pkg:", "pkg:npm", "pkg:npm/", "pkg:/x", "http://x", "pkg:npm/" + "x" * 5000]
)
def test_what_is_none(text):
    assert parse_purl(text) is None


@given(st.text(max_size=60))
def test_any_text_is_a_purl_or_none(text):
    parse_purl("pkg:" + text)
