import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.matching.support import record

from rafsight.matching.advisory import Vector
from rafsight.matching.feeds.osv import DETAILS_LENGTH, MalformedRecord, RecordParser
from rafsight.matching.versions import SCHEMES

PARSER = RecordParser(now=datetime(2026, 11, 23, tzinfo=UTC))


def parse(item):
    return PARSER.parse(json.dumps(item).encode(), "it.json")


def fixes(parsed):
    return [
        (base, entry.release, entry.name, [part.fixed for part in entry.intervals]) for base, entry in parsed.affected
    ]


def test_reads_what_matching_needs():
    parsed = parse(
        record(
            "GHSA-aaaa-bbbb-cccc",
            package="My_Package.Name",
            aliases=["CVE-2020-1", "CVE-2020-1", ""],
            upstream=["CVE-2020-2"],
            related=["GHSA-x"],
            summary="short",
            details="long",
            published="2020-01-01T00:00:00Z",
            severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}],
            references=[{"type": "WEB", "url": "https://a"}, {"type": "FIX", "url": "https://a"}],
            database_specific={"severity": "MODERATE", "cwe_ids": ["CWE-79"]},
        )
    )
    advisory = parsed.advisory
    assert (advisory.id, advisory.aliases, advisory.upstream) == (
        "GHSA-aaaa-bbbb-cccc",
        ("CVE-2020-1",),
        ("CVE-2020-2",),
    )
    assert (advisory.summary, advisory.details, advisory.word) == ("short", "long", "MODERATE")
    assert advisory.cwe_ids == ("CWE-79",)
    assert advisory.references == ("https://a",)
    assert advisory.vectors == (Vector(type="CVSS_V3", score="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"),)
    assert fixes(parsed) == [("PyPI", "", "my-package-name", ["2.0"])]


@pytest.mark.parametrize(
    ("ecosystem", "base", "release"),
    [
        ("Debian:12", "Debian", "12"),
        ("Ubuntu:22.04:LTS", "Ubuntu", "22.04"),
        ("Ubuntu:Pro:18.04:LTS", "Ubuntu", "Pro:18.04"),
        ("Ubuntu:23.10", "Ubuntu", "23.10"),
        ("Alpine:v3.20", "Alpine", "v3.20"),
        ("Red Hat:enterprise_linux:9::baseos", "Red Hat", "enterprise_linux:9::baseos"),
        ("Packagist:https://packages.drupal.org/8", "Packagist", ""),
        ("npm", "npm", ""),
    ],
)
def test_an_ecosystem_ends_at_its_first_colon(ecosystem, base, release):
    parsed = parse(record("X-1", ecosystem))
    assert [(owner, entry.release) for owner, entry in parsed.affected] == [(base, release)]


@pytest.mark.parametrize(
    ("ecosystem", "name", "kept"),
    [
        ("PyPI", "Foo.bar__baz", "foo-bar-baz"),
        ("npm", "@Scope/Name", "@Scope/Name"),
        ("Packagist", "Drupal/Core", "drupal/core"),
        ("NuGet", "Newtonsoft.Json", "newtonsoft.json"),
        ("Maven", "Org.x:Y", "Org.x:Y"),
        ("crates.io", "a_b", "a_b"),
        ("SwiftURL", "https://GitHub.com/Vapor/vapor.git", "github.com/Vapor/vapor"),
    ],
)
def test_names_take_the_form_of_their_ecosystem(ecosystem, name, kept):
    assert parse(record("X-1", ecosystem, package=name)).affected[0][1].name == kept


def test_entries_are_filed_by_their_own_ecosystem_and_ranges_evaluated_one_by_one():
    item = record("GHSA-1")
    item["affected"] = [
        {"ranges": [{"type": "GIT", "repo": "r", "events": [{"introduced": "0"}, {"fixed": "abc"}]}]},
        {
            "package": {"ecosystem": "npm", "name": "a"},
            "ranges": [
                {"type": "GIT", "events": [{"introduced": "0"}]},
                {"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.0.0"}]},
                {"type": "SEMVER", "events": [{"introduced": "2.0.0"}, {"fixed": "2.1.0"}]},
            ],
        },
        {
            "package": {"ecosystem": "Maven", "name": "g:a"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
        },
        {
            "package": {"ecosystem": "GitHub Actions", "name": "x/y"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
        },
        {"package": {"ecosystem": "PyPI", "name": "nothing-said"}},
    ]
    assert fixes(parse(item)) == [("npm", "", "a", ["1.0.0", "2.1.0"]), ("Maven", "", "g:a", [""])]


def test_a_withdrawn_record_affects_nothing_from_then_on():
    past = parse(record("X-1", withdrawn="2026-01-01T00:00:00Z"))
    assert (past.affected, past.withdrawn_from) == ((), ("PyPI",))
    assert parse(record("X-1", withdrawn="2099-01-01T00:00:00Z")).affected
    assert parse(record("X-1", withdrawn="yesterday")).withdrawn_from == ("PyPI",)


def test_listed_versions_count_where_no_range_does():
    parsed = parse(record("X-1", events=[], entry={"versions": ["1.0", "1.0.0", "2004d"]}))
    keys = [(part.low, part.high) for part in parsed.affected[0][1].intervals]
    pypi = SCHEMES["PyPI"]
    assert keys == [(pypi.key("1"), pypi.after("1")), (pypi.key("2004d"), pypi.after("2004d"))]


def test_a_bound_that_cannot_be_compared_spoils_its_range_only_and_is_counted():
    item = record("X-1", "Alpine:v3.20", events=[{"introduced": "0"}, {"fixed": "4.8.0.-r1"}])
    item["affected"][0]["ranges"].append({"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0-r0"}]})
    parsed = parse(item)
    assert parsed.unread_ranges == 1
    assert fixes(parsed) == [("Alpine", "v3.20", "demo", ["1.0-r0"])]


