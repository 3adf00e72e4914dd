"""The same components as Syft finds in the original, for the kinds that are read: differences explained one by one."""

import pytest
from tests.parity.conftest import run_syft
from tests.shared import needs_shared

import rafsight
from rafsight.analysis.engine import Analysis
from rafsight.verbs.scan import keep_wanted, take_inventory

OURS_FOR_SYFT = {"deb": "deb", "python": "pypi", "npm": "npm", "apk": "apk", "rpm": "rpm"}
"""Syft's package types of the kinds that are read now."""

LOST_WHITEOUTS = {"pkg:npm/marked@0.3.2"}
"""In the Nydus forms of the planted image the converter lost two whiteouts (the tar of that layer does not name the
directories above them), so the kernel shows node_modules/marked there, and so do we. The original hides it."""


def bare(purl):
    """Cut the qualifiers; npm and PyPI names compare as their registries do."""
    return purl.partition("?")[0].lower()


def ours(reference):
    keep = keep_wanted(Analysis().wanted_patterns())
    with rafsight.open_image(reference, keep=keep) as image:
        inventory = take_inventory(image)
    assert not inventory.gaps
    return inventory, {bare(component.purl) for component in inventory.components}


def syfts(document):
    return {bare(one["purl"]) for one in document["artifacts"] if one["type"] in OURS_FOR_SYFT}


@needs_shared
@pytest.mark.parametrize("tag", ["oci", "v6", "v5", "v6-ref", "merged"])
def test_planted_in_every_form(planted, tmp_path, tag):
    expected = syfts(run_syft(planted, tmp_path, tag="oci"))
    inventory, found = ours(f"oci:{planted}:{tag}")
    assert found - expected == (set() if tag == "oci" else LOST_WHITEOUTS)
    assert expected <= found
    assert inventory.distribution.id == "debian"
    assert inventory.distribution.version.split(".")[0] == "12"


@needs_shared
@pytest.mark.parametrize("name", ["ubuntu-like", "wordpress-like"])
def test_realistic_images(realistic_image, tmp_path, name):
    layout = realistic_image(name)
    document = run_syft(layout, tmp_path)
    inventory, found = ours(f"oci:{layout}")
    assert found == syfts(document)
    left_out = {one["type"] for one in document["artifacts"]} - set(OURS_FOR_SYFT)
    assert left_out <= {"wordpress-plugin", "binary"}  # kinds that are not read yet
    sources = {
        one["name"]: one["metadata"].get("source") or one["name"]
        for one in document["artifacts"]
        if one["type"] == "deb"
    }
    assert {c.name: c.source_name for c in inventory.components if c.ecosystem == "deb"} == sources
