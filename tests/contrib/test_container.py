"""The container recipe: read, and its steps done in a folder, as far as that goes without a builder and an index."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile

import pytest
from tests.contrib.runners import CONTRIB, ROOT, call, environment, python_without_index

from rafsight._version import __version__

RECIPE = CONTRIB / "container" / "Containerfile"


def instructions():
    """Return the instructions as (name, rest), lines that go on joined."""
    text = re.sub(r"^\s*#.*\n", "", RECIPE.read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip()]


def all_of(name):
    return [rest for instruction, rest in instructions() if instruction == name]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder that the first stage makes, made by its own COPY and RUN instructions."""
    folder = tmp_path_factory.mktemp("container")
    work, place = folder / "build", folder / "opt" / "rafsight"
    work.mkdir()
    place.parent.mkdir()
    _, calls = python_without_index(folder, "python")
    variables = environment(folder)
    variables["PATH"] = f"{folder}:{variables['PATH']}"
    stage = 0
    for name, rest in instructions():
        stage += name == "FROM"
        if stage != 1:
            continue
        if name == "COPY":
            source, target = rest.split()
            copy(ROOT / source, work / target)
        elif name == "RUN":
            command = rest.replace("/opt/rafsight", shlex.quote(str(place)))
            done = call(["sh", "-ec", command], cwd=work, env=variables)
            assert done.returncode == 0, done.stdout
    return place, calls.read_text()


def copy(source, target):
    assert source.exists(), f"{source} is copied, and is not there"
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def test_the_command_works_and_nothing_from_outside_gets_in(built, registry, advisories, tmp_path):
    place, _ = built
    (entry,) = all_of("ENTRYPOINT")
    assert entry == '["/opt/rafsight/bin/rafsight"]'
    (tmp_path / "click.py").write_text("raise SystemExit('taken from the working directory')")
    variables = environment(tmp_path, PYTHONPATH=str(tmp_path), RAFSIGHT_CACHE_DIR=str(advisories))
    program = place / "bin" / "rafsight"
    assert call([program, "--version"], cwd=tmp_path, env=variables).stdout == f"rafsight {__version__}\n"
    done = call([program, "scan", "--fail-on", "critical", registry.reference("v6")], cwd=tmp_path, env=variables)
    assert done.returncode == 1, done.stdout
    where = call(
        [place / "bin/python", "-I", "-c", "import rafsight; print(rafsight.__file__)"], cwd=tmp_path, env=variables
    )
    assert where.stdout.startswith(str(place))


def test_requirements_are_pinned_hashed_and_from_no_named_index(built):
    _, calls = built
    (install,) = [line for line in calls.splitlines() if " install " in line]
    assert "--require-hashes -r requirements/run.txt" in install
    assert not re.search(r"https?://|--index-url|--extra-index|--trusted-host", RECIPE.read_text())


def test_it_is_no_root_and_keeps_what_it_writes_in_one_place():
    assert all_of("USER") == ["65532:65532"]
    assert all_of("VOLUME") == ["/cache"]
    assert any("RAFSIGHT_CACHE_DIR=/cache" in rest for rest in all_of("ENV"))
    names = [name for name, _ in instructions()]
    assert names.index("USER") > len(names) - 1 - names[::-1].index("RUN")
    assert "ADD" not in names


@pytest.mark.parametrize("recipe", ["Containerfile", "Containerfile.service"])
def test_a_builder_is_sent_what_is_copied_and_nothing_compiled_here(recipe):
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    text = (CONTRIB / "container" / recipe).read_text()
    copied = {source.split("/")[0] for source in re.findall(r"^COPY (?!--from)(\S+)", text, flags=re.MULTILINE)}
    assert copied
    assert copied <= {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert (lines[0], lines[-1]) == ("*", "**/__pycache__")


def test_the_wheel_holds_the_whole_package(tmp_path):
    """What a container or a pipeline installs instead of the checkout."""
    command = [sys.executable, "-m", "pip", "wheel", ROOT, "--no-deps", "--no-build-isolation", "-q", "-w", tmp_path]
    subprocess.run([*command, "--disable-pip-version-check", "--no-index"], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("rafsight-*.whl")
    unpacked = tmp_path / "unpacked"
    zipfile.ZipFile(wheel).extractall(unpacked)
    tracked = {
        path.relative_to(ROOT / "src")
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {path.relative_to(unpacked) for path in (unpacked / "rafsight").rglob("*") if path.is_file()} == tracked
    variables = {"PYTHONPATH": str(unpacked), "PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = call([sys.executable, "-P", "-m", "rafsight", "--version"], cwd=tmp_path, env=variables)
    assert done.stdout == f"rafsight {__version__}\n"
