"""References: what is accepted, what it means, what is said about the rest."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.base.errors import ExitStatus
from rafsight.formats.oci.reference import (
    ArchiveKind,
    ArchiveReference,
    BootstrapReference,
    DirectoryReference,
    LayoutReference,
    MalformedReference,
    PathReference,
    RegistryReference,
    parse_reference,
)

HEX = "0123456789abcdef" * 4
DIGEST = "sha256:" + HEX
LONG_DIGEST = "sha512:" + HEX * 2


@pytest.mark.parametrize(
    ("text", "host", "repository", "tag", "digest"),
    [
        ("alpine", "docker.io", "library/alpine", "latest", None),
        ("alpine:3.20", "docker.io", "library/alpine", "3.20", None),
        ("library/alpine", "docker.io", "library/alpine", "latest", None),
        ("org/app", "docker.io", "org/app", "latest", None),
        ("docker.io/alpine", "docker.io", "library/alpine", "latest", None),
        ("index.docker.io/org/app:1", "docker.io", "org/app", "1", None),
        ("quay.io/org/app", "quay.io", "org/app", "latest", None),
        ("localhost/app", "localhost", "app", "latest", None),
        ("localhost:5000/app:v1", "localhost:5000", "app", "v1", None),
        ("host:5000/a/b/c:v1", "host:5000", "a/b/c", "v1", None),
        ("127.0.0.1:5067/demo/app:oci", "127.0.0.1:5067", "demo/app", "oci", None),
        ("[::1]:5000/x", "[::1]:5000", "x", "latest", None),
        ("[fe80::1]/x:t", "[fe80::1]", "x", "t", None),
        (f"quay.io/a@{DIGEST}", "quay.io", "a", None, DIGEST),
        (f"quay.io/a:t@{DIGEST}", "quay.io", "a", "t", DIGEST),
        (f"alpine@{LONG_DIGEST}", "docker.io", "library/alpine", None, LONG_DIGEST),
        ("docker://quay.io/a/b:t", "quay.io", "a/b", "t", None),
        ("docker://alpine", "docker.io", "library/alpine", "latest", None),
        ("oci://quay.io/charts/app:1", "quay.io", "charts/app", "1", None),
        ("a--b/c__d/e.f", "docker.io", "a--b/c__d/e.f", "latest", None),
        ("app:" + "t" * 128, "docker.io", "library/app", "t" * 128, None),
        ("oci", "docker.io", "library/oci", "latest", None),
    ],
)
def test_names_an_image_in_a_registry(text, host, repository, tag, digest):
    expected = RegistryReference(host=host, repository=repository, tag=tag, digest=digest)
    assert parse_reference(text) == expected
    assert parse_reference(str(expected)) == expected
    assert expected.name == (digest or tag)


@pytest.mark.parametrize(
    ("text", "directory", "tag", "digest"),
    [
        ("oci:dir", "dir", None, None),
        ("oci:dir:v6", "dir", "v6", None),
        ("oci:/abs/dir:v6", "/abs/dir", "v6", None),
        (f"oci:dir@{DIGEST}", "dir", None, DIGEST),
        (f"oci:dir:v6@{DIGEST}", "dir", "v6", DIGEST),
        ("oci:a:b:c", "a:b", "c", None),
        ("oci:a:b/", "a:b/", None, None),
        ("oci:a:b/c", "a:b/c", None, None),
        ("oci:a:-x", "a:-x", None, None),
        ("oci:dir@home:t", "dir@home", "t", None),
        ("oci:///abs/dir:t", "/abs/dir", "t", None),
        ("oci://./dir", "./dir", None, None),
        ("oci:////dir:t", "/dir", "t", None),
        ("oci:with space/Ünïcode", "with space/Ünïcode", None, None),
    ],
)
def test_names_an_image_in_a_layout(text, directory, tag, digest):
    expected = LayoutReference(directory=directory, tag=tag, digest=digest)
    assert parse_reference(text) == expected
    assert parse_reference(str(expected)) == expected
    assert expected.name == (digest or tag)


@pytest.mark.parametrize("kind", ArchiveKind)
@pytest.mark.parametrize(
    ("rest", "file", "tag", "digest"),
    [
        ("a.tar", "a.tar", None, None),
        ("/abs/a.tar:v1", "/abs/a.tar", "v1", None),
        ("a.tar:host:5000/team/app:v1", "a.tar", "host:5000/team/app:v1", None),
        ("a.tar:@3", "a.tar", "@3", None),
        (f"a.tar@{DIGEST}", "a.tar", None, DIGEST),
        (f"a.tar:v1@{LONG_DIGEST}", "a.tar", "v1", LONG_DIGEST),
        ("a@b.tar", "a@b.tar", None, None),
        ("with space/Ünïcode.tar: x", "with space/Ünïcode.tar", " x", None),
    ],
)
def test_names_an_image_in_an_archive(kind, rest, file, tag, digest):
    expected = ArchiveReference(kind=kind, file=file, tag=tag, digest=digest)
    assert parse_reference(f"{kind.value}:{rest}") == expected
    assert str(expected) == f"{kind.value}:{rest}"
    assert expected.name == (digest or tag)


def test_the_kinds_of_archives_are_spelled_as_skopeo_spells_them():
    assert list(ArchiveKind) == ["oci-archive", "docker-archive"]


@pytest.mark.parametrize("path", ["/", "a", "a:b", "./a@b", "/with space"])
def test_names_a_folder(path):
    assert parse_reference(f"dir:{path}") == DirectoryReference(directory=path)
    assert str(parse_reference(f"dir:{path}")) == f"dir:{path}"


@pytest.mark.parametrize("text", ["docker-archive", "oci-archive", "dir"])
def test_a_word_alone_is_a_repository(text):
    assert isinstance(parse_reference(text), RegistryReference)


@pytest.mark.parametrize(
    ("text", "host", "repository"),
    [("registry:2", "docker.io", "library/registry"), ("registry:5000/a/b:v1", "registry:5000", "a/b")],
)
def test_a_registry_may_be_called_registry(text, host, repository):
    found = parse_reference(text)
    assert (found.host, found.repository) == (host, repository)


@pytest.mark.parametrize("text", ["./x", "../x:y", "/x", ".", "..", "/a@b", "./boot:x"])
def test_recognises_a_path(text):
    assert parse_reference(text) == PathReference(path=text)
    assert str(parse_reference(text)) == text


def test_names_a_bootstrap():
    assert parse_reference("boot:a:b@c") == BootstrapReference(file="a:b@c")
    assert str(parse_reference("boot:x")) == "boot:x"


@pytest.mark.parametrize(
    ("text", "what", "position"),
    [
        ("", "empty", 0),
        ("boot:", "file must follow", 5),
        ("oci:", "directory must follow", 4),
        ("dir:", "folder must follow", 4),
        ("docker-archive:", "file must follow", 15),
        ("oci-archive::v1", "file must follow", 12),
        ("oci-archive:@" + DIGEST, "file must follow", 12),
        ("oci-archive:a.tar:", "tag must follow", 18),
        ("docker-archive:a.tar:@" + DIGEST, "tag must follow", 21),
        ("docker-archive:a.tar@sha256:12", "a digest is", 21),
        ("oci:@" + DIGEST, "directory must follow", 4),
        ("Alpine", "lower-case", 0),
        ("quay.io/Org/app", "lower-case", 8),
        ("Foo/bar", "lower-case", 0),
        ("quay.io/a//b", "empty part", 10),
        ("quay.io/", "repository is missing", 8),
        ("app:", "a tag is", 4),
        ("app:-x", "a tag is", 4),
        ("app:" + "t" * 129, "a tag is", 4),
        ("app:t:u", "a tag is", 4),
        ("app@sha256:12", "a digest is", 4),
        ("app@" + DIGEST.upper(), "must be a digest", 4),
        ("app@latest", "must be a digest", 4),
        ("oci:dir@sha256:12", "a digest is", 8),
        ("https://quay.io/a", "leave out", 0),
        ("registry:quay.io/a:v1", "leave out `registry:`", 0),
        ("registry:127.0.0.1:5000/a", "leave out `registry:`", 0),
        ("docker-daemon:app:v1", "docker save", 0),
        ("containers-storage:quay.io/a", "docker save", 0),
        ("docker://", "repository is missing", 9),
        ("docker://quay.io/A", "lower-case", 17),
        ("-host.io/a", "host name", 0),
        ("host:port/a", "host name", 0),
        ("user:secret@quay.io/a", "must be a digest", 12),
        ("a b", "joined by", 0),
        ("a..b", "joined by", 0),
        (HEX, "image id", 0),
        ("x" * 256, "longer than 255", 0),
        ("a\0b", "no name may have", 1),
        ("x" * 9000, "longer than 8192", 8192),
        ("アプリ", "joined by", 0),
        ("app:\uff11", "a tag is", 4),
    ],
)
def test_says_what_is_wrong_and_where(text, what, position):
    with pytest.raises(MalformedReference) as caught:
        parse_reference(text)
    assert what in str(caught.value)
    assert caught.value.details["position"] == position
    assert caught.value.exit_status is ExitStatus.REFERENCE


PIECES = st.sampled_from(
    ["oci:", "oci://", "oci-archive:", "docker-archive:", "dir:", "boot:", "docker://", "./", "/", ":", "@", "a", "B", "host.io", "localhost", "library", "docker.io",
     "[::1]", ":5000", ":v1", "@" + DIGEST, "_", "-", ".", "..", " ", "é", "\0", "\ud800", HEX, "x" * 100]
)  # fmt: skip


@settings(deadline=None, max_examples=600)
@given(text=st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=7).map("".join)))
def test_what_parses_prints_as_what_parses_the_same(text):
    try:
        parsed = parse_reference(text)
    except MalformedReference:
        return
    assert parse_reference(str(parsed)) == parsed
    assert str(parse_reference(str(parsed))) == str(parsed)
