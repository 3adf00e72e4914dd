"""The cache as users meet it: `rafsight scan` again, many at once, with a full disk, and `rafsight cache`."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from rafsight.interfaces.cli import run
from rafsight.testing.registry import PLANTED, serve_layout

PROGRAM = Path(sys.executable).parent / "rafsight"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("db") / "advisories.sqlite"
    subprocess.run([PROGRAM, "db", "import", PLANTED.parent / "advisories", "--db", path, "-q"], check=True)
    return path


@pytest.fixture
def registry():
    with serve_layout(PLANTED) as running:
        yield running


class Runner:
    """Runs command lines with a cache of its own: in this process, or (`start`) in others."""

    def __init__(self, cache, database, capsys):
        self.cache, self.database, self.capsys = cache, database, capsys

    def line(self, *arguments):
        command = ["--cache-dir", str(self.cache), *map(str, arguments)]
        if arguments[0] == "scan":
            command += ["--db", str(self.database), "--platform", "linux/amd64", "-f", "json"]
        return command

    def start(self, *arguments, **more):
        clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        command = [PROGRAM, *self.line(*arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean, **more)

    def __call__(self, *arguments):
        self.capsys.readouterr()
        status = run(self.line(*arguments))
        said = self.capsys.readouterr()
        return status, said.out, said.err


@pytest.fixture
def rafsight(tmp_path, database, capsys):
    return Runner(tmp_path / "cache", database, capsys)


def cost(output):
    return json.loads(output)["Rafsight"]["Cost"]["Requests"]


def found(output):
    return [
        (one["VulnerabilityID"], one["PkgName"])
        for result in json.loads(output)["Results"]
        for one in result.get("Vulnerabilities", ())
    ]


def test_ten_scans_at_once_on_one_cache(rafsight, registry):
    running = [rafsight.start("scan", registry.reference(name)) for name in ("v6", "v5") * 5]
    answers = [process.communicate(timeout=120) for process in running]
    assert [(process.returncode, errors) for process, (_, errors) in zip(running, answers, strict=True)] == [
        (running[0].returncode, answers[0][1])
    ] * 10
    assert "cannot be kept" not in answers[0][1]
    assert len({tuple(found(output)) for output, _ in answers}) == 1
    assert found(answers[0][0])
    for name in ("v6", "v5"):
        assert cost(rafsight("scan", registry.reference(name))[1]) == 1
    status, output, errors = rafsight("cache", "verify", "--json")
    assert (status, errors) == (0, "")
    assert json.loads(output)["damaged"] == 0


HEAVY = """
import sys
from rafsight.interfaces.cli import run
run(sys.argv[1:])
print(sorted({"numpy", "rafsight.analysis.catalogue", "rafsight.access.session"} & set(sys.modules)), file=sys.stderr)
"""


def test_a_scan_of_a_known_image_imports_nothing_for_trees(rafsight, registry, tmp_path):
    """It is the start of the program that takes the time of such a scan."""
    reference = registry.reference("v6")
    loaded = []
    for _ in range(2):
        command = ["--cache-dir", rafsight.cache, "scan", reference, "--db", rafsight.database, "-q"]
        command += ["-o", tmp_path / "table"]
        done = subprocess.run([sys.executable, "-c", HEAVY, *command], capture_output=True, text=True, check=True)
        loaded.append(done.stderr.splitlines()[-1])
    assert loaded == ["['numpy', 'rafsight.access.session', 'rafsight.analysis.catalogue']", "[]"]


def test_no_cache_reads_and_keeps_nothing(rafsight, registry):
    status, first, _ = rafsight("scan", "--no-cache", registry.reference("v6"))
    assert not rafsight.cache.exists()
    rafsight("scan", registry.reference("v6"))
    before = sorted((path, path.stat().st_mtime_ns) for path in rafsight.cache.rglob("*"))
    again = rafsight("scan", "--no-cache", registry.reference("v6"))
    assert cost(first) == cost(again[1]) > 3
    assert again[0] == status
    assert sorted((path, path.stat().st_mtime_ns) for path in rafsight.cache.rglob("*")) == before


def test_a_bill_of_materials_is_remembered_too(rafsight, registry, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    rafsight("scan", registry.reference("v6"))
    registry.forget()
    first = rafsight("sbom", registry.reference("v6"))[1]
    assert "bomFormat" in first
    assert 1 < len(registry.log) < 5  # the scan had no use for the licences of Debian's packages
    registry.forget()
    assert rafsight("sbom", registry.reference("v6"))[1] == first
    assert len(registry.log) == 1
    rafsight("sbom", "--no-cache", registry.reference("v6"))
    assert len(registry.log) > 4


def test_a_disk_that_takes_nothing_more_ends_no_scan(rafsight, registry):
    status, sound, _ = rafsight("scan", "--no-cache", registry.reference("v6"))
    for limit in (0, 20_000):
        process = rafsight.start(
            "scan",
            registry.reference("v6"),
            preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        output, errors = process.communicate(timeout=60)
        assert (process.returncode, found(output)) == (status, found(sound)), errors
    code, output, errors = rafsight("scan", registry.reference("v6"))
    assert (code, found(output)) == (status, found(sound))
    assert "results" not in errors
    assert cost(rafsight("scan", registry.reference("v6"))[1]) == 1


def test_a_damaged_cache_is_said_once_and_mended(rafsight, registry):
    sound = rafsight("scan", registry.reference("v6"))
    for path in (path for path in rafsight.cache.rglob("*") if path.is_file()):
        path.write_bytes(b"damage " * 1000)
    status, output, errors = rafsight("scan", registry.reference("v6"))
    assert (status, found(output)) == (sound[0], found(sound[1]))
    assert errors.count("were damaged: begun anew") == 1
    assert rafsight("scan", registry.reference("v6"))[2] == sound[2]


def test_status_prune_verify_and_clear(rafsight, registry):
    rafsight("scan", registry.reference("v6"))
    status, output, errors = rafsight("cache", "status")
    assert (status, errors) == (0, "")
    assert "results " in output
    assert " about images, " in output
    assert "1 bootstrap\n" in output
    parts = {part["name"]: part for part in json.loads(rafsight("cache", "status", "--json")[1])["parts"]}
    assert parts["results"]["counts"]["about_images"] > 0
    assert parts["results"]["counts"]["about_files"] > 3
    assert json.loads(rafsight("cache", "prune", "--json")[1]) == {"freed": 0}
    assert json.loads(rafsight("cache", "prune", "--max-size", "1GB", "--json")[1]) == {"freed": 0}
    assert rafsight("cache", "prune", "--max-size", "much")[0] == 2
    assert json.loads(rafsight("cache", "prune", "--unused-for", "0", "--json")[1])["freed"] > 1000
    rafsight("scan", registry.reference("v6"))
    bootstrap = next(rafsight.cache.glob("bootstraps/*/image.boot"))
    bootstrap.write_bytes(bootstrap.read_bytes()[:-1])
    status, output, _ = rafsight("cache", "verify")
    assert status == 65
    assert "bootstraps  1 checked, 1 damaged\n" in output
    assert rafsight("cache", "verify", "--part", "bootstraps")[:2] == (0, "bootstraps  0 checked, 0 damaged\n")
    status, output, _ = rafsight("cache", "clear")
    assert status == 0
    assert output.endswith(" removed\n")
    assert not [path for path in rafsight.cache.rglob("*") if path.is_file() and path.name != "lock"]
    assert rafsight("cache", "clear", "--part", "db")[0] == 2


def test_a_cache_that_machines_share_has_an_address(rafsight, registry, monkeypatch):
    shared = ("--cache", "redis://me:sesame@host/0")
    status, _, errors = rafsight("scan", *shared, registry.reference("v6"))
    assert status == 2
    assert "'redis' is not the address of a cache" in errors
    assert "sesame" not in errors
    assert registry.log == ()
    assert rafsight("scan", *shared, "--no-cache", registry.reference("v6"))[0] == 2
    monkeypatch.setenv("RAFSIGHT_CACHE", "redis://host")
    assert rafsight("scan", registry.reference("v6"))[0] == 2
    assert registry.log == ()
    assert rafsight("scan", "--no-cache", registry.reference("v6"))[0] != 2
