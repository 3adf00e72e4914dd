import json
import shutil
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.matching.versions.references import (
    apk_compare,
    by_tuple,
    composer_key,
    dpkg_key,
    maven_compare,
    rpm_key,
)
from tests.shared import SHARED, needs_shared

from rafsight.matching.versions import HIGHEST, LOWEST, SCHEMES, UncomparableVersion, scheme_for

ORACLES = SHARED / "data" / "version-compare"

numbers = st.one_of(st.integers(0, 12).map(str), st.sampled_from(["00", "01", "007", "10", "100", "9" * 30, "1" * 300]))
dotted = st.lists(numbers, min_size=1, max_size=5).map(".".join)


def joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map("".join)


def maybe(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(st.just(""), part)


debian_text = st.text("0129.+~abzZ", min_size=1, max_size=8).map(lambda text: "1" + text)
debian = joined(maybe(st.sampled_from(["0:", "1:", "12:"])), debian_text, maybe(debian_text.map("-".__add__)))
rpm = joined(
    maybe(st.sampled_from(["0:", "1:"])),
    st.text("019.~^_+abZ", min_size=1, max_size=8),
    maybe(st.text("019.~^el", min_size=1, max_size=6).map("-".__add__)),
)
suffix = joined(
    st.sampled_from(["_alpha", "_beta", "_pre", "_rc", "_cvs", "_svn", "_git", "_hg", "_p"]), maybe(numbers)
)
apk = joined(
    dotted, maybe(st.sampled_from("abz")), st.lists(suffix, max_size=2).map("".join), maybe(numbers.map("-r".__add__))
)
pypi = joined(
    maybe(st.sampled_from(["1!", "v"])),
    dotted,
    maybe(joined(st.sampled_from(["a", "b", "rc", ".alpha", "-c"]), numbers)),
    maybe(joined(st.sampled_from([".post", "-", ".rev"]), numbers)),
    maybe(numbers.map(".dev".__add__)),
    maybe(st.sampled_from(["+1", "+local", "+local.1", "+a.b.01", "+10"])),
)
gem = joined(
    dotted,
    st.lists(st.sampled_from([".0", ".a", ".b1", ".rc", ".pre", ".10", ".0.1"]), max_size=4).map("".join),
    maybe(st.sampled_from(["-1", "-a", "-0"])),
)
composer = joined(
    st.sampled_from(["", "v"]),
    st.lists(st.integers(0, 30).map(str), min_size=1, max_size=4).map(".".join),
    maybe(
        joined(
            st.sampled_from(["-alpha", "-beta", "beta", "-RC", "-p", ".pl", "-a"]),
            maybe(joined(st.integers(0, 9).map(str), maybe(st.just(".2")))),
        )
    ),
    maybe(st.just("-dev")),
)
numeric = joined(dotted, maybe(dotted.map("-".__add__)))
prerelease = st.lists(
    st.sampled_from(["0", "1", "11", "alpha", "beta", "x-y", "rc1", "Z"]), min_size=1, max_size=3
).map(lambda parts: "-" + ".".join(parts))
semver = joined(
    st.lists(st.integers(0, 200).map(str), min_size=3, max_size=3).map(".".join),
    maybe(prerelease),
    maybe(st.sampled_from(["+1", "+incompatible"])),
)
maven_words = [
    "-alpha-1",
    "-alpha1",
    "-b2",
    "-m3",
    "-rc",
    "-SNAPSHOT",
    "-sp",
    "-foo",
    "-jre",
    "a",
    "rc2",
    "-ga-1",
    ".Final",
    ".GA",
]
maven = st.one_of(
    joined(dotted, maybe(st.sampled_from(maven_words)), maybe(st.sampled_from(["-1", "-12", "-20200101", "-2.0.1"]))),
    joined(dotted, st.sampled_from([".x", ".RELEASE", ".rc1", ".Beta2", "-1-2", "-1-foo", "-1.0.1"])),
)
"""Maven's own comparison has cycles elsewhere (see maven.py), so no key can follow it there."""

STRATEGIES = {
    "Debian": debian,
    "AlmaLinux": rpm,
    "Alpine": apk,
    "PyPI": pypi,
    "RubyGems": gem,
    "Packagist": composer,
    "npm": semver,
    "Maven": maven,
    "CRAN": numeric,
    "Julia": semver,
}


def sign(base: str, one: str, other: str) -> int:
    scheme = scheme_for(base)
    assert scheme is not None
    left, right = scheme.key(one), scheme.key(other)
    return (left > right) - (left < right)


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("name", sorted(path.name for path in ORACLES.glob("*.json")))
def test_every_pair_of_the_oracles_is_ordered_as_its_own_tool_does(name: str) -> None:
    oracle = json.loads((ORACLES / name).read_text())
    wrong = [pair for pair in oracle["pairs"] if sign(oracle["ecosystem"], pair[0], pair[1]) != pair[2]]
    assert len(oracle["pairs"]) >= 150
    assert wrong == []


ORDERED = {
    "Debian": ["1.0~~", "1.0~rc1", "1.0", "1.0-0.1", "1.0-1", "1.0-1+b1", "1.0-1+deb12u1", "1.0-1.1", "1.0a", "1.0+dfsg", "1.2", "1.10", "1:0.1"],
    "AlmaLinux": ["1.0~rc1-1", "1.0-1.el9", "1.0-1.el9_2", "1.0-2.el9", "1.0^git1-1", "1.0a-1", "1.0.1-1", "1.9-1", "1.10-1", "1:0.1-1"],
    "Alpine": ["1.0_alpha1-r0", "1.0_rc1-r3", "1.0-r0", "1.0-r10", "1.0_git20200101-r0", "1.0_p1-r0", "1.0a-r0", "1.0.0-r0", "1.030-r0", "1.30-r0"],
    "PyPI": ["oldstyle", "1.0.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0+local", "1.0.post1", "1.0.1", "1.10", "1!0.1"],
    "npm": ["0.9.9", "1.0.0-0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.0.10"],
    "RubyGems": ["1.a", "1.0.pre.1", "1", "1.0.0.1", "1.0.1.rc1", "1.0.1", "1.10"],
    "Packagist": ["1.0-dev", "1.0-alpha1", "1.0-beta", "1.0-beta1-dev", "1.0-beta1", "1.0-RC2", "1.0", "1.0-p1", "1.0.1", "1.10"],
    "Maven": ["1-alpha1", "1-beta-2", "1-m3", "1-rc", "1-SNAPSHOT", "1", "1-sp", "1-foo", "1-1", "1.0.1", "1.1", "1.10"],
    "NuGet": ["1.0.0-Alpha", "1.0.0-beta", "1.0.0", "1.0.0.1", "1.0.1"],
    "CRAN": ["0.9", "1", "1.0", "1.0-0", "1.0-0.1", "1.0.2", "1.0-10", "1.1", "10.0"],
    "Hackage": ["0.2.4", "0.2.4.0", "0.2.10", "1.0"],
    "Julia": ["1.0.0-rc1", "1.0.0-rc1+1", "1.0.0", "1.0.0+0", "1.0.0+1", "1.0.0+10", "1.0.0+a", "1.0.1"],
    "Pub": ["1.0.0-dev", "1.0.0", "1.0.0+1", "1.0.0+1.1", "1.0.0+2", "1.0.1"],
    "ConanCenter": ["1.2.11", "1.2.13", "3.0.0-alpha", "3.0.0"],
    "opam": ["v0.9.0", "v0.16.0~preview", "v0.16.0"],
}  # fmt: skip
EQUAL = {
    "Debian": [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.02", "1.2")],
    "AlmaLinux": [("1.0-1", "0:1.0-1"), ("1.0-1", "1_0-1"), ("1.05-1", "1.5-1")],
    "Alpine": [("02.4", "2.4"), ("1.0-r0", "1.0"), ("1.0_rc", "1.0_rc0")],
    "PyPI": [("1.0", "1"), ("1.0RC1", "1.0-c1"), ("1.0-1", "1.0.post1")],
    "npm": [("1.0.0", "v1.0.0+build"), ("1", "1.0.0")],
    "Go": [("2.0.0+incompatible", "v2.0.0")],
    "RubyGems": [("1.0.0", "1"), ("1.0.a", "1.a"), ("1.0-1", "1.0.pre.1")],
    "Packagist": [("0.14.1", "v0.14.1.0"), ("1.0-b3", "1.0.0beta3"), ("1.0", "1.0-stable")],
    "Maven": [("1", "1.0.0"), ("1.0.Final", "1-ga"), ("1.x", "1-x"), ("1-cr2", "1-RC-2")],
    "NuGet": [("1.0.0-RC", "1.0-rc")],
    "CRAN": [("1.0-2", "1.0.2"), ("1.02", "1.2")],
    "Julia": [("v1.0.0+1", "1.0+01")],
}


@pytest.mark.parametrize("base", ORDERED)
def test_well_known_versions_come_in_their_order(base: str) -> None:
    versions = ORDERED[base]
    for index, one in enumerate(versions):
        for other in versions[index + 1 :]:
            assert (one, other, sign(base, one, other)) == (one, other, -1)


@pytest.mark.parametrize(("base", "pair"), [(base, pair) for base, pairs in EQUAL.items() for pair in pairs])
def test_spellings_of_one_version_are_equal(base: str, pair: tuple[str, str]) -> None:
    assert sign(base, *pair) == 0


REFUSED = {
    "Debian": ["", "1.0-", "-1", "a:1.0", "1 0", "1.0\n2", "é"],
    "AlmaLinux": ["", "x:1-1", "-1"],
    "Alpine": ["", "a", "1.0_foo1", "1..0", "1.0-1"],
    "PyPI": ["", "   ", "1" * 600],
    "npm": ["", "latest", "x.1.2", "1.2.3 4"],
    "RubyGems": ["", "a", "1..0", "1.0!"],
    "Packagist": ["", "dev-main", "1.x-dev", "1.0.0.0.1", "1.0-foo"],
    "Maven": ["", "1\x00"],
    "CRAN": ["", "1.", "a", "1.0_1", "1..0", "1.0-beta"],
    "Julia": ["", "+1", "a"],
}


@pytest.mark.parametrize(("base", "version"), [(base, item) for base, items in REFUSED.items() for item in items])
def test_what_is_no_version_is_refused(base: str, version: str) -> None:
    with pytest.raises(UncomparableVersion) as caught:
        SCHEMES[base].key(version)
    assert caught.value.advice


@pytest.mark.parametrize("base", STRATEGIES)
def test_keys_are_prefix_free_and_bounded(base: str) -> None:
    scheme = SCHEMES[base]

    @settings(deadline=None, max_examples=150)
    @given(one=STRATEGIES[base], other=STRATEGIES[base])
    def check(one: str, other: str) -> None:
        try:
            left, right = scheme.key(one), scheme.key(other)
        except UncomparableVersion:
            return
        assert LOWEST < left < HIGHEST
        assert left == right or not right.startswith(left)
        after = scheme.after(one)
        assert left < after < HIGHEST
        if not left <= right < after:
            assert (right < left) or (right >= after)

    check()


@given(text=st.text(max_size=40))
@settings(deadline=None, max_examples=400)
def test_any_text_has_a_key_or_is_refused(text: str) -> None:
    for scheme in set(SCHEMES.values()):
        try:
            key = scheme.key(text)
        except UncomparableVersion:
            continue
        assert LOWEST < key < HIGHEST


def agree(base: str, compare: Callable[[str, str], int], examples: int = 200) -> None:
    @settings(deadline=None, max_examples=examples)
    @given(one=STRATEGIES[base], other=STRATEGIES[base])
    def check(one: str, other: str) -> None:
        try:
            ours = sign(base, one, other)
        except UncomparableVersion:
            return
        assert ours == compare(one, other)

    check()


@pytest.mark.parametrize(
    ("base", "compare"),
    [
        ("Debian", by_tuple(dpkg_key)),
        ("AlmaLinux", by_tuple(rpm_key)),
        ("Alpine", apk_compare),
        ("Packagist", by_tuple(composer_key)),
        ("Maven", maven_compare),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_keys_order_as_the_written_rules(base: str, compare: Callable[[str, str], int]) -> None:
    agree(base, compare)


def test_pypi_keys_order_as_packaging() -> None:
    from packaging.version import Version

    agree("PyPI", by_tuple(Version))


def test_semver_keys_order_as_the_semver_library() -> None:
    from semver import Version

    agree("npm", lambda one, other: Version.parse(one.partition("+")[0]).compare(other.partition("+")[0]))


def test_gem_keys_order_as_univers() -> None:
    from univers.versions import RubygemsVersion

    agree("RubyGems", by_tuple(RubygemsVersion))


def test_rpm_keys_order_as_univers() -> None:
    from univers.versions import RpmVersion

    agree("AlmaLinux", by_tuple(RpmVersion))


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="needs dpkg as judge")
def test_dpkg_keys_order_as_dpkg() -> None:
    def dpkg(one: str, other: str) -> int:
        def holds(relation: str) -> bool:
            return (
                subprocess.run(
                    ["dpkg", "--compare-versions", one, relation, other], check=False, stderr=subprocess.DEVNULL
                ).returncode
                == 0
            )

        return 0 if holds("eq") else 1 if holds("gt") else -1

    agree("Debian", dpkg, examples=120)


def test_a_local_version_of_python_counts_as_its_public_one_only_where_it_must() -> None:
    scheme = SCHEMES["PyPI"]
    assert scheme.key("1.0") < scheme.key("1.0+cpu") < scheme.after("1.0") < scheme.key("1.0.post1")
    assert scheme.after("1.0+cpu") < scheme.key("1.0+cuda")


def test_an_unknown_ecosystem_has_no_scheme() -> None:
    assert scheme_for("Debian") is SCHEMES["Ubuntu"]
    assert scheme_for("GIT") is None
