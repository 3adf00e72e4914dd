"""Real images to compare on, and Syft to compare with."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.shared import SHARED

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "images"
IN_CACHE = sorted(path.parent.name for path in CACHE.glob("*/index.json"))
"""Realistic images that are there already: tests of those that take minutes to build exist for these alone."""


@pytest.fixture(scope="session")
def realistic_image():
    """Return a function that builds (once) a realistic OCI image by the shared recipes and returns its layout."""

    def build(name):
        recipe = SHARED / "images" / "make_image.py"
        if not recipe.is_file():
            pytest.skip(f"needs {recipe.name} of the shared recipes beside the checkout")
        if os.geteuid() or not shutil.which("mmdebstrap"):
            pytest.skip("building a Debian root needs root and mmdebstrap")
        layout = CACHE / name
        (CACHE / "work").mkdir(parents=True, exist_ok=True)
        with (CACHE / "work" / "lock").open("w") as lock:  # tests run in several processes
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (layout / "index.json").exists():
                command = [sys.executable, str(recipe), name, str(layout), "--work", str(CACHE / "work")]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr[-2000:]
        return layout

    return build


@pytest.fixture(scope="session")
def planted():
    """The planted image in all its forms."""
    layout = SHARED / "fixtures" / "images" / "planted"
    if not layout.is_dir():
        pytest.skip("needs the planted image of the shared fixtures beside the checkout")
    return layout


_FOUND = {}


def run_syft(layout, tmp_path, tag=None):
    """Return what Syft says of an OCI image, its own JSON; each image is looked at once."""
    if (layout, tag) not in _FOUND:
        _FOUND[layout, tag] = _run_syft(layout, tmp_path, tag)
    return _FOUND[layout, tag]


def _run_syft(layout, tmp_path, tag):
    program = Path(sys.executable).parent / "syft"
    assert program.exists(), "syft comes with requirements/dev.txt"
    if tag is not None:  # syft takes a layout with one image
        copy = tmp_path / "one"
        copy.mkdir()
        index = json.loads((layout / "index.json").read_text())
        index["manifests"] = [
            one for one in index["manifests"] if one["annotations"]["org.opencontainers.image.ref.name"] == tag
        ]
        (copy / "index.json").write_text(json.dumps(index))
        shutil.copy(layout / "oci-layout", copy)
        (copy / "blobs").symlink_to(layout / "blobs")
        layout = copy
    output = tmp_path / "syft.json"
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false", "HOME": str(tmp_path)}
    command = [str(program), "scan", f"oci-dir:{layout}", "--quiet", "--output", f"syft-json={output}"]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return json.loads(output.read_text())
