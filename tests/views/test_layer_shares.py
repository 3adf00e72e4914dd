"""Which layer a file belongs to."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.verbs.convert.plain_images import nydus_of
from tests.views.slim.images import link, other_name

import rafsight
from rafsight.access.finding import Identity
from rafsight.formats.oci.classify import classify
from rafsight.formats.oci.manifest import parse_document
from rafsight.image.tree import ImageTree
from rafsight.testing.registry import PLANTED
from rafsight.testing.trees import build_image
from rafsight.views.layer_shares import NO_PLACE, blob_at, layer_digests, place_files
from rafsight.views.oci_layers import LayerTooLarge, plan_oci_layers

MANIFESTS = Path(__file__).parents[1] / "golden" / "manifests"
A, B, C = (bytes([number]) * 4096 for number in (65, 66, 67))
LAYERS = (
    {"d": None, "d/one": A + B, "d/name": other_name("d/one"), "empty": b""},
    {"two": B + C, "d/later": C + A, "again": A},
    {"three": A + bytes([68]) * 4096 + A, "link": link("two")},
)


@pytest.fixture(params=[5, 6])
def image(request, tmp_path):
    with rafsight.open_image(nydus_of(tmp_path, *LAYERS, chunk_size=4096, fs_version=request.param)) as image:
        yield image


def test_a_file_is_in_the_layer_of_the_last_blob_it_needs(image):
    tree, layers = image.tree, layer_digests(image.identity)
    places = place_files(tree, layers)
    found = {
        path.decode(): place for path, place in zip(tree.paths(), places.tolist(), strict=True) if place != NO_PLACE
    }
    assert found == {"d/one": 0, "d/name": 0, "again": 0, "two": 1, "d/later": 1, "three": 2}
    assert blob_at(tree, layers, 1) == image.identity.classified.blob_layers[1].digest


def test_blobs_that_no_layer_is_come_last(image):
    layers = layer_digests(image.identity)[1:]
    places = place_files(image.tree, layers)
    one = int(places[image.tree.lookup(b"d/one")])
    assert one >= len(layers)
    assert blob_at(image.tree, layers, one) == layer_digests(image.identity)[0]


def test_a_layer_of_an_index_is_the_original():
    content = (MANIFESTS / "v6-ociref.json").read_bytes()
    found = classify(parse_document(content))
    identity = Identity(reference="x", classified=found)
    originals = [one.original for one in found.references]
    assert len(originals) == 3
    assert layer_digests(identity) == [*originals, found.bootstrap_layer.digest]


@pytest.mark.parametrize("tag", ["v5", "v6"])
def test_every_entry_is_in_a_layer_and_no_file_in_two(tag):
    with rafsight.open_image(f"oci:{PLANTED}:{tag}") as image:
        tree = image.tree
        planned = plan_oci_layers(tree, image.identity)
        counts = np.bincount(np.concatenate([plan.rows for plan in planned.plans]), minlength=len(tree))
        is_folder = np.array([tree.is_directory(row) for row in range(len(tree))])
    assert planned.reserved == ()
    assert (counts[~is_folder] == 1).all()
    assert (counts[is_folder] >= 1).all()
    assert set(np.flatnonzero(is_folder)) <= set(planned.plans[-1].rows.tolist())


def test_a_layer_that_nobody_could_read_is_refused():
    tables = build_image({b"huge": b"x", b"small": b"y"}).tables
    size = tables.entries.size.copy()
    size[size > 0] = 1 << 50
    tree = ImageTree(replace(tables, entries=replace(tables.entries, size=size)))
    with pytest.raises(LayerTooLarge, match=str(1 << 51)):
        plan_oci_layers(tree, Identity(reference="boot:x"))
