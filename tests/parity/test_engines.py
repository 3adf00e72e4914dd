"""Real engines, through `rafsight scan --engine`: what they find in the view of an image is what they find in the image.

Syft comes with the requirements. The others are held to it where they are on PATH, with their databases; that is no
requirement.
"""

import json
import os
import shutil
import subprocess

import pytest
from tests.interfaces.presenting_process import presenting
from tests.parity.conftest import run_syft
from tests.shared import needs_shared
from tests.views.observed import needs_root

from rafsight.engines.catalogue import engine_named
from rafsight.engines.engine import Target, Via
from rafsight.interfaces.cli import run
from rafsight.testing.registry import PLANTED, serve_layout

LOST_WHITEOUTS = {"pkg:npm/marked@0.3.2"}
"""The converter lost two whiteouts in the Nydus forms of the planted image, see `test_syft`."""
OTHERS = ("trivy", "grype", "osv-scanner")


@pytest.fixture
def scan(tmp_path, monkeypatch, capfdbinary):
    """Run `rafsight scan --engine`; a home that is empty, a cache that no run may leave anything in."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAFSIGHT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def go(reference, engine, *more):
        capfdbinary.readouterr()
        status = run(["-q", "scan", reference, "--engine", engine, *more])
        output, errors = capfdbinary.readouterr()
        assert [path.name for path in (tmp_path / "cache" / "engines").iterdir()] == ["lock"]
        return status, output, errors

    return go


def listed(document):
    """Return what a report of ours lists: purls, each as often as it is installed."""
    packages = [package for result in document["Results"] for package in result.get("Packages", [])]
    return sorted(package["Identifier"]["PURL"] for package in packages)


def purls(document):
    return sorted(one["purl"] for one in document["artifacts"])


def compare(scan, reference, expected, more, via="archive"):
    """Hold the report against what Syft finds in the original."""
    status, output, errors = scan(reference, "syft", "--raw", "--via", via)
    assert (status, errors) == (0, b"")
    raw = json.loads(output)
    assert [purl for purl in purls(raw) if purl not in more] == purls(expected)
    assert set(purls(raw)) - set(purls(expected)) == more
    assert raw["distro"] == expected["distro"]
    assert raw["source"]["type"] == {"archive": "image", "mount": "directory"}[via]
    return raw


def compare_ours(scan, reference, raw):
    """Hold our own report against Syft's."""
    status, output, errors = scan(reference, "syft", "--format", "json", "--list-all-pkgs", "--allow-incomplete")
    assert (status, errors) == (0, b"")
    ours = json.loads(output)
    assert listed(ours) == purls(raw)
    assert ours["Metadata"]["OS"]["Name"] == raw["distro"]["versionID"]


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("tag", ["oci", "v6", "v5", "v6-ref", "merged"])
def test_syft_over_the_planted_image_in_every_form(planted, tmp_path, scan, tag):
    expected = run_syft(planted, tmp_path, tag="oci")
    raw = compare(scan, f"oci:{planted}:{tag}", expected, set() if tag == "oci" else LOST_WHITEOUTS)
    compare_ours(scan, f"oci:{planted}:{tag}", raw)


@needs_shared
@needs_root
@pytest.mark.shared
@pytest.mark.parametrize("tag", ["oci", "v6", "v5", "v6-ref", "merged"])
def test_syft_over_the_mounted_planted_image_in_every_form(planted, tmp_path, scan, tag):
    more = set() if tag == "oci" else LOST_WHITEOUTS
    compare(scan, f"oci:{planted}:{tag}", run_syft(planted, tmp_path, tag="oci"), more, via="mount")


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("via", ["archive", pytest.param("mount", marks=needs_root)])
def test_syft_over_a_realistic_image(realistic_image, tmp_path, scan, via):
    layout = realistic_image("wordpress-like")
    compare(scan, f"oci:{layout}", run_syft(layout, tmp_path), set(), via=via)


def test_syft_over_an_image_of_a_registry(scan):
    """The shipped image: nothing beside the checkout is needed."""
    with serve_layout(PLANTED) as registry:
        reference = registry.reference("v6")
        status, output, _ = scan(reference, "syft", "--raw")
        fetched = sum(one.sent for one in registry.log)
    document = json.loads(output)
    assert status == 0
    assert {"pkg:npm/lodash@4.17.11", "pkg:pypi/flask@0.12.2"} <= set(purls(document))
    assert document["source"]["metadata"]["tags"] == [reference]
    assert 0 < fetched < sum(path.stat().st_size for path in (PLANTED / "blobs/sha256").iterdir())


def test_settings_of_the_user_hide_nothing_from_syft(tmp_path, scan):
    (tmp_path / ".syft.yaml").write_text('exclude: ["**/dpkg/**"]\n')
    status, output, _ = scan(f"oci:{PLANTED}:v6", "syft", "--raw")
    assert status == 0
    assert any(purl.startswith("pkg:deb/debian/base-files@") for purl in purls(json.loads(output)))


