import gzip
import json
from pathlib import Path

import pytest
from tests.access.file_server import running
from tests.matching.support import NOW, component, distribution, match_in, record, write_dump, write_records
from tests.shared import SHARED, needs_shared

from rafsight.access.download import DownloadMissing
from rafsight.access.retry import Retrier, RetryPolicy
from rafsight.base.events import Advanced, Finished, Noticed, Started
from rafsight.matching.feeds.archive import DamagedArchive
from rafsight.matching.feeds.epss import MalformedScores
from rafsight.matching.feeds.kev import MalformedCatalogue
from rafsight.matching.importer import NothingToImport
from rafsight.matching.schema import NoDatabase
from rafsight.matching.store import open_database
from rafsight.verbs.advisories import (
    DEFAULT_ECOSYSTEMS,
    Advisories,
    UpdateState,
)

SCORES = b"#model_version:v1,score_date:2026-11-22T00:00:00Z\ncve,epss,percentile\nCVE-2020-0001,0.75,0.99\nx,1,1\n"
FIXED_AFTER = {"NSWG-ECO-23": ("0.3.3", "0.3.4"), "NSWG-ECO-24": ("0.3.2", "0.3.3")}
KEV = {"catalogVersion": "1", "dateReleased": "2026-01-27T00:00:00Z", "vulnerabilities": [{"cveID": "CVE-2020-0001"}]}
RETRIER = Retrier(policy=RetryPolicy(attempts=2), sleep=lambda seconds: None)
DEMO = Path(__file__).resolve().parents[2] / "src" / "rafsight" / "testing" / "data" / "advisories"


def sources(status):
    return [(source.kind, source.name, source.record_count) for source in status.sources]


