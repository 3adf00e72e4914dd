"""Our bills of materials as Syft reads them, and Syft's as we do: the packages are the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.reports import samples
from tests.reports.every_report import TERMS

from rafsight.analysis.sbom.document import read_document
from rafsight.reports.formats import render

PROGRAM = Path(sys.executable).parent / "syft"


def syft(folder, *arguments):
    """Run Syft without a network."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    command = [PROGRAM, *arguments, "--quiet"]
    done = subprocess.run(command, capture_output=True, check=False, env=environment, cwd=folder, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def packages(components):
    return {(one.name.lower(), one.version) for one in components}


@pytest.mark.parametrize("form", ["cyclonedx", "spdx"])
def test_syft_reads_our_bills(form, tmp_path):
    (tmp_path / "bill.json").write_text(render(samples.FULL, form, TERMS))
    read = json.loads(syft(tmp_path, "convert", "bill.json", "--output", "syft-json"))
    found = {(one["name"].lower(), one["version"]) for one in read["artifacts"]}
    assert packages(samples.FULL.inventory.components) <= found


@pytest.mark.parametrize("form", ["cyclonedx-json", "spdx-json", "syft-json"])
def test_we_read_syfts_bills(form, tmp_path):
    (tmp_path / "bill.json").write_text(render(samples.FULL, "cyclonedx", TERMS))
    bill = read_document(syft(tmp_path, "convert", "bill.json", "--output", form), b"bill.json")
    assert packages(samples.FULL.inventory.components) <= packages(bill.inventory.components)
    sources = {one.name: one.source_name for one in bill.inventory.components}
    assert bill.inventory.distribution.id == "debian"
    assert {"libssl3", "requests"} <= set(sources)
