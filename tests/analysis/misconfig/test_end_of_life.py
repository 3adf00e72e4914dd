"""Until when releases are looked after."""

from datetime import date

import pytest

from rafsight.analysis.inventory import Distribution
from rafsight.analysis.misconfig.end_of_life import is_unlisted, life_span, table_date


def release(identity, version):
    return Distribution(id=identity, version=version, name="")


@pytest.mark.parametrize(
    ("identity", "version", "end"),
    [
        ("debian", "12.7", date(2028, 6, 30)),
        ("debian", "12", date(2028, 6, 30)),
        ("ubuntu", "22.04", date(2027, 4, 30)),
        ("alpine", "3.20.3", date(2026, 4, 1)),
        ("alpine", "3.2.1", date(2017, 5, 1)),
        ("almalinux", "9.4", date(2032, 5, 31)),
        ("sles", "15.5", date(2024, 12, 31)),
        ("sles", "15", date(2019, 12, 31)),
        ("amzn", "2023", date(2029, 6, 30)),
    ],
)
def test_ends(identity, version, end):
    found = life_span(release(identity, version))
    assert found is not None
    assert found.end == end


@pytest.mark.parametrize(
    ("identity", "version"), [("debian", ""), ("arch", ""), ("wolfi", "20230201"), ("debian", "1")]
)
def test_nothing_is_known(identity, version):
    assert life_span(release(identity, version)) is None


def test_a_release_that_the_table_lacks_is_told_from_a_distribution_without_releases():
    assert is_unlisted(release("debian", "99"))
    assert not is_unlisted(release("debian", ""))
    assert not is_unlisted(release("arch", "2026"))
    assert not is_unlisted(release("debian", "12"))


def test_the_table_says_its_day():
    assert table_date() >= date(2026, 1, 1)