class TestImport:
    def test_takes_zips_folders_single_records_and_the_catalogue(self, tmp_path):
        tree = tmp_path / "tree"
        write_dump(tree / "npm" / "all.zip", [record("N-1", "npm")])
        write_dump(tree / "Rocky Linux" / "all.zip", [record("RLSA-1", "Rocky Linux:9")])
        write_records(tree / "own", [record("OWN-1"), record("OWN-2")])
        (tree / "kev.json").write_text(json.dumps(KEV))
        (tree / "README.txt").write_text("not looked at")
        lone = write_records(tmp_path / "lone", [record("LONE-1")]) / "0000.json"
        result = Advisories(tmp_path / "a.db", now=NOW).take([tree, lone])
        assert sources(result.status) == [
            ("dump", "Rocky Linux", 1),
            ("dump", "npm", 1),
            ("kev", "cisa", 1),
            ("records", str(lone), 1),
            ("records", str(tree), 2),
        ]
        assert result.status == Advisories(tmp_path / "a.db").status()
        assert result.status.exploited_count == 1

    def test_a_zip_is_named_by_its_folder_or_itself(self, tmp_path):
        by_name = write_dump(tmp_path / "PyPI.zip", [record("P-1")])
        unnamed = write_dump(tmp_path / "mine.zip", [record("P-2")])
        result = Advisories(tmp_path / "a.db", now=NOW).take([by_name, unnamed])
        assert [item[:2] for item in sources(result.status)] == [("dump", "PyPI"), ("records", str(unnamed))]

    def test_the_catalogue_marks_findings_and_outlives_other_imports(self, tmp_path):
        database = tmp_path / "a.db"
        catalogue = tmp_path / "anything.json"
        catalogue.write_text(json.dumps(KEV))
        Advisories(database, now=NOW).take([catalogue])
        Advisories(database, now=NOW).take(
            [write_records(tmp_path / "r", [record("GHSA-1", aliases=["CVE-2020-0001"])])]
        )
        (finding,) = match_in(database, component("pypi", "demo", "1.0")).findings
        assert finding.known_exploited

    def test_scores_stand_with_findings_and_outlive_other_imports(self, tmp_path):
        database = tmp_path / "a.db"
        scores = tmp_path / "folder" / "epss_scores-current.csv.gz"
        scores.parent.mkdir()
        scores.write_bytes(gzip.compress(SCORES))
        result = Advisories(database, now=NOW).take([scores.parent])
        assert sources(result.status) == [("epss", "first", 1)]
        assert (result.status.sources[0].malformed_count, result.status.likelihood_count) == (1, 1)
        assert result.status.sources[0].newest == "2026-11-22T00:00:00Z"
        assert result.status.newest_record == ""
        found = [record("GHSA-1", aliases=["CVE-2020-0001"]), record("GHSA-2", aliases=["CVE-2020-0002"])]
        Advisories(database, now=NOW).take([write_records(tmp_path / "r", found)])
        findings = match_in(database, component("pypi", "demo", "1.0")).findings
        assert [(one.id, one.epss, one.epss_percentile) for one in findings] == [
            ("CVE-2020-0001", 0.75, 0.99),
            ("CVE-2020-0002", None, None),
        ]

    def test_scores_that_are_cut_off_leave_the_database_as_it_was(self, tmp_path):
        database = tmp_path / "a.db"
        whole, part = tmp_path / "whole.csv", tmp_path / "part.csv.gz"
        whole.write_bytes(SCORES)
        part.write_bytes(gzip.compress(SCORES * 20)[:-20])
        Advisories(database, now=NOW).take([whole])
        with pytest.raises(MalformedScores):
            Advisories(database, now=NOW).take([part])
        assert Advisories(database).status().likelihood_count == 1

    def test_malformed_records_are_counted_and_said_and_end_nothing(self, tmp_path):
        place = write_records(
            tmp_path / "r", [record("P-1"), {"id": 1, "modified": ""}, record("P-2"), {"id": "x", "affected": []}]
        )
        events = []
        result = Advisories(tmp_path / "a.db", listener=events.append, now=NOW).take([place])
        (imported,) = result.imported
        assert (imported.source.record_count, imported.source.malformed_count) == (2, 2)
        assert [problem.partition(" ")[0] for problem in imported.problems] == ["0001.json", "0003.json"]
        (notice,) = [event for event in events if isinstance(event, Noticed)]
        assert notice.message.startswith("2 records")

    def test_one_malformed_record_is_said_as_one(self, tmp_path):
        place = write_records(tmp_path / "r", [record("P-1"), {"id": 1, "modified": ""}])
        events = []
        Advisories(tmp_path / "a.db", listener=events.append, now=NOW).take([place])
        (notice,) = [event for event in events if isinstance(event, Noticed)]
        assert notice.message.startswith(f"1 record of {place} was left out: 0001.json is no OSV record: ")

    def test_json_that_is_no_record_is_skipped_and_leaves_no_source(self, tmp_path):
        tree = tmp_path / "tree"
        write_dump(tree / "npm" / "all.zip", [record("N-1", "npm")])
        (tree / "counts.json").write_text('{"by_ecosystem": {"npm": 1}}')
        events = []
        result = Advisories(tmp_path / "a.db", listener=events.append, now=NOW).take([tree])
        assert sources(result.status) == [("dump", "npm", 1)]
        assert [item.source.name for item in result.imported] == ["npm"]
        (notice,) = [event for event in events if isinstance(event, Noticed)]
        assert notice.message == f"1 file in {tree} is no advisory and was skipped: counts.json"

    def test_json_that_is_no_record_is_malformed_in_a_dump(self, tmp_path):
        dump = write_dump(tmp_path / "npm" / "all.zip", [record("N-1", "npm"), {"id": "N-2"}])
        (source,) = Advisories(tmp_path / "a.db", now=NOW).take([dump]).status.sources
        assert (source.record_count, source.malformed_count) == (1, 1)

    def test_long_imports_tell_how_far_they_are(self, tmp_path):
        events = []
        dump = write_dump(tmp_path / "PyPI" / "all.zip", [record(f"P-{number}") for number in range(2500)])
        Advisories(tmp_path / "a.db", listener=events.append, now=NOW).take([dump])
        assert [type(event) for event in events] == [Started, Advanced, Advanced, Finished]

    @pytest.mark.parametrize("kind", ["missing", "empty", "foreign", "only malformed"])
    def test_a_path_without_advisories_is_refused(self, tmp_path, kind):
        database = tmp_path / "db" / "a.db"
        path = tmp_path / "place"
        if kind != "missing":
            path.mkdir()
        if kind == "foreign":
            (path / "photo.zip").write_bytes(b"not a zip")
            (path / "list.json").write_text("[1, 2]")
        if kind == "only malformed":
            write_records(path, [{"id": 1}])
        with pytest.raises(NothingToImport):
            Advisories(database, now=NOW).take([path])
        assert not database.exists()

    def test_a_damaged_zip_leaves_the_database_as_it_was(self, tmp_path):
        database = tmp_path / "a.db"
        dump = write_dump(tmp_path / "PyPI" / "all.zip", [record(f"P-{number}") for number in range(50)])
        Advisories(database, now=NOW).take([dump])
        before = database.read_bytes()
        content = bytearray(dump.read_bytes())
        content[len(content) // 3] ^= 0xFF
        dump.write_bytes(content)
        other = write_dump(tmp_path / "npm" / "all.zip", [record("N-1", "npm")])
        with pytest.raises(DamagedArchive, match=r"all\.zip"):
            Advisories(database, now=NOW).take([other, dump])
        assert database.read_bytes() == before

    def test_a_damaged_catalogue_leaves_the_database_as_it_was(self, tmp_path):
        path = tmp_path / "kev.json"
        path.write_text('{"catalogVersion": "1", "vulnerabilities": 7}')
        with pytest.raises(MalformedCatalogue):
            Advisories(tmp_path / "db" / "a.db", now=NOW).take([path])
        assert not (tmp_path / "db" / "a.db").exists()

    def test_stopping_leaves_nothing(self, tmp_path):
        place = tmp_path / "db"
        dump = write_dump(tmp_path / "PyPI" / "all.zip", [record(f"P-{number}") for number in range(1500)])

        def stop(event):
            if isinstance(event, Advanced):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Advisories(place / "a.db", listener=stop, now=NOW).take([dump])
        assert list(place.iterdir()) == []


class TestUpdate:
    @pytest.fixture
    def server(self):
        with running() as files:
            yield files

    @pytest.fixture
    def update(self, server, tmp_path):
        def call(*ecosystems, kev=False, epss=False, listener=lambda event: None):
            return Advisories(tmp_path / "a.db", listener=listener, now=NOW).update(
                cache_directory=tmp_path / "cache",
                ecosystems=ecosystems,
                base_url=server.url,
                kev_url=f"{server.url}/kev.json" if kev else "",
                epss_url=f"{server.url}/epss.csv.gz" if epss else "",
                retrier=RETRIER,
                timeout=10,
            )

        return call

    @pytest.fixture
    def publish(self, server, tmp_path):
        def call(ecosystem, *records, **how):
            path = "/" + ecosystem.replace(" ", "%20") + "/all.zip"
            return server.serve(path, write_dump(tmp_path / "made.zip", records).read_bytes(), **how)

        return call

    def outcomes(self, result):
        return [(outcome.name, outcome.state) for outcome in result.outcomes]

    def test_fetches_everything_then_only_what_has_changed(self, server, update, publish, tmp_path):
        publish("PyPI", record("P-1"))
        publish("Rocky Linux", record("RLSA-1", "Rocky Linux:9"))
        server.serve("/kev.json", json.dumps(KEV).encode())
        first = update("PyPI", "Rocky Linux", kev=True)
        assert self.outcomes(first) == [(name, UpdateState.UPDATED) for name in ("PyPI", "Rocky Linux", "cisa")]
        assert sources(first.status) == [("dump", "PyPI", 1), ("dump", "Rocky Linux", 1), ("kev", "cisa", 1)]
        assert [item.source.name for item in first.imported] == ["PyPI", "Rocky Linux", "cisa"]
        before = (tmp_path / "a.db").stat()
        again = update("PyPI", "Rocky Linux", kev=True)
        assert self.outcomes(again) == [(name, UpdateState.UNCHANGED) for name in ("PyPI", "Rocky Linux", "cisa")]
        assert server.statuses()[3:] == [304, 304, 304]
        assert (tmp_path / "a.db").stat().st_ino == before.st_ino
        publish("PyPI", record("P-2"))
        third = update("PyPI", "Rocky Linux", kev=True)
        assert [state for _, state in self.outcomes(third)] == [
            UpdateState.UPDATED,
            UpdateState.UNCHANGED,
            UpdateState.UNCHANGED,
        ]
        with open_database(tmp_path / "a.db") as database:
            assert database.advisory("PyPI", "P-1") is None
            assert database.advisory("PyPI", "P-2") is not None
            assert database.advisory("Rocky Linux", "RLSA-1") is not None
            assert database.known_exploited() == {"CVE-2020-0001"}
        assert list((tmp_path / "cache").iterdir()) == []

    def test_a_missing_ecosystem_is_said_and_the_others_are_kept(self, update, publish):
        publish("PyPI", record("P-1"))
        result = update("PyPI", "npm")
        assert self.outcomes(result) == [("PyPI", UpdateState.UPDATED), ("npm", UpdateState.MISSING)]
        assert "404" in result.outcomes[1].detail
        assert sources(result.status) == [("dump", "PyPI", 1)]

    def test_nothing_reachable_is_an_error(self, update, tmp_path):
        with pytest.raises(DownloadMissing):
            update("PyPI", "npm")
        assert not (tmp_path / "a.db").exists()

    def test_an_interrupted_download_goes_on(self, server, update, publish):
        served = publish("PyPI", *(record(f"P-{number}", details="x" * number) for number in range(300)))
        served.break_after = [3000]
        result = update("PyPI")
        assert self.outcomes(result) == [("PyPI", UpdateState.UPDATED)]
        assert server.statuses() == [200, 206]
        assert result.status.record_count == 300

    def test_a_damaged_zip_is_refused_and_the_old_records_are_kept(self, update, publish, tmp_path):
        publish("PyPI", record("P-1"))
        publish("npm", record("N-1", "npm"))
        update("PyPI", "npm")
        served = publish("PyPI", record("P-2"))
        served.content = served.content[:-5]
        publish("npm", record("N-2", "npm"))
        notices = []
        result = update("PyPI", "npm", listener=notices.append)
        assert self.outcomes(result) == [("PyPI", UpdateState.FAILED), ("npm", UpdateState.UPDATED)]
        assert any(isinstance(event, Noticed) for event in notices)
        with open_database(tmp_path / "a.db") as database:
            assert database.advisory("PyPI", "P-1") is not None
            assert database.advisory("npm", "N-2") is not None
        served = publish("PyPI", record("P-2"))
        assert self.outcomes(update("PyPI", "npm")) == [("PyPI", UpdateState.UPDATED), ("npm", UpdateState.UNCHANGED)]

    def test_a_damaged_zip_without_an_older_database_is_an_error(self, update, publish, tmp_path):
        publish("PyPI", record("P-1")).content = b"<html>portal</html>"
        with pytest.raises(DamagedArchive):
            update("PyPI")
        assert not (tmp_path / "a.db").exists()

    def test_scores_are_fetched_like_the_catalogue(self, server, update, publish):
        publish("PyPI", record("P-1", aliases=["CVE-2020-0001"]))
        server.serve("/epss.csv.gz", gzip.compress(SCORES))
        first, second = update("PyPI", epss=True), update("PyPI", epss=True)
        assert self.outcomes(first) == [("PyPI", UpdateState.UPDATED), ("first", UpdateState.UPDATED)]
        assert self.outcomes(second) == [("PyPI", UpdateState.UNCHANGED), ("first", UpdateState.UNCHANGED)]
        assert second.status.likelihood_count == 1
        server.serve("/epss.csv.gz", b"not found here")
        third = update("PyPI", epss=True)
        assert self.outcomes(third) == [("PyPI", UpdateState.UNCHANGED), ("first", UpdateState.FAILED)]
        assert third.status.likelihood_count == 1

    def test_another_mirror_is_not_asked_about_versions_of_the_first(self, update, publish, server, tmp_path):
        publish("PyPI", record("P-1"))
        update("PyPI")
        with running() as mirror:
            mirror.files = server.files
            result = Advisories(tmp_path / "a.db", now=NOW).update(
                cache_directory=tmp_path / "cache",
                ecosystems=["PyPI"],
                base_url=mirror.url + "/",
                kev_url="",
                epss_url="",
                retrier=RETRIER,
                timeout=10,
            )
            assert mirror.statuses() == [200]
        assert self.outcomes(result) == [("PyPI", UpdateState.UPDATED)]

    def test_what_matching_asks_for_is_updated_by_default(self):
        assert {"Debian", "Ubuntu", "Alpine", "AlmaLinux", "Rocky Linux", "Red Hat", "PyPI", "npm"} <= set(
            DEFAULT_ECOSYSTEMS
        )
        assert {"GIT", "Linux", "Android"}.isdisjoint(DEFAULT_ECOSYSTEMS)


def test_there_is_no_status_without_a_database(tmp_path):
    with pytest.raises(NoDatabase):
        Advisories(tmp_path / "a.db").status()


@pytest.fixture(scope="module")
def demo_database(tmp_path_factory):
    database = tmp_path_factory.mktemp("demo") / "a.db"
    result = Advisories(database, now=NOW).take([DEMO])
    (imported,) = result.imported
    assert imported.source.record_count == len(list(DEMO.glob("*.json"))) >= 36
    assert (imported.source.malformed_count, imported.source.unread_count) == (0, 0)
    return database


class TestDemo:
    """The advisories that come with the demo."""

    def test_every_record_has_a_severity_and_words_of_its_own(self):
        for path in DEMO.glob("*.json"):
            item = json.loads(path.read_text())
            assert path.stem == item["id"]
            assert item["severity"]
            assert len(item["details"]) > 40

    @needs_shared
    def test_the_planted_packages_have_their_findings_and_no_gaps(self, demo_database):
        planted = json.loads((SHARED / "fixtures" / "images" / "planted.expected.json").read_text())["packages"]
        kinds = {"Debian": "deb", "PyPI": "pypi", "npm": "npm"}
        components = [component(kinds[item["ecosystem"]], item["name"], item["version"]) for item in planted]
        result = match_in(demo_database, *components, system=distribution("debian", "12.12"))
        assert result.gaps == ()
        for item in planted:
            found = {finding.id for finding in result.findings if finding.component.name == item["name"]}
            assert item["at_least"] is None or item["at_least"] in found
        assert all(finding.severity for finding in result.findings)

    def test_the_flaws_of_marked_have_their_fixes(self, demo_database):
        found = match_in(demo_database, component("npm", "marked", "0.3.2")).findings
        fixes = {finding.id: finding.fixed_versions for finding in found}
        assert fixes == {"CVE-2015-1370": ("0.3.3",), "CVE-2015-8854": ("0.3.4",)}

    @needs_shared
    def test_its_ranges_are_those_of_the_public_records(self):
        """Compare with the collected corpus wherever that has the same flaw of the same package."""
        import zipfile

        compared = 0
        own = {path.stem: json.loads(path.read_text()) for path in DEMO.glob("*.json")}
        for ecosystem in ("PyPI", "npm"):
            with zipfile.ZipFile(SHARED / "data" / "advisories" / ecosystem / "all.zip") as archive:
                for name in archive.namelist():
                    public = json.loads(archive.read(name))
                    for item in own.values():
                        if {public["id"], *public.get("aliases", ())} & {item["id"], *item.get("aliases", ())}:
                            if public.get("withdrawn"):
                                continue
                            packages = {
                                entry["package"]["name"].lower() for entry in public["affected"] if "package" in entry
                            }
                            if (
                                item["affected"][0]["package"]["name"] in packages
                                and ecosystem == item["affected"][0]["package"]["ecosystem"]
                            ):
                                if public["id"].startswith("CVE-"):
                                    continue  # another database's view, with other bounds
                                if item["id"] in FIXED_AFTER:  # the data name the last affected version only
                                    last, first = FIXED_AFTER[item["id"]]
                                    assert bounds(public) == [("introduced", "0"), ("last_affected", last)]
                                    assert bounds(item) == [("fixed", first), ("introduced", "0")]
                                else:
                                    assert bounds(item) == bounds(public), (item["id"], public["id"])
                                compared += 1
        assert compared >= 28


def bounds(item):
    name = item["affected"][0]["package"]["name"]
    return sorted(
        (kind, version)
        for entry in item["affected"]
        if entry.get("package", {}).get("name", "").lower() == name.lower()
        for span in entry["ranges"]
        if span["type"] != "GIT"
        for event in span["events"]
        for kind, version in event.items()
    )
