"""Platforms: how they are written and which serves."""

import pytest

from rafsight.formats.oci.platform import MalformedPlatform, Platform, differs, match_rank, parse_platform


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", "linux/amd64"),
        ("arm64", "linux/arm64"),
        ("x86_64", "linux/amd64"),
        ("Linux/AARCH64", "linux/arm64"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/armv6l", "linux/arm/v6"),
        ("windows/amd64", "windows/amd64"),
        ("S390X", "linux/s390x"),
        ("linux/banana", "linux/banana"),
    ],
)
def test_parses(text, expected):
    assert str(parse_platform(text)) == expected
    assert parse_platform(expected) == parse_platform(text)


@pytest.mark.parametrize(
    "text", ["", "/", "linux/", "banana", "linux", "v8", "a/b/c/d", "linux/amd 64", "-x", "linux/" + "a" * 65]
)
def test_refuses(text):
    with pytest.raises(MalformedPlatform):
        parse_platform(text)


def platform(text):
    os, architecture, variant = [*text.split("/"), ""][:3]
    return Platform(os=os, architecture=architecture, variant=variant)


@pytest.mark.parametrize(
    ("wanted", "best_first", "never"),
    [
        ("linux/amd64", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v3"], ["linux/arm64", "windows/amd64"]),
        ("linux/amd64/v3", ["linux/amd64/v3", "linux/amd64/v2", "linux/amd64"], ["linux/amd64/v4"]),
        ("linux/arm64", ["linux/arm64", "linux/arm64/v9"], ["linux/arm", "linux/amd64"]),
        ("linux/arm/v7", ["linux/arm", "linux/arm/v6", "linux/arm/v5"], ["linux/arm/v8", "linux/arm64"]),
        ("linux/arm/v6", ["linux/arm/v6", "linux/arm/v5"], ["linux/arm/v7", "linux/arm"]),
        ("linux/mips", ["linux/mips", "linux/mips/softfloat"], ["linux/mips64le"]),
        ("linux/mips/softfloat", ["linux/mips/softfloat"], ["linux/mips", "linux/mips/hardfloat"]),
    ],
)
def test_ranks(wanted, best_first, never):
    asked = parse_platform(wanted)
    ranks = [match_rank(asked, platform(text)) for text in best_first]
    assert None not in ranks
    assert ranks[0] == 0
    assert ranks == sorted(ranks, key=lambda rank: rank or 0)
    assert len(set(ranks)) == len(ranks)
    assert [match_rank(asked, platform(text)) for text in never] == [None] * len(never)


def test_names_that_say_the_same_match():
    assert match_rank(parse_platform("arm64"), platform("linux/arm64/v8")) == 0
    assert match_rank(parse_platform("linux/arm64/v8"), platform("linux/aarch64")) == 0
    assert match_rank(parse_platform("amd64"), platform("linux/x86_64")) == 0


@pytest.mark.parametrize(
    ("wanted", "said", "expected"),
    [
        ("linux/arm64", ("linux", "amd64", ""), True),
        ("linux/arm64", ("windows", "arm64", ""), True),
        ("linux/arm64", ("linux", "arm64", ""), False),
        ("linux/arm64", ("linux", "aarch64", "v8"), False),
        ("linux/arm64", ("", "", ""), False),
        ("linux/arm64", ("", "amd64", ""), True),
        ("linux/arm64", ("linux", "", ""), False),
        ("linux/arm/v6", ("linux", "arm", ""), False),
        ("linux/arm/v6", ("linux", "arm", "v7"), True),
        ("linux/arm/v7", ("linux", "arm", "v6"), False),
        ("linux/amd64", ("linux", "amd64", "v3"), False),
    ],
)
def test_what_a_config_says_may_differ(wanted, said, expected):
    assert differs(parse_platform(wanted), *said) is expected