def test_engines_that_are_here_are_usable_or_say_why(tmp_path, monkeypatch, capfdbinary):
    monkeypatch.setenv("RAFSIGHT_CACHE_DIR", str(tmp_path))
    assert run(["engines", "--json"]) == 0
    found = {one["name"]: one for one in json.loads(capfdbinary.readouterr()[0])["engines"]}
    assert found["syft"]["usable"]
    for name in filter(shutil.which, OTHERS):
        assert found[name]["path"] == shutil.which(name)
        assert found[name]["usable"] or found[name]["problem"]


@pytest.fixture(scope="module")
def original(planted, tmp_path_factory):
    """The planted image as a docker archive, whole."""
    archive = tmp_path_factory.mktemp("original") / "planted.tar"
    places = [f"oci:{planted}:oci", f"docker-archive:{archive}:planted:oci"]
    subprocess.run(["skopeo", "copy", "--quiet", "--insecure-policy", *places], check=True, capture_output=True)
    return archive


def call(name, archive, folder, reference=""):
    """Run an engine as rafsight does, with its own databases: over an archive, or on an image of a registry."""
    engine = engine_named(name)
    command = engine.command(Target(via=Via.ARCHIVE, place=archive, scratch=folder))
    if command.settings is not None:
        command.settings.write_bytes(b"")
    arguments = list(command.arguments)
    if reference and name == "trivy":
        arguments[1:3] = ["--image-src", "remote", reference]
    elif reference:
        arguments[0] = f"registry:{reference}"
    environment = {**os.environ, **engine.traits.forced, "GRYPE_REGISTRY_INSECURE_USE_HTTP": "true"}
    done = subprocess.run([name, *arguments], env=environment, cwd=folder, capture_output=True, check=False)
    skip_without_database(name, os.fsdecode(done.stderr))
    assert done.returncode in command.good, done.stderr
    return json.loads(done.stdout)


def needs_peer(name):
    if not shutil.which(name):
        pytest.skip(f"needs {name} on PATH")


def skip_without_database(name, log):
    if engine_named(name).remedy(log):
        pytest.skip(f"{name} has no database here")


def facts(name, document):
    """Return what an engine found, by image alone: no layers, no digests."""
    if name == "grype":
        return {(one["vulnerability"]["id"], one["artifact"]["purl"]) for one in document["matches"]}
    if name == "trivy":
        results = document["Results"]
        packages = {("", one["Identifier"]["PURL"]) for each in results for one in each.get("Packages", [])}
        flaws = [one for each in results for one in each.get("Vulnerabilities", [])]
        return packages | {(one["VulnerabilityID"], one["PkgIdentifier"]["PURL"]) for one in flaws}
    entries = [entry for result in document["results"] for entry in result["packages"]]
    return {
        (flaw, f"{entry['package']['name']}@{entry['package']['version']}")
        for entry in entries
        for flaw in ("", *(one["id"] for one in entry.get("vulnerabilities", [])))
    }


def compare_facts(found, expected, tag):
    more = {one for one in found if any(one[1] == purl for purl in LOST_WHITEOUTS)} if tag != "oci" else set()
    assert found - more == expected


@needs_shared
@pytest.mark.peer
@pytest.mark.shared
@pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")
@pytest.mark.parametrize("tag", ["oci", "v6", "v5"])
@pytest.mark.parametrize("name", OTHERS)
def test_others_find_in_a_slim_archive_what_they_find_in_the_image(request, planted, tmp_path, capfdbinary, name, tag):
    """With their own home, for the sake of their databases."""
    needs_peer(name)
    expected = facts(name, call(name, request.getfixturevalue("original"), tmp_path))
    command = ["-q", "--cache-dir", str(tmp_path / "cache"), "scan", f"oci:{planted}:{tag}", "--engine", name, "--raw"]
    assert run(command) == 0
    compare_facts(facts(name, json.loads(capfdbinary.readouterr()[0])), expected, tag)


@needs_shared
@pytest.mark.peer
@pytest.mark.shared
@pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")
@pytest.mark.parametrize("name", ["trivy", "grype"])
def test_others_find_in_an_image_that_is_presented_what_they_find_in_the_image(request, planted, tmp_path, name):
    needs_peer(name)
    archive = request.getfixturevalue("original")
    expected = facts(name, call(name, archive, tmp_path))
    with (
        serve_layout(planted) as registry,
        presenting(registry.host, tmp_path, "--for", name) as (address, _),
    ):
        found = facts(name, call(name, archive, tmp_path, f"{address}/app:v6"))
    compare_facts(found, expected, "v6")
