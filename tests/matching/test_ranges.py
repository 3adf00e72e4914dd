from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.matching.ranges import (
    FIXED,
    INTRODUCED,
    LAST_AFFECTED,
    RangeEvent,
    intervals_of_events,
    intervals_of_versions,
)
from rafsight.matching.versions import HIGHEST, LOWEST, SCHEMES

SEMVER = SCHEMES["npm"]
KINDS = {"introduced": INTRODUCED, "fixed": FIXED, "last_affected": LAST_AFFECTED}


def intervals(*events, scheme=SEMVER):
    return intervals_of_events([RangeEvent(kind=KINDS[kind], version=version) for kind, version in events], scheme)


def affects(found, version, scheme=SEMVER):
    key = scheme.key(version)
    return any(interval.low <= key < interval.high for interval in found)


def test_from_the_beginning_to_a_fix():
    (interval,) = intervals(("introduced", "0"), ("fixed", "1.2.3"))
    assert (interval.low, interval.high, interval.fixed) == (LOWEST, SEMVER.key("1.2.3"), "1.2.3")
    assert affects([interval], "0.0.0-alpha")
    assert affects([interval], "1.2.3-rc.1")
    assert not affects([interval], "1.2.3")


def test_an_open_range_has_no_end():
    (interval,) = intervals(("introduced", "1.0.0"))
    assert (interval.high, interval.fixed) == (HIGHEST, "")
    assert not affects([interval], "0.9.0")
    assert affects([interval], "999.0.0")


def test_the_last_affected_version_is_affected_itself():
    found = intervals(("introduced", "1.0.0"), ("last_affected", "1.5.0"))
    assert affects(found, "1.5.0")
    assert not affects(found, "1.5.1-0")
    assert found[0].fixed == ""


def test_introduced_and_fixed_at_zero_means_never():
    assert intervals(("introduced", "0"), ("fixed", "0")) == []


def test_closed_and_opened_again_at_one_version_is_affected():
    found = intervals(("introduced", "0"), ("fixed", "2.0.0"), ("introduced", "2.0.0"), ("fixed", "3.0.0"))
    assert affects(found, "2.0.0")
    assert [interval.fixed for interval in found] == ["2.0.0", "3.0.0"]


def test_opened_and_closed_at_one_version_affects_nothing():
    assert intervals(("introduced", "2.0.0"), ("fixed", "2.0.0")) == []


def test_events_may_come_in_any_order_of_versions():
    found = intervals(("introduced", "2.0.0"), ("fixed", "2.0.6"), ("introduced", "0"), ("fixed", "1.26.17"))
    assert [interval.fixed for interval in found] == ["1.26.17", "2.0.6"]
    assert not affects(found, "1.26.18")
    assert affects(found, "2.0.5")


def test_an_end_without_beginning_says_nothing():
    assert intervals(("fixed", "1.0.0")) == []


def test_a_last_affected_python_version_takes_its_rebuilds_along():
    pypi = SCHEMES["PyPI"]
    found = intervals(("introduced", "0"), ("last_affected", "1.0"), scheme=pypi)
    assert affects(found, "1.0+cpu", pypi)
    assert not affects(found, "1.0.post1", pypi)
    fixed = intervals(("introduced", "0"), ("fixed", "1.0"), scheme=pypi)
    assert not affects(fixed, "1.0+cpu", pypi)


def test_listed_versions_that_a_range_covers_add_nothing():
    covered = intervals(("introduced", "1.0.0"), ("fixed", "2.0.0"))
    found, refused = intervals_of_versions(
        ["1.0.0", "1.5.0", "3.0.0", "latest"], covered, ["2.0.0", "3.1.0", "4.0.0"], SEMVER
    )
    assert refused == 1
    assert len(found) == 1
    assert affects(found, "3.0.0+build")
    assert not affects(found, "3.0.1-0")
    assert found[0].fixed == "3.1.0"


VERSIONS = [f"{major}.{minor}.0" for major in range(4) for minor in range(3)]
EVENTS = st.lists(st.tuples(st.sampled_from(["introduced", "fixed"]), st.sampled_from(["0", *VERSIONS])), max_size=6)


@given(events=EVENTS)
@settings(deadline=None, max_examples=300)
def test_intervals_say_what_walking_the_events_says(events):
    found = intervals(*events)

    def place(event):
        return LOWEST if event[1] == "0" else SEMVER.key(event[1])

    for version in VERSIONS:
        affected = False
        for kind, _ in [event for event in sorted(events, key=place) if place(event) <= SEMVER.key(version)]:
            affected = kind == "introduced"
        assert affects(found, version) == affected
