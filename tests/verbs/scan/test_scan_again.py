"""The second scan: of the same image, of one that shares files with it, with other advisories, with a broken cache."""

import sqlite3
from contextlib import ExitStack
from dataclasses import replace

import pytest
from tests.matching.support import make_database, record
from tests.views.slim.images import program, write_image

import rafsight
from rafsight.access.counting import Cost
from rafsight.access.options import Options
from rafsight.access.results.files import find_file
from rafsight.analysis.inventory import GapReason
from rafsight.base.events import Noticed
from rafsight.testing.registry import PLANTED, Mischief, serve_layout

DPKG = b"Package: %s\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: amd64\nSource: %s\n\n"
PYTHON = b"Metadata-Version: 2.1\nName: %s\nVersion: %s\n\n"
SITE = "usr/lib/python3/dist-packages"


def dist(name, version):
    return {f"{SITE}/{name}-{version}.dist-info/METADATA": PYTHON % (name.encode(), version.encode())}


BASE = {
    "etc/os-release": b"ID=debian\nVERSION_ID=12\nPRETTY_NAME=Debian\n",
    "var/lib/dpkg/status": b"".join(DPKG % (b"pkg%d" % number, b"src%d" % number) for number in range(200)),
    "usr/bin/tool": program(b"#!/bin/sh\n" + b"x" * 300_000),
}
FIRST = (BASE, dist("alpha", "1.0"))
SECOND = (BASE, dist("alpha", "1.0"), dist("beta", "2.0"))


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """Yesterday's advisories and today's."""
    known = record("PYSEC-1", package="alpha")
    old, new = tmp_path_factory.mktemp("old"), tmp_path_factory.mktemp("new")
    return make_database(old, [known]), make_database(new, [known, record("PYSEC-2", package="alpha")])


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    """The images as plain ones and, converted, as Nydus images."""
    found = {}
    merged = {**BASE, "opt/other": b"y" * 50_000, **dist("alpha", "1.0")}
    for name, layers in {"first": FIRST, "second": SECOND, "merged": (merged,)}.items():
        plain, nydus = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("nydus")
        write_image(plain, *layers)
        rafsight.Conversions().convert(f"oci:{plain}", f"oci:{nydus}:latest")
        found[name], found[f"{name}-plain"] = nydus, plain
    return found


@pytest.fixture
def registry(layouts):
    with serve_layout({**layouts, "planted": PLANTED}, repository="first") as running:
        yield running


class Scanner:
    """Scans with one cache, and says what it cost."""

    def __init__(self, registry, cache, database, notes=None):
        self.registry, self.database = registry, database
        self.options = Options(cache_dir=cache, platform="linux/amd64")
        self.notes = [] if notes is None else notes

    def __call__(self, name, database=None, **terms):
        self.registry.forget()
        reference = name if name.startswith("oci:") else f"{self.registry.host}/{name}"
        return rafsight.scan_reference(
            reference, database=database or self.database, options=self.options, listener=self.hear, **terms
        )

    def hear(self, event):
        if isinstance(event, Noticed):
            self.notes.append(event.message)

    @property
    def paths(self):
        return [served.call.path for served in self.registry.log]


def said(report):
    """A report without what it cost."""
    return replace(report, cost=Cost(), seconds=0.0, started="")


def names(report):
    return sorted(component.name for component in report.inventory.components if not component.name.startswith("pkg"))


@pytest.fixture
def scan(registry, tmp_path, databases):
    return Scanner(registry, tmp_path / "cache", databases[0])


@pytest.mark.parametrize("name", ["planted:v6", "planted:v5", "first:latest"])
def test_an_unchanged_image_costs_its_manifest(scan, name):
    cold = scan(name)
    assert cold.cost.requests > 3
    assert cold.inventory.components
    again = scan(name)
    assert said(again) == said(cold)
    assert scan.paths == [f"/v2/{name.replace(':', '/manifests/')}"]
    assert again.cost.requests == 1
    assert again.cost.bytes_fetched == again.cost.bytes_needed == scan.registry.log[0].sent
    assert scan.notes == []


def test_licences_are_another_question(scan):
    assert any(one.licenses for one in scan("planted:v6", licenses=True).inventory.components if one.ecosystem == "deb")
    assert not any(one.licenses for one in scan("planted:v6").inventory.components if one.ecosystem == "deb")
    again = scan("planted:v6", licenses=True)
    assert any(one.licenses for one in again.inventory.components if one.ecosystem == "deb")
    assert again.cost.requests == 1


def test_a_scan_without_licences_will_do_where_the_database_says_them(scan, tmp_path):
    plain, nydus = tmp_path / "plain", tmp_path / "nydus"
    installed = b"P:busybox\nV:1.36.1-r2\nA:x86_64\nL:GPL-2.0-only\n\n"
    write_image(plain, {"etc/os-release": b"ID=alpine\nVERSION_ID=3.20.1\n", "lib/apk/db/installed": installed})
    rafsight.Conversions().convert(f"oci:{plain}", f"oci:{nydus}:latest")
    first = scan(f"oci:{nydus}")
    again = scan(f"oci:{nydus}", licenses=True)
    assert again.cost.requests < first.cost.requests
    assert said(again) == said(first)
    assert again.inventory.components[0].licenses == ("GPL-2.0-only",)