@pytest.mark.parametrize(("hint", "last"), [("<= 1.5", True), ("< 1.5", False)])
def test_githubs_note_ends_an_open_range_and_no_other(hint, last):
    entry = {"database_specific": {"last_known_affected_version_range": hint}}
    (part,) = parse(record("X-1", events=[{"introduced": "0"}], entry=entry)).affected[0][1].intervals
    pypi = SCHEMES["PyPI"]
    assert part.high == (pypi.after("1.5") if last else pypi.key("1.5"))
    (closed,) = parse(record("X-1", entry=entry)).affected[0][1].intervals
    assert closed.high == pypi.key("2.0")


def test_what_is_said_about_one_package_stays_with_it():
    debian = parse(record("X-1", "Debian:12", entry={"ecosystem_specific": {"urgency": "unimportant"}}))
    assert debian.affected[0][1].facts.urgency == "unimportant"
    suse = parse(record("X-1", "SUSE:x", entry={"ecosystem_specific": {"binaries": [{"b": "1", "a": "1"}]}}))
    assert suse.affected[0][1].facts.binaries == ("a", "b")
    flaws = {
        "cves_map": {
            "ecosystem": "Ubuntu:22.04:LTS",
            "cves": [{"id": "CVE-2020-1", "severity": [{"type": "Ubuntu", "score": "low"}]}],
        }
    }
    ubuntu = parse(record("USN-1-1", "Ubuntu:22.04:LTS", entry={"database_specific": flaws}))
    assert [(flaw.id, flaw.vectors) for flaw in ubuntu.affected[0][1].facts.flaws] == [
        ("CVE-2020-1", (Vector(type="Ubuntu", score="low"),))
    ]


@pytest.mark.parametrize("extra", [{"severity": 7}, {"severity": None}, [], "text", None, {"cwe_ids": "CWE-1"}])
def test_free_parts_of_another_shape_say_nothing(extra):
    parsed = parse(
        record("X-1", database_specific=extra, entry={"ecosystem_specific": extra, "database_specific": extra})
    )
    assert (parsed.advisory.word, parsed.advisory.cwe_ids) == ("", ())
    assert fixes(parsed) == [("PyPI", "", "demo", ["2.0"])]


def test_a_long_description_is_cut():
    assert len(parse(record("X-1", details="x" * 100_000)).advisory.details) == DETAILS_LENGTH


BAD = [
    b"",
    b"[]",
    b"null",
    b"{}",
    b'{"id": "X"}',
    b'{"id": 1, "modified": "x"}',
    b'{"id": "", "modified": "x"}',
    b'{"id": "' + b"x" * 300 + b'", "modified": "x"}',
    b'{"id": "X", "modified": "x", "affected": {}}',
    b'{"id": "X", "modified": "x", "affected": [{"package": {"name": "a"}}]}',
    b'{"id": "X", "modified": "x", "affected": [{"ranges": [{"events": []}]}]}',
    b'{"id": "X", "modified": "x", "aliases": [1]}',
    b'{"id": "X\xff", "modified": "x"}',
    b'{"id": "\\ud800", "modified": "x"}',
    b'{"id": "X", "modified": "x", "affected": ' + b"[" * 100_000,
    b'{"id": "X", "modified": "x", "other": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
]


@pytest.mark.parametrize("content", BAD, ids=range(len(BAD)))
def test_what_is_no_record_is_malformed(content):
    with pytest.raises(MalformedRecord, match=r"it\.json"):
        PARSER.parse(content, "it.json")


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
FIELDS = [
    "id",
    "modified",
    "withdrawn",
    "aliases",
    "affected",
    "severity",
    "references",
    "database_specific",
    "summary",
]


@given(
    field=st.sampled_from(FIELDS),
    value=json_values,
    inner=st.sampled_from(["", "package", "ranges", "versions", "severity"]),
)
@settings(deadline=None, max_examples=300)
def test_damage_is_always_a_malformed_record_or_a_record(field, value, inner):
    item = record("X-1")
    if inner:
        item["affected"][0][inner] = value
    else:
        item[field] = value
    with suppress(MalformedRecord):
        parse(item)
