"""Which paths mean something, and which names get no further."""

import pytest

from rafsight.verbs.present.answers import Answer
from rafsight.verbs.present.routes import Kind, Route, check_query, parse_route

DIGEST = "sha256:" + "a" * 64


def refusal(path):
    answer = parse_route(path)
    assert isinstance(answer, Answer), path
    return answer.status


@pytest.mark.parametrize(
    ("path", "kind", "repository", "name"),
    [
        ("/v2/", Kind.BASE, "", ""),
        ("/v2", Kind.BASE, "", ""),
        ("/v2/_catalog", Kind.CATALOG, "", ""),
        ("/v2/app/tags/list", Kind.TAGS, "app", "list"),
        ("/v2/a/b-c/d_e/manifests/v1.0", Kind.MANIFEST, "a/b-c/d_e", "v1.0"),
        (f"/v2/app/manifests/{DIGEST}", Kind.MANIFEST, "app", DIGEST),
        (f"/v2/blobs/blobs/{DIGEST}", Kind.BLOB, "blobs", DIGEST),
        (f"/v2/a/manifests/b/referrers/{DIGEST}", Kind.REFERRERS, "a/manifests/b", DIGEST),
    ],
)
def test_what_paths_mean(path, kind, repository, name):
    assert parse_route(path) == Route(
        kind=kind, path="/v2/" if kind is Kind.BASE else path, repository=repository, name=name
    )


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/_ping",
        "/v2/app",
        "/v2/app/tags",
        "/v2/app/tags/all",
        "/v2/app/manifests/",
        f"/v2/app/blobs/{DIGEST}/more",
        "/v2/app/blobs/uploads/",
        f"/v2/{DIGEST}",
    ],
)
def test_there_is_no_such_page(path):
    assert refusal(path) == 404


@pytest.mark.parametrize(
    "repository",
    [
        "..",
        "a/../b",
        "../../etc",
        "A",
        "a//b",
        "a\x00b",
        "-a",
        "a b",
        "a%2fb",
        "ü",
        "a\n",
        "a/" * 200 + "a",
        "x" * 256,
        ".",
    ],
)
def test_what_is_no_repository(repository):
    for rest in ("manifests/v1", f"blobs/{DIGEST}", "tags/list", f"referrers/{DIGEST}"):
        assert refusal(f"/v2/{repository}/{rest}") == 400


@pytest.mark.parametrize("name", ["..", "-v", "a b", "v:1", "x" * 129, "sha256:abc", "é", "a\n", DIGEST.upper()])
def test_what_is_neither_tag_nor_digest(name):
    for kind in ("manifests", "blobs", "referrers"):
        assert refusal(f"/v2/app/{kind}/{name}") == 400


def test_tags_are_no_blobs():
    assert refusal("/v2/app/blobs/v1") == refusal("/v2/app/referrers/v1") == 400


def test_long_paths():
    assert refusal("/v2/" + "a" * 5000 + "/manifests/v1") == 414


def test_a_tag_that_stands_for_a_digest():
    assert parse_route("/v2/app/manifests/nydus-sha256-" + "a" * 64).aliased == DIGEST
    for name in ("nydus-sha256-" + "a" * 63, "sha256-" + "a" * 64, "nydus-sha512-" + "a" * 64, "v1"):
        assert parse_route(f"/v2/app/manifests/{name}").aliased == ""


def test_queries():
    assert check_query("n=10&last=a%20b&artifactType=application/x+json") is None
    for wrong in ("a b", "a#b", "a\r\nHost: x", "é", "x" * 3000):
        assert check_query(wrong).status == 400
