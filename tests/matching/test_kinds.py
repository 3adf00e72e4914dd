"""Each kind of package meets the advisories of its ecosystem, by the names and versions that its files have."""

import pytest
from tests.matching.support import component, make_database, match_in, record

from rafsight.analysis.inventory import GapReason
from rafsight.matching.distributions import LANGUAGES
from rafsight.matching.ecosystems import package_version

CASES = [
    # kind, name and version as they are found, ecosystem, name and first fixed version of the record, the next version
    ("bitnami", "redis", "7.2.4-3", "Bitnami", "redis", "7.2.5", "7.2.5-0"),
    ("cargo", "time", "0.1.44", "crates.io", "time", "0.2.23", "0.2.23"),
    ("composer", "Symfony/Console", "v5.4.1", "Packagist", "symfony/console", "5.4.2", "v5.4.2"),
    ("conan", "zlib", "1.2.11", "ConanCenter", "zlib", "1.2.12", "1.2.12"),
    ("cran", "commonmark", "1.7", "CRAN", "commonmark", "1.8.0", "1.8.0"),
    ("gem", "rack", "2.2.3", "RubyGems", "rack", "2.2.3.1", "2.2.3.1"),
    ("golang", "golang.org/x/text", "v0.3.5", "Go", "golang.org/x/text", "0.3.7", "v0.3.7"),
    ("hackage", "aeson", "2.0.1.0", "Hackage", "aeson", "2.0.1.0.1", "2.0.2.0"),
    ("hex", "plug", "1.3.4", "Hex", "plug", "1.3.5", "1.3.5"),
    ("julia", "OpenSSL_jll", "1.1.20+0", "Julia", "OpenSSL_jll", "1.1.20+1", "1.1.20+1"),
    ("maven", "org.apache.commons:commons-text", "1.9", "Maven", "org.apache.commons:commons-text", "1.10.0", "1.10.0"),
    ("npm", "lodash", "4.17.20", "npm", "lodash", "4.17.21", "4.17.21"),
    ("nuget", "Newtonsoft.Json", "12.0.3", "NuGet", "newtonsoft.json", "13.0.1", "13.0.1"),
    ("nuget", "Microsoft.NETCore.App.Runtime.linux-x64", "8.0.3", "NuGet", "Microsoft.NETCore.App.Runtime.linux-x64", "8.0.4", "8.0.4"),
    ("opam", "tls", "v0.16.0", "opam", "tls", "v0.17.0", "v0.17.0"),
    ("pub", "http", "0.13.2", "Pub", "http", "0.13.3", "0.13.3"),
    ("pypi", "Flask", "0.12.2", "PyPI", "flask", "0.12.3", "0.12.3"),
    ("swift", "github.com/vapor/vapor", "4.40.0", "SwiftURL", "https://github.com/vapor/vapor.git", "4.40.1", "4.40.1"),
]  # fmt: skip


def test_no_ecosystem_is_left_out():
    assert {(case[0], case[3]) for case in CASES} == set(LANGUAGES.items())


@pytest.mark.parametrize(("kind", "name", "version", "base", "named", "fixed", "later"), CASES)
def test_a_record_is_found_and_ends_at_its_fix(tmp_path, kind, name, version, base, named, fixed, later):
    events = [{"introduced": "0"}, {"fixed": fixed}]
    database = make_database(tmp_path, [record("GHSA-1", base, named, events)])
    result = match_in(database, component(kind, name, version), component(kind, name, later))
    assert [(finding.component.version, finding.fixed_versions) for finding in result.findings] == [(version, (fixed,))]
    assert result.gaps == ()


@pytest.mark.parametrize("kind", ["conda", "luarocks", "nix", "otp", "pear", "wordpress-plugin", "generic", "cpan"])
def test_kinds_without_advisories_are_said(tmp_path, kind):
    database = make_database(tmp_path, [record("GHSA-1")])
    (gap,) = match_in(database, component(kind, "x", "1")).gaps
    assert (gap.reason, gap.subject) == (GapReason.NO_FEED, kind)


def test_only_bitnami_counts_revisions_of_its_own():
    assert [package_version("Bitnami", text) for text in ("7.2.4-3", "7.2.4", "1.0.0-rc-12")] == [
        "7.2.4",
        "7.2.4",
        "1.0.0-rc",
    ]
    assert package_version("npm", "7.2.4-3") == "7.2.4-3"
