import pytest

from rafsight.hunt.globs import BadGlob
from rafsight.hunt.question import (
    EmptyQuestion,
    FileQuestion,
    MalformedQuestion,
    ModeTest,
    PackageQuestion,
    SizeRange,
    make_question,
    parse_advisory,
    parse_digest,
    parse_kinds,
    parse_mode,
    parse_package,
    parse_size_range,
)
from rafsight.hunt.versions import MalformedRange, parse_version_range

NO_END = (1 << 63) - 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100", SizeRange(least=100, most=100)),
        ("1KiB..2kB", SizeRange(least=1024, most=2000)),
        ("..10MB", SizeRange(least=0, most=10_000_000)),
        ("5..", SizeRange(least=5, most=NO_END)),
        ("0", SizeRange(least=0, most=0)),
    ],
)
def test_sizes(text, expected):
    assert parse_size_range(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4755", ModeTest(bits=0o4755, how="")),
        ("-4000", ModeTest(bits=0o4000, how="-")),
        ("/6000", ModeTest(bits=0o6000, how="/")),
    ],
)
def test_modes(text, expected):
    assert parse_mode(text) == expected


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_size_range, ".."),
        (parse_size_range, "2..1"),
        (parse_size_range, "big"),
        (parse_mode, "u+s"),
        (parse_mode, "/0"),
        (parse_mode, "9999"),
        (parse_mode, "77777"),
        (parse_digest, "abc"),
        (parse_digest, "g" * 64),
        (parse_kinds, "f,q"),
        (parse_advisory, "a b"),
        (parse_advisory, ""),
        (lambda text: parse_package(text, ""), "openssl"),
        (lambda text: parse_package("", text), ">=1"),
    ],
)
def test_what_cannot_be_read_is_refused(parse, text):
    with pytest.raises(MalformedQuestion):
        parse(text)


def test_words():
    assert parse_digest("sha256:" + "AB" * 32) == "ab" * 32
    assert parse_kinds("f,symlink,f") == ("file", "symlink")
    assert parse_advisory("cve-2024-3094") == "CVE-2024-3094"
    assert parse_advisory("GHSA-jfh8-c2jp-5v3q") == "GHSA-jfh8-c2jp-5v3q"


def test_a_question_asks_something():
    with pytest.raises(EmptyQuestion):
        make_question(FileQuestion(), PackageQuestion())
    with pytest.raises(BadGlob):
        make_question(FileQuestion(names=(b"a/b",)), PackageQuestion())
    assert make_question(FileQuestion(mode=parse_mode("-4000")), PackageQuestion()).packages.is_empty


@pytest.mark.parametrize(
    ("kind", "text", "version", "holds"),
    [
        ("deb", ">=5.6.0,<5.6.2", "5.6.1+really5.4.5-1", True),
        ("deb", ">=5.6.0,<5.6.2", "5.6.2-1", False),
        ("deb", "<1:1.0", "2.0", True),
        ("rpm", ">1.0-1", "1.0-2.el9", True),
        ("pypi", "=1.0", "1.0.0", True),
        ("pypi", "1.0 || >=2,<3", "2.5", True),
        ("pypi", "1.0 || >=2,<3", "1.5", False),
        ("maven", ">=2.0,<=2.14.1", "2.14.1", True),
        ("maven", ">=2.0,<2.14.1", "2.14.1", False),
        ("npm", ">1.0.0", "1.0.0", False),
    ],
)
def test_ranges(kind, text, version, holds):
    assert parse_version_range(text, kind).holds(version) is holds


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("pypi", ">="),
        ("pypi", "~1"),
        ("pypi", "1 || "),
        ("pypi", ">=a b"),
        ("npm", "=x.y"),
        ("generic", ">1"),
        ("pypi", ">1" * 4000),
    ],
)
def test_ranges_that_cannot_be_read(kind, text):
    with pytest.raises(MalformedRange):
        parse_version_range(text, kind)
