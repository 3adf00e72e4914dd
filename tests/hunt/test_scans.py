"""Many images scanned at once."""

import json
import time
from dataclasses import replace

import pytest
from tests.hunt.fleets import make_layout

from rafsight.access.options import Options
from rafsight.access.settings_file import ConfigurationUnreadable
from rafsight.base.errors import CallerError
from rafsight.base.events import Noticed, Started
from rafsight.hunt.corpus import NoImages
from rafsight.hunt.hunts import Hunts
from rafsight.matching.store import NoDatabase
from rafsight.reports.scanned import receive, send
from rafsight.testing.registry import PLANTED, Mischief, serve_layout
from rafsight.testing.registry_pages import Answer
from rafsight.verbs.advisories import Advisories
from rafsight.verbs.scan.scanning import scan_reference
from rafsight.verbs.scan.terms import NoSuchScanner

DPKG = b"Package: xz-utils\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.6.%d-1\nDescription: x\n\n"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("advisories") / "advisories.sqlite"
    Advisories(path).take([PLANTED.parent / "advisories"])
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleet")
    files = {
        tag: {b"etc/os-release": b'ID=debian\nVERSION_ID="12"\n', b"var/lib/dpkg/status": DPKG % number}
        for tag, number in (("v1", 1), ("v2", 2), ("latest", 2))
    }
    return make_layout(folder / "layout", files)


def test_each_image_is_scanned_once_as_if_it_were_alone(small, database, tmp_path):
    options = Options(cache_dir=tmp_path)
    with serve_layout({"planted": PLANTED, "small": small}) as registry:
        hunts = Hunts(options=options)
        hunts.add_registry(registry.host)
        hunts.add(f"{registry.host}/small:nope")
        found = {image.names: image.report for image in hunts.scan(database=database)}
        name = f"{registry.host}/planted:v6"
        alone = scan_reference(name, database=database)
    assert sorted(tuple(name.rpartition("/")[2] for name in names) for names in found) == [
        ("planted:v5",),
        ("planted:v6",),
        ("small:latest", "small:v2"),
        ("small:v1",),
    ]
    report = found[(name,)]
    assert report.findings
    assert (report.findings, report.inventory) == (alone.findings, alone.inventory)
    assert replace(report.image, notes=()) == replace(alone.image, notes=())
    assert [failure.code for failure in hunts.failures] == ["not-found"]
    tally = hunts.tally
    assert tally is not None
    assert (tally.names, tally.images, tally.matches) == (6, 4, 2)


def test_what_was_scanned_before_costs_one_request(small, database, tmp_path):
    options = Options(cache_dir=tmp_path)
    with serve_layout({"small": small}) as registry:
        for requests in (None, 1):
            registry.forget()
            hunts = Hunts(options=options)
            hunts.add(f"{registry.host}/small:v1")
            (image,) = hunts.scan(database=database)
            assert [one.version for one in image.report.inventory.components] == ["5.6.1-1"]
            assert hunts.tally is not None
            assert hunts.tally.requests == len(registry.log)
            assert requests in (None, len(registry.log))


OWN_CHECK = "checks:\n- {id: own-1, title: It is Debian, paths: [/etc/os-release], pattern: 'ID=debian'}\n"


def test_rules_of_ones_own_are_those_of_the_working_directory(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hunts = Hunts()
    hunts.add(f"oci:{small}:v1")
    (tmp_path / "rafsight.yaml").write_text(OWN_CHECK)
    (image,) = hunts.scan(database=None, scanners=("misconfig",))
    assert "own-1" in {one.id for one in image.report.misconfigurations}
    (tmp_path / "rafsight.yaml").write_text("misconfig: {disable: [no-such-check]}\n")
    with pytest.raises(CallerError, match=r"rafsight\.yaml"):
        hunts.scan(database=None, scanners=("misconfig",))


def test_progress_is_that_of_all(small, database):
    heard = []
    hunts = Hunts(listener=heard.append)
    hunts.add(f"oci:{small}")
    assert len(list(hunts.scan(database=database))) == 2
    assert [event.title for event in heard if isinstance(event, Started)] == [
        "listing tags",
        "looking names up",
        "scanning images",
    ]
    assert not [event for event in heard if isinstance(event, Noticed)]


def test_what_is_refused_before_anything_is_asked(small, database, tmp_path):
    hunts = Hunts()
    with pytest.raises(NoImages):
        hunts.scan(database=database)
    hunts.add("registry.invalid/x:y")
    with pytest.raises(NoSuchScanner):
        hunts.scan(database=database, scanners=("virus",))
    with pytest.raises(NoDatabase):
        hunts.scan(database=tmp_path / "none")
    with pytest.raises(ConfigurationUnreadable):
        hunts.scan(database=database, scanners=("secret",), config=tmp_path / "none")


def test_an_image_that_cannot_be_had_ends_nothing(small, database):
    mischief = (Mischief(only="/manifests/v1", status=403),)
    with serve_layout({"small": small}, mischief=mischief) as registry:
        hunts = Hunts()
        hunts.add_registry(registry.host)
        assert len(list(hunts.scan(database=database))) == 1
    assert [failure.code for failure in hunts.failures] == ["registry-denied"]


def test_a_report_travels_as_it_is(database):
    report = scan_reference(f"oci:{PLANTED}:v6", database=database, scanners=("vuln", "secret", "misconfig"))
    assert report.secrets or report.misconfigurations
    assert receive(send(report)) == report


def test_images_of_a_repository_share_a_token_and_all_requests_keep_their_distance(small, database):
    tokens = []

    def gate(call):
        if call.path.startswith("/token"):
            tokens.append(call.path)
            return Answer(content=json.dumps({"token": "t", "expires_in": 300}).encode())
        if call.header("authorization") == "Bearer t":
            return None
        realm = f'Bearer realm="{registry.url}/token",service="s"'
        return Answer(status=401, headers=(("WWW-Authenticate", realm),))

    with serve_layout({"small": small}, gate=gate) as registry:
        hunts = Hunts(rate=100, jobs=2)
        hunts.add(*(f"{registry.host}/small:{tag}" for tag in ("v1", "v2", "latest")))
        began = time.monotonic()
        reports = [image.report for image in hunts.scan(database=database)]
        seconds = time.monotonic() - began
        assert hunts.failures == ()
        assert len(tokens) == 1
        requests = len(registry.log)
    assert seconds > (requests - 1) / 100
    assert hunts.tally is not None
    assert hunts.tally.requests == requests
    assert sum(report.cost.requests for report in reports) < requests  # names were looked up before
    assert all(report.cost.requests for report in reports)


COPYRIGHT = b"""Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: somebody
License: 0BSD
"""


def test_licences_are_read_where_they_are_wanted(tmp_path):
    files = {
        b"etc/os-release": b'ID=debian\nVERSION_ID="12"\n',
        b"var/lib/dpkg/status": DPKG % 1,
        b"usr/share/doc/xz-utils/copyright": COPYRIGHT,
    }
    hunts = Hunts()
    hunts.add(f"oci:{make_layout(tmp_path / 'layout', {'v1': files})}:v1")
    for wanted, licenses in ((False, ()), (True, ("0BSD",))):
        (image,) = hunts.scan(database=None, licenses=wanted)
        assert [one.licenses for one in image.report.inventory.components] == [licenses]
