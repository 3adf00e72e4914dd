"""Syft finds in a slim archive what it finds in the original: the same components, licences and distribution."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.parity.conftest import run_syft
from tests.shared import needs_shared

from rafsight.verbs.export import export_slim

LOST_WHITEOUTS = {("marked", "0.3.2", "npm", "pkg:npm/marked@0.3.2", ("MIT",))}
"""The converter lost two whiteouts in the Nydus forms of the planted image, see `test_syft`."""


def scan_archive(reference, folder):
    """Return what Syft says of a slim archive of an image."""
    archive, output = folder / "slim.tar", folder / "slim.json"
    done = export_slim(reference, "syft", to=archive)
    assert done.is_complete
    program = Path(sys.executable).parent / "syft"
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false", "HOME": str(folder)}
    command = [str(program), "scan", f"docker-archive:{archive}", "--quiet", "--output", f"syft-json={output}"]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return json.loads(output.read_text())


def components(document):
    return sorted(
        (
            one["name"],
            one["version"],
            one["type"],
            one["purl"],
            tuple(sorted(each["value"] for each in one["licenses"])),
        )
        for one in document["artifacts"]
    )


@needs_shared
@pytest.mark.parametrize("tag", ["oci", "v6", "v5", "v6-ref", "merged"])
def test_planted_in_every_form(planted, tmp_path, tag):
    expected = run_syft(planted, tmp_path, tag="oci")
    found = scan_archive(f"oci:{planted}:{tag}", tmp_path)
    more = set(components(found)) - set(components(expected))
    assert more == (set() if tag == "oci" else LOST_WHITEOUTS)
    assert [one for one in components(found) if one not in more] == components(expected)
    assert found["distro"] == expected["distro"]


@needs_shared
@pytest.mark.parametrize("name", ["ubuntu-like", "wordpress-like"])
def test_realistic_images(realistic_image, tmp_path, name):
    layout = realistic_image(name)
    expected = run_syft(layout, tmp_path)
    found = scan_archive(f"oci:{layout}", tmp_path)
    assert components(found) == components(expected)
    assert found["distro"] == expected["distro"]
