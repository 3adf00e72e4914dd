import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.matching.fixing import choose_update, ends_flaw, scheme_of_packages
from rafsight.matching.versions import SCHEMES

NPM, PYPI, DPKG = SCHEMES["npm"], SCHEMES["PyPI"], SCHEMES["Debian"]


@pytest.mark.parametrize(
    ("version", "fixes", "ends"),
    [
        ("1.2.3", ("1.2.3",), True),
        ("1.2.2", ("1.2.3",), False),
        ("2.0.0", ("1.2.3",), True),
        ("4.1.2", ("3.4.9", "4.1.2"), True),
        ("4.1.1", ("3.4.9", "4.1.2"), False),
        ("3.4.9", ("3.4.9", "4.1.2"), True),
        ("3.4.8", ("3.4.9", "4.1.2"), False),
        ("5.0.0", ("3.4.9", "4.1.2"), True),
        ("no version", ("1.0.0",), False),
        ("1.0.0", ("no version",), False),
    ],
)
def test_a_flaw_is_ended_by_the_fix_of_the_own_branch(version, fixes, ends):
    assert ends_flaw(version, fixes, NPM) is ends


@pytest.mark.parametrize(
    ("installed", "flaws", "scheme", "update"),
    [
        ("2.19.1", [("2.20.0",), ("2.31.0",), ("2.32.4",)], PYPI, "2.32.4"),
        ("2.9", [("2.10",), ("2.9.1",)], PYPI, "2.10"),
        ("1:2.39.2-1.1", [("1:2.39.5-0+deb12u1",), ("1:2.39.5-0+deb12u2",)], DPKG, "1:2.39.5-0+deb12u2"),
        ("3.0.0", [("3.4.9", "4.1.2"), ("3.3.0",)], NPM, "3.4.9"),
        ("3.0.0", [("3.4.9", "4.1.2"), ("4.0.0",)], NPM, "4.1.2"),
        ("3.0.0", [], NPM, ""),
        ("3.0.0", [("2.0.0",)], NPM, ""),
        ("?", [("2.0.0",)], NPM, ""),
        ("1.0.0", [("?",), ("1.5.0",)], NPM, "1.5.0"),
    ],
    ids=[
        "highest",
        "numbers",
        "debian",
        "own-branch",
        "next-branch",
        "none",
        "older",
        "installed-unknown",
        "fix-unknown",
    ],
)
def test_the_lowest_version_that_ends_most(installed, flaws, scheme, update):
    assert choose_update(installed, flaws, scheme) == update


VERSIONS = st.tuples(*[st.integers(0, 4)] * 3).map(lambda numbers: ".".join(map(str, numbers)))


@given(installed=VERSIONS, flaws=st.lists(st.lists(VERSIONS, min_size=1, max_size=3).map(tuple), max_size=6))
def test_no_other_fix_ends_more(installed, flaws):
    update = choose_update(installed, flaws, NPM)
    above = [fix for fixes in flaws for fix in fixes if NPM.key(fix) > NPM.key(installed)]

    def ended(version):
        return sum(ends_flaw(version, fixes, NPM) for fixes in flaws)

    if not update:
        assert not any(ended(fix) for fix in above)
        return
    assert update in above
    assert ended(update) == max(map(ended, above))
    assert all(ended(fix) < ended(update) for fix in above if NPM.key(fix) < NPM.key(update))


def test_thousands_of_flaws_are_no_matter():
    flaws = [(f"6.1.{number}-1",) for number in range(1, 4000)]
    assert choose_update("6.1.0-1", flaws, DPKG) == "6.1.3999-1"


def test_kinds_whose_versions_are_known():
    assert scheme_of_packages("deb") is DPKG
    assert scheme_of_packages("npm") is NPM
    assert scheme_of_packages("golang") is SCHEMES["Go"]
    assert scheme_of_packages("generic") is None
