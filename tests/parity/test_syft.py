"""The same components as Syft finds in the original: every difference is listed here, and explained.

docs/compared-with-syft.md has the figures. Java has a test of its own.
"""

import json
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.parity.conftest import IN_CACHE, run_syft
from tests.parity.test_syft_java import OTHER_GROUPS, WITHOUT_GROUP
from tests.shared import needs_shared

import rafsight
from rafsight.analysis.engine import Analysis
from rafsight.verbs.convert.converting import convert_image
from rafsight.verbs.convert.terms import ConvertTerms
from rafsight.verbs.scan.inventory import keep_wanted, take_inventory

OURS_FOR_SYFT = {"deb": "deb", "python": "pypi", "npm": "npm", "apk": "apk", "rpm": "rpm", "go-module": "golang"}
"""Syft's package types that are compared by their package URLs."""

OTHERWISE = {"java-archive", "wordpress-plugin"}
"""Types that are compared by other means: see `test_syft_java`, and below."""

ONLY_OURS = {
    "node-like": {
        "pkg:npm/toposort-class": "its author is a list of names, for which Syft 1.18 passes over the package"
    },
    "wordpress-like": {
        "pkg:generic/wordpress": "Syft does not read the core",
        "pkg:wordpress-plugin/akismet": "Syft gives plugins no package URL, and their titles for names",
    },
}
"""By image, then by package URL without its version: why Syft has no such package. Syft has none that we have not."""

IMAGES = ["ubuntu-like", "wordpress-like", "go-like", "java-like"]
"""Built where they are not there yet. Of the others, which take minutes, only those that are in the cache are compared:
`make_image.py NAME .cache/images/NAME --work .cache/images/work` puts one there."""

CONVERTED = ["ubuntu-like", *(name for name in IN_CACHE if name == "tensorflow-like")]
SHARE = 0.02
"""How much of a converted image may be fetched for its packages."""

LOST_WHITEOUTS = {"pkg:npm/marked@0.3.2"}
"""In the Nydus forms of the planted image the converter lost two whiteouts (the tar of that layer does not name the
directories above them), so the kernel shows node_modules/marked there, and so do we. The original hides it."""


def bare(purl):
    """Cut the qualifiers; npm and PyPI names compare as their registries do.

    Syft 1.18 makes a subpath of the end of some module paths (`validator@v10.4.1#v10`), and leaves brackets as they are.
    """
    purl, _, subpath = unquote(purl.partition("?")[0].lower()).partition("#")
    name, _, version = purl.partition("@") if purl.startswith("pkg:golang/") else (purl, "", "")
    return f"{name}/{subpath}@{version}" if subpath else purl


def ours(reference):
    keep = keep_wanted(Analysis().wanted_patterns())
    with rafsight.open_image(reference, keep=keep) as image:
        inventory = take_inventory(image)
    assert not inventory.gaps
    return inventory, {bare(component.purl) for component in inventory.components}


def syfts(document):
    return {bare(one["purl"]) for one in document["artifacts"] if one["type"] in OURS_FOR_SYFT}


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("tag", ["oci", "v6", "v5", "v6-ref", "merged"])
def test_planted_in_every_form(planted, tmp_path, tag):
    expected = syfts(run_syft(planted, tmp_path, tag="oci"))
    inventory, found = ours(f"oci:{planted}:{tag}")
    assert found - expected == (set() if tag == "oci" else LOST_WHITEOUTS)
    assert expected <= found
    assert inventory.distribution.id == "debian"
    assert inventory.distribution.version.split(".")[0] == "12"
    truth = json.loads(planted.with_name("planted.expected.json").read_bytes())["packages"]
    planned = {(one["name"], one["version"], one["path"].encode()) for one in truth if one["visible"]}
    planned.add(("planted", "1.0.0", b"srv/app/package.json"))  # the application, which needs no advisory
    hidden = {(one["name"], one["version"], one["path"].encode()) for one in truth if not one["visible"]}
    listed = {(one.name, one.version, path) for one in inventory.components for path in one.locations}
    assert listed - planned == (set() if tag == "oci" else hidden)
    assert planned <= listed


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("name", [*IMAGES, *(name for name in IN_CACHE if name not in IMAGES)])
def test_realistic_images(realistic_image, tmp_path, name):
    layout = realistic_image(name)
    document = run_syft(layout, tmp_path)
    inventory, found = ours(f"oci:{layout}")
    expected = syfts(document)
    assert expected - found == set()
    more = {purl for purl in found - expected if not purl.startswith("pkg:maven/")}
    assert {purl.rpartition("@")[0] for purl in more} == set(ONLY_OURS.get(name, ()))
    plugins = [one["version"] for one in document["artifacts"] if one["type"] == "wordpress-plugin"]
    assert [one.version for one in inventory.components if one.ecosystem == "wordpress-plugin"] == plugins
    assert {one["type"] for one in document["artifacts"]} <= set(OURS_FOR_SYFT) | OTHERWISE
    sources = {
        one["name"]: one["metadata"].get("source") or one["name"]
        for one in document["artifacts"]
        if one["type"] == "deb"
    }
    assert {c.name: c.source_name for c in inventory.components if c.ecosystem == "deb"} == sources


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("name", CONVERTED)
def test_a_converted_image_has_the_same_components_for_few_bytes(realistic_image, tmp_path, name):
    layout = realistic_image(name)
    original, _ = ours(f"oci:{layout}")
    for version in (6, 5):
        converted = f"oci:{tmp_path / 'converted'}:v{version}"
        convert_image(f"oci:{layout}", converted, terms=ConvertTerms(fs_version=version))
        with rafsight.open_image(converted) as image:
            assert take_inventory(image) == original
            cost = image.cost
        stored = sum(path.stat().st_size for path in (tmp_path / "converted" / "blobs" / "sha256").iterdir())
        shutil.rmtree(tmp_path / "converted")
        assert cost.bytes_fetched < SHARE * stored
        assert cost.bytes_fetched <= 1.2 * cost.bytes_needed


def test_the_document_names_every_difference():
    text = (Path(__file__).parents[2] / "docs" / "compared-with-syft.md").read_text()
    names = {purl.rpartition("/")[2] for image in ONLY_OURS.values() for purl in image}
    for name in names | {"marked", "busybox", *OTHER_GROUPS, *WITHOUT_GROUP}:
        assert f"`{name}`" in text
