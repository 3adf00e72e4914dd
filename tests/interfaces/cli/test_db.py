"""`rafsight db` with advisories of our own, from files and from a server on this machine."""

import json
import socket
import threading
import zipfile
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli import run

RECORD = {
    "schema_version": "1.6.0",
    "id": "GHSA-xxxx-yyyy-zzzz",
    "modified": "2026-01-02T03:04:05Z",
    "aliases": ["CVE-2026-0001"],
    "summary": "Something bad",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "example"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.2"}]}],
        }
    ],
}
KEV = {
    "title": "CISA Catalog of Known Exploited Vulnerabilities",
    "catalogVersion": "2026.01.27",
    "dateReleased": "2026-01-27T00:00:00Z",
    "count": 1,
    "vulnerabilities": [{"cveID": "CVE-2026-0001", "dateAdded": "2026-01-27"}],
}


@pytest.fixture
def published(tmp_path):
    """A folder as OSV and CISA publish it."""
    folder = tmp_path / "published"
    (folder / "PyPI").mkdir(parents=True)
    with zipfile.ZipFile(folder / "PyPI" / "all.zip", "w") as archive:
        archive.writestr("GHSA-xxxx-yyyy-zzzz.json", json.dumps(RECORD))
    (folder / "kev.json").write_text(json.dumps(KEV))
    return folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@contextmanager
def served(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_import_then_status(published, tmp_path, capsys):
    database = tmp_path / "db" / "advisories.sqlite"
    assert run(["db", "import", str(published / "PyPI"), str(published / "kev.json"), "--db", str(database)]) == 0
    out, err = capsys.readouterr()
    assert "PyPI: 1 record\n" in out
    assert out.endswith(f"1 advisory, newest of 2026-01-02, 1 known exploited, in {database}\n")
    assert err == ""
    assert run(["db", "status", "--db", str(database)]) == 0
    out, _ = capsys.readouterr()
    assert f"Database  {database}, " in " ".join(out.split("\n          ")).replace("/ ", "/")
    assert "Records   1, newest of 2026-01-02\n" in out
    assert "Exploited 1 ids" in out
    assert run(["db", "status", "--json", "--db", str(database)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["record_count"] == document["exploited_count"] == 1


def test_the_database_lies_in_the_cache_if_nobody_says_otherwise(published, tmp_path, capsys):
    cache = tmp_path / "cache"
    assert run(["--cache-dir", str(cache), "db", "import", str(published)]) == 0
    assert (cache / "db" / "advisories.sqlite").is_file()
    assert run(["db", "status", "--cache-dir", str(cache)]) == 0
    capsys.readouterr()


def test_no_database_has_a_status_of_its_own(tmp_path, capsys):
    assert run(["db", "status", "--db", str(tmp_path / "none")]) == ExitStatus.DATABASE
    assert "rafsight db update" in capsys.readouterr().err


def test_update_fetches_what_has_changed(published, tmp_path, capsys):
    database = tmp_path / "advisories.sqlite"
    with served(published) as address:
        arguments = ["db", "update", "--db", str(database), "--cache-dir", str(tmp_path / "cache")]
        arguments += ["--url", address, "--kev-url", f"{address}/kev.json", "--epss-url", "", "-e", "PyPI"]
        assert run(arguments) == 0
        first, err = capsys.readouterr()
        assert run(arguments) == 0
        second, _ = capsys.readouterr()
    assert err == ""
    assert first.splitlines() == [
        "PyPI: updated, 1 record",
        "cisa: updated, 1 record",
        f"1 advisory, newest of 2026-01-02, 1 known exploited, in {database}",
    ]
    assert second.splitlines()[:2] == ["PyPI: unchanged, 1 record", "cisa: unchanged, 1 record"]


def test_a_part_that_cannot_be_had_makes_the_update_incomplete(published, tmp_path, capsys):
    with served(published) as address:
        status = run(
            [
                *("db", "update", "--db", str(tmp_path / "advisories.sqlite"), "--cache-dir", str(tmp_path / "cache")),
                *("--url", address, "--kev-url", "", "--epss-url", "", "-e", "PyPI", "-e", "npm"),
            ]
        )
    out, err = capsys.readouterr()
    assert status == ExitStatus.INCOMPLETE
    assert out.splitlines()[:2] == ["PyPI: updated, 1 record", "npm: missing, nothing is known"]
    assert err.startswith("rafsight: warning: ")
    assert f"{address}/npm/all.zip" in err


def test_update_gives_up_a_silent_server_after_the_timeout(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        arguments = ["db", "update", "--db", str(tmp_path / "a.sqlite"), "--cache-dir", str(tmp_path / "cache")]
        arguments += ["--url", address, "--kev-url", "", "--epss-url", "", "-e", "PyPI", "--timeout", "0.1"]
        assert run(arguments) == ExitStatus.UNAVAILABLE
    assert "no bytes came within the time-out" in " ".join(capsys.readouterr().err.split())


def test_update_trusts_the_authorities_that_are_named(tmp_path, capsys):
    (tmp_path / "no.pem").write_text("nothing")
    arguments = ["db", "update", "--db", str(tmp_path / "a.sqlite"), "--cache-dir", str(tmp_path / "cache")]
    arguments += [
        "--url",
        "https://127.0.0.1:1",
        "--kev-url",
        "",
        "--epss-url",
        "",
        "-e",
        "PyPI",
        "--ca-file",
        str(tmp_path / "no.pem"),
    ]
    assert run(arguments) == ExitStatus.USAGE
    assert "no.pem cannot be used: it holds no certificates" in " ".join(capsys.readouterr().err.split())


def test_nothing_to_import_is_said(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    status = run(["db", "import", str(tmp_path / "empty"), "--db", str(tmp_path / "advisories.sqlite")])
    assert status not in (0, ExitStatus.DEFECT)
    assert capsys.readouterr().err.startswith("rafsight: error: ")
    assert not (tmp_path / "advisories.sqlite").exists()