EVERYTHING = ("vuln", "secret", "misconfig")


@pytest.mark.parametrize("scanners", [EVERYTHING, ("secret",), ("misconfig", "secret")])
@pytest.mark.parametrize("name", ["planted:v6", "planted:v5"])
def test_secrets_and_misconfiguration_of_an_unchanged_image_cost_its_manifest(scan, name, scanners):
    cold = scan(name, scanners=scanners)
    assert cold.misconfigurations or "misconfig" not in scanners
    again = scan(name, scanners=scanners)
    assert said(again) == said(cold)
    assert again.cost.requests == 1


def test_other_rules_are_asked_again(scan, tmp_path):
    config = tmp_path / "rafsight.yaml"
    config.write_text("checks:\n  - {id: OUR-1, title: A, paths: '**/package.json'}\n")
    scan("planted:v6", scanners=EVERYTHING)
    changed = scan("planted:v6", scanners=EVERYTHING, config=config)
    assert "OUR-1" in {one.id for one in changed.misconfigurations}
    assert said(scan("planted:v6", scanners=EVERYTHING, config=config)) == said(changed)
    small = scan("planted:v6", scanners=EVERYTHING, secret_budget=1)
    assert small.gaps != changed.gaps


def test_an_image_named_by_its_digest_costs_nothing(scan):
    cold = scan("first:latest")
    assert scan(f"first@{cold.image.manifest_digest}").cost == Cost()
    assert scan.paths == []


def test_a_plain_image_costs_its_manifest_too(scan, layouts):
    cold = scan(f"oci:{layouts['first-plain']}")
    again = scan(f"oci:{layouts['first-plain']}")
    assert said(again) == said(cold)
    assert again.cost.requests < cold.cost.requests
    assert again.cost.bytes_fetched < 3000


def test_newer_advisories_are_asked_without_fetching(scan, databases, tmp_path):
    before = scan("first:latest")
    after = scan("first:latest", databases[1])
    assert scan.paths == ["/v2/first/manifests/latest"]
    assert [finding.id for finding in before.findings] == ["PYSEC-1"]
    assert [finding.id for finding in after.findings] == ["PYSEC-1", "PYSEC-2"]
    fresh = Scanner(scan.registry, tmp_path / "other", databases[1])("first:latest")
    assert said(after) == said(fresh)
    assert not rafsight.scan_reference(
        f"{scan.registry.host}/first:latest", database=None, options=scan.options
    ).findings


def test_a_remembered_image_has_the_name_that_it_was_asked_for_by(scan, layouts):
    cold = scan("first:latest")
    with serve_layout({"team/app": layouts["first"]}) as other:
        again = rafsight.scan_reference(f"{other.host}/team/app:latest", database=scan.database, options=scan.options)
        assert [served.call.path for served in other.log] == ["/v2/team/app/manifests/latest"]
    assert again.image.name == f"{other.host}/team/app:latest"
    assert again.image.repo_tags == (f"{other.host}/team/app:latest",)
    assert again.image.repo_digests == (f"{other.host}/team/app@{cold.image.manifest_digest}",)
    assert again.image.layers == cold.image.layers
    assert again.image.config == cold.image.config


def test_another_platform_than_the_wanted_one_is_said_again(scan):
    scan.options = replace(scan.options, platform="linux/arm64")
    scan("first:latest")
    first = list(scan.notes)
    assert first == ["the image is for linux/amd64, not for linux/arm64"]
    scan.notes.clear()
    scan("first:latest")
    assert scan.notes == first


def test_an_image_that_shares_layers_costs_its_new_files_only(scan, databases, tmp_path):
    first = scan("first:latest")
    shared = {layer.digest for layer in first.image.layers}
    second = scan("second:latest")
    new = [layer.digest for layer in second.image.layers if layer.digest not in shared]
    blobs = [path.rpartition("/")[2] for path in scan.paths if "/blobs/" in path]
    assert set(blobs) <= {*new, second.image.config_digest}, "nothing of the shared layers"
    assert names(second) == ["alpha", "beta"]
    fresh = Scanner(scan.registry, tmp_path / "other", databases[0])("second:latest")
    assert said(second) == said(fresh)
    assert second.cost.bytes_fetched < fresh.cost.bytes_fetched


def test_an_image_that_shares_files_costs_no_content(scan, databases, tmp_path):
    scan("first:latest")
    merged = scan("merged:latest")
    blobs = [path.rpartition("/")[2] for path in scan.paths if "/blobs/" in path]
    assert set(blobs) == {merged.image.config_digest, merged.image.bootstrap_digest}
    fresh = Scanner(scan.registry, tmp_path / "other", databases[0])("merged:latest")
    assert said(merged) == said(fresh)


def test_without_a_cache_nothing_is_remembered(scan, tmp_path):
    scan.options = replace(scan.options, cache_dir=None)
    cold = scan("first:latest")
    again = scan("first:latest")
    assert again.cost == cold.cost
    assert said(again) == said(cold)
    assert not (tmp_path / "cache").exists()


