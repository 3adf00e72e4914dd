from dataclasses import replace

import pytest
from tests.matching.support import component, make_database, record

from rafsight.analysis.inventory import Distribution, Gap, GapReason, Inventory
from rafsight.analysis.purl import purl_of
from rafsight.hunt.packages import PackageAsker
from rafsight.hunt.question import PackageQuestion, parse_package
from rafsight.matching.schema import NoDatabase

DEBIAN = Distribution(id="debian", version="12", name="Debian 12")


def inventory(*components, distribution=DEBIAN, gaps=()):
    named = tuple(replace(one, purl=purl_of(one, distribution)) for one in components)
    return Inventory(distribution=distribution, components=named, gaps=gaps)


SMALL = inventory(
    component("deb", "liblzma5", "5.6.1-1", source_name="xz-utils", source_version="5.6.1-1"),
    component("deb", "bash", "5.2-1"),
    component("pypi", "demo", "1.5", locations=(b"usr/lib/demo/METADATA",)),
    component("npm", "@scope/demo", "1.0.0"),
    component("npm", "demo", "one"),
)


def names(question, found=SMALL, database=None):
    return [match.name for match in PackageAsker(question, database).ask(found).matches]


@pytest.mark.parametrize(
    ("purl", "versions", "expected"),
    [
        ("pkg:deb/xz-utils", "", ["liblzma5"]),  # by its source
        ("pkg:deb/liblzma5", ">=5.6.0,<5.6.2", ["liblzma5"]),
        ("pkg:deb/xz-utils", "<5.6", []),
        ("pkg:deb/debian/bash", "", ["bash"]),
        ("pkg:deb/ubuntu/bash", "", []),
        ("pkg:deb/lib*", "", ["liblzma5"]),
        ("pkg:pypi/demo", "", ["demo"]),
        ("pkg:pypi/Demo@1.5", "", ["demo"]),
        ("pkg:pypi/demo@1.6", "", []),
        ("pkg:npm/demo", "", ["demo"]),  # no namespace is none, where it is a part of the name
        ("pkg:npm/%40scope/demo", "", ["@scope/demo"]),
        ("pkg:deb/bash?distro=debian-12", "", ["bash"]),
        ("pkg:deb/bash?distro=debian-11", "", []),
    ],
)
def test_which_packages_are_meant(purl, versions, expected):
    assert names(parse_package(purl, versions)) == expected


def test_what_cannot_be_compared_is_not_looked_at():
    answer = PackageAsker(parse_package("pkg:npm/demo", ">=1"), None).ask(SMALL)
    assert not answer.matches
    assert [one.subject for one in answer.unseen] == ["demo@one"]


def test_gaps_of_the_inventory_are_said():
    gap = Gap(reason=GapReason.MALFORMED, subject="/x", detail="It is cut.")
    answer = PackageAsker(parse_package("pkg:deb/bash", ""), None).ask(replace(SMALL, gaps=(gap,)))
    assert [(one.subject, one.why) for one in answer.unseen] == [("/x", "It is cut.")]


def test_advisories(tmp_path):
    records = [
        record("GHSA-aaaa-bbbb-cccc", aliases=["CVE-2026-1"]),
        record("GHSA-dddd-eeee-ffff", aliases=["CVE-2026-2"], events=({"introduced": "0"}, {"fixed": "1.0"})),
        record("GHSA-0000-0000-0000", package="other"),
    ]
    database = make_database(tmp_path, records)
    pypi = inventory(component("pypi", "demo", "1.5"), component("pypi", "other", "1.0"))
    by_alias = PackageAsker(PackageQuestion(advisories=("CVE-2026-1",)), database).ask(pypi)
    assert [(match.name, match.advisories) for match in by_alias.matches] == [("demo", ("CVE-2026-1",))]
    assert names(PackageQuestion(advisories=("GHSA-aaaa-bbbb-cccc",)), pypi, database) == ["demo"]
    assert names(PackageQuestion(advisories=("CVE-2026-2",)), pypi, database) == []
    both = replace(parse_package("pkg:pypi/other", ""), advisories=("CVE-2026-1", "GHSA-0000-0000-0000"))
    assert names(both, pypi, database) == ["other"]


def test_a_component_is_looked_up_once_for_all_images(tmp_path):
    database = make_database(tmp_path, [record("GHSA-aaaa-bbbb-cccc")])
    asker = PackageAsker(PackageQuestion(advisories=("GHSA-aaaa-bbbb-cccc",)), database)
    pypi = inventory(component("pypi", "demo", "1.5"))
    assert asker.ask(pypi).matches
    database.unlink()
    assert asker.ask(pypi).matches  # remembered
    with pytest.raises(NoDatabase):
        asker.ask(inventory(component("pypi", "demo", "1.6")))
