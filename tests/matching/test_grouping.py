import pytest

from rafsight.matching.advisory import Advisory, Facts, NamedFlaw
from rafsight.matching.grouping import Member, group
from rafsight.matching.store import Hit


def member(name, *, aliases=(), upstream=(), related=(), flaws=(), base="PyPI"):
    advisory = Advisory(id=name, aliases=tuple(aliases), upstream=tuple(upstream), related=tuple(related))
    facts = Facts(flaws=tuple(NamedFlaw(id=flaw) for flaw in flaws))
    return Member(hit=Hit(lookup=0, advisory=advisory, facts=facts, fixed=""), base=base, release="")


def grouped(*members):
    return [(flaw.id, flaw.aliases, tuple(item.hit.advisory.id for item in flaw.members)) for flaw in group(members)]


def test_aliases_join_through_others():
    assert grouped(
        member("PYSEC-1", aliases=["CVE-2020-0001"]),
        member("GHSA-a", aliases=["CVE-2020-0001"]),
        member("GHSA-b", aliases=["PYSEC-2"]),
        member("PYSEC-2"),
    ) == [
        ("CVE-2020-0001", ("GHSA-a", "PYSEC-1"), ("GHSA-a", "PYSEC-1")),
        ("GHSA-b", ("PYSEC-2",), ("GHSA-b", "PYSEC-2")),
    ]


def test_related_ids_never_join():
    assert [flaw[0] for flaw in grouped(member("GHSA-a", related=["GHSA-b"]), member("GHSA-b"))] == ["GHSA-a", "GHSA-b"]


def test_a_single_upstream_joins():
    assert grouped(member("DEBIAN-CVE-2020-0001", upstream=["CVE-2020-0001"])) == [
        ("CVE-2020-0001", ("DEBIAN-CVE-2020-0001",), ("DEBIAN-CVE-2020-0001",))
    ]


def test_an_erratum_is_spread_over_its_flaws_and_glues_nothing():
    assert grouped(
        member("DSA-1-1", upstream=["CVE-2020-0001", "CVE-2020-0002"]),
        member("DEBIAN-CVE-2020-0001", upstream=["CVE-2020-0001"]),
    ) == [
        ("CVE-2020-0001", ("DEBIAN-CVE-2020-0001",), ("DEBIAN-CVE-2020-0001", "DSA-1-1")),
        ("CVE-2020-0002", (), ("DSA-1-1",)),
    ]


def test_an_erratum_that_names_its_flaws_as_aliases_or_related_is_spread_too():
    assert [flaw[0] for flaw in grouped(member("DLA-1-1", aliases=["CVE-2020-0001", "CVE-2020-0002"]))] == [
        "CVE-2020-0001",
        "CVE-2020-0002",
    ]
    assert [flaw[0] for flaw in grouped(member("ALSA-2020:1", related=["CVE-2020-0003", "CVE-2020-0004", "x"]))] == [
        "CVE-2020-0003",
        "CVE-2020-0004",
    ]


def test_an_erratum_without_flaws_stands_for_itself_unless_it_only_mends():
    assert grouped(member("DSA-1-1")) == [("DSA-1-1", (), ("DSA-1-1",))]
    assert grouped(member("ALBA-2020:1")) == []
    assert [flaw[0] for flaw in grouped(member("ALBA-2020:1", related=["CVE-2020-0001"]))] == ["CVE-2020-0001"]


def test_an_erratum_that_says_which_of_its_flaws_are_in_the_package_is_believed():
    assert [
        flaw[0]
        for flaw in grouped(member("USN-1-1", upstream=["CVE-2020-0001", "CVE-2020-0002"], flaws=["CVE-2020-0002"]))
    ] == ["CVE-2020-0002"]


def test_a_record_with_several_upstream_flaws_is_spread_like_an_erratum():
    assert [flaw[0] for flaw in grouped(member("CGA-x", upstream=["CVE-2020-0001", "CVE-2020-0002"]))] == [
        "CVE-2020-0001",
        "CVE-2020-0002",
    ]


@pytest.mark.parametrize(
    ("names", "best"),
    [
        (["GHSA-z", "CVE-2021-0002", "CVE-2020-0010"], "CVE-2020-0010"),
        (["CVE-2020-10000", "CVE-2020-9999"], "CVE-2020-9999"),
        (["PYSEC-1", "GHSA-z"], "GHSA-z"),
        (["RUSTSEC-1", "CVE-x"], "CVE-x"),
        (["OSV-2", "NSWG-ECO-1"], "NSWG-ECO-1"),
    ],
)
def test_the_best_known_id_is_shown(names, best):
    (flaw,) = group([member(names[0], aliases=names[1:])])
    assert flaw.id == best
    assert flaw.aliases == tuple(sorted(set(names) - {best}))


def test_two_hits_of_one_record_are_one_flaw():
    one, other = member("GHSA-a"), member("GHSA-a")
    (flaw,) = group([one, other])
    assert len(flaw.members) == 2


def test_an_alias_ring_of_any_length_is_one_flaw():
    ring = [member(f"X-{number}", aliases=[f"X-{(number + 1) % 3000}"]) for number in range(3000)]
    (flaw,) = group(ring)
    assert len(flaw.members) == 3000