def spoil_results(cache):
    file = find_file(cache / "results")
    file.write_bytes(b"x" * file.stat().st_size)


def empty_values(cache):
    connection = sqlite3.connect(find_file(cache / "results"), isolation_level=None)
    connection.execute("UPDATE result SET value = x'00'")
    connection.close()


def no_folder(cache):
    for path in (cache / "results").iterdir():
        path.unlink()
    (cache / "results").rmdir()
    (cache / "results").write_bytes(b"")


DAMAGED = "the results of earlier scans"


@pytest.mark.parametrize(
    ("damage", "note"),
    [(spoil_results, DAMAGED), (empty_values, DAMAGED), (no_folder, "results of scans cannot be kept")],
)
def test_a_damaged_cache_costs_time_and_nothing_else(scan, tmp_path, damage, note):
    cold = scan("first:latest")
    damage(tmp_path / "cache")
    again = scan("first:latest")
    assert said(again) == said(cold)
    assert again.cost.requests > 1
    assert [said.partition(" in ")[0] for said in scan.notes] == [note]
    if note == DAMAGED:
        assert scan("first:latest").cost.requests == 1


def test_what_could_not_be_had_is_not_remembered(layouts, tmp_path, databases):
    broken = Mischief(only="/blobs/", after=2, status=404)
    with serve_layout(layouts, repository="first", mischief=[broken]) as registry:
        scan = Scanner(registry, tmp_path / "cache", databases[0])
        first = scan("first:latest")
        assert {gap.reason for gap in first.gaps} >= {GapReason.UNREADABLE}
        again = scan("first:latest")
        assert again.cost.requests > 1
    with serve_layout(layouts, repository="first") as registry:
        scan = Scanner(registry, tmp_path / "cache", databases[0])
        mended = scan("first:latest")
        assert not [gap for gap in mended.gaps if gap.reason is GapReason.UNREADABLE]
        assert names(mended) == ["alpha"]
        assert scan("first:latest").cost.requests == 1


def test_what_did_not_verify_is_not_remembered(layouts, tmp_path, databases):
    with serve_layout(layouts, repository="first", mischief=[Mischief(only="/blobs/", after=2, flip=True)]) as registry:
        spoilt = Scanner(registry, tmp_path / "cache", databases[0])("first:latest")
    assert {gap.reason for gap in spoilt.gaps} >= {GapReason.UNREADABLE}
    with serve_layout(layouts, repository="first") as registry:
        scan = Scanner(registry, tmp_path / "cache", databases[0])
        sound = scan("first:latest")
        scan.options = replace(scan.options, cache_dir=None)
        assert said(sound) == said(scan("first:latest"))


def test_a_missing_config_is_not_remembered(layouts, tmp_path, databases):
    with ExitStack() as stack:
        sound = stack.enter_context(serve_layout(layouts, repository="first"))
        config = rafsight.scan_reference(f"{sound.host}/first:latest", database=None).image.config_digest
        broken = stack.enter_context(
            serve_layout(layouts, repository="first", mischief=[Mischief(only=config, status=404)])
        )
        without = Scanner(broken, tmp_path / "cache", databases[0])("first:latest")
        assert "image config" in {gap.subject for gap in without.gaps}
        blind = Scanner(broken, tmp_path / "cache", databases[0])("first:latest", scanners=EVERYTHING)
        assert "RS-CFG-001" not in {one.id for one in blind.misconfigurations}
        whole = Scanner(sound, tmp_path / "cache", databases[0])("first:latest")
        assert "image config" not in {gap.subject for gap in whole.gaps}
        assert whole.image.config
        seeing = Scanner(sound, tmp_path / "cache", databases[0])("first:latest", scanners=EVERYTHING)
        assert "RS-CFG-001" in {one.id for one in seeing.misconfigurations}


def test_malformed_files_are_remembered_with_their_gaps(scan, tmp_path):
    plain, nydus = tmp_path / "plain", tmp_path / "nydus"
    write_image(plain, {**BASE, **dist("x", "1"), "lib/apk/db/installed": b"P:half\n\0\xff:::"})
    rafsight.Conversions().convert(f"oci:{plain}", f"oci:{nydus}:latest")
    cold = scan(f"oci:{nydus}")
    again = scan(f"oci:{nydus}")
    assert said(again) == said(cold)


def test_an_image_that_nobody_finds_packages_in(scan, tmp_path):
    write_image(tmp_path / "image", {"a": b"1"})
    cold, again = (scan(f"oci:{tmp_path / 'image'}") for _ in range(2))
    assert said(again) == said(cold)
    assert again.inventory.components == ()
    assert {gap.reason for gap in again.gaps} >= {GapReason.NO_PACKAGES}


def test_the_cache_is_the_users_own(scan, tmp_path):
    scan("first:latest")
    for path in (tmp_path / "cache" / "results", *(tmp_path / "cache" / "results").iterdir()):
        assert path.stat().st_mode & 0o077 == 0
