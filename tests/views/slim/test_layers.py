"""What the layers of an archive are, and what the config says of them."""

import io
import json
import tarfile

import pytest
from tests.views.slim.images import contents_of, open_archive, other_name, program, write_image
from tests.views.slim.programs import elf

import rafsight
from rafsight.access.finding import Identity
from rafsight.formats.tables import Compressor
from rafsight.testing import rafs_images
from rafsight.testing.registry import PLANTED
from rafsight.views.slim.archive import write_slim
from rafsight.views.slim.layers import plan_layers, write_config
from rafsight.views.slim.rules import rules_for

BASE = {
    "usr": None,
    "usr/lib": None,
    "usr/lib/os-release": b"ID=debian\n",
    "usr/lib/libc.so.6": (elf([b".text"]), 0o755),
    "usr/lib/other": other_name("usr/lib/libc.so.6"),
}


def slim(reference, name="trivy"):
    pieces = []
    with rafsight.open_image(reference) as image:
        done = write_slim(image, rules_for(name), pieces.append)
    return b"".join(pieces), done


def names_in(layer):
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return tar.getnames()


def test_images_that_share_a_layer_share_its_digest(tmp_path):
    """Though one of them adds a file to the same folder, and so changes the folder."""
    _, one = slim(write_image(tmp_path / "one", BASE))
    _, two = slim(write_image(tmp_path / "two", BASE, {"usr/lib/more": b"more", "opt/app/package.json": b"{}"}))
    assert [layer.blob for layer in one.layers] == [two.layers[0].blob, ""]
    assert one.layers[0] == two.layers[0]
    assert one.layers[-1] != two.layers[-1]


def test_a_layer_of_a_blob_has_its_files_only(tmp_path):
    content, done = slim(write_image(tmp_path, BASE, {"usr/lib/os-release": b"ID=other\n", "empty": b""}))
    first, second, rest = (names_in(layer) for layer in open_archive(content)[2])
    assert first == ["usr/lib/libc.so.6", "usr/lib/other"]
    assert second == ["usr/lib/os-release"]
    assert rest == [".", "empty", "usr", "usr/lib"]
    assert len({layer.blob for layer in done.layers}) == 3


@pytest.mark.parametrize("tag", ["v6", "v5"])
def test_layers_come_in_the_order_of_the_image(tag):
    with rafsight.open_image(f"oci:{PLANTED}:{tag}") as image:
        plans = plan_layers(image.tree, image.identity).plans
        manifest = [layer.digest for layer in image.identity.classified.manifest.layers]
    assert len(plans) == {"v6": 7, "v5": 2}[tag]
    places = [manifest.index(plan.blob) for plan in plans[:-1]]
    assert places == sorted(places)
    assert sorted(row for plan in plans for row in plan.rows.tolist()) == list(range(len(image.tree)))


def test_names_that_would_hide_files_from_a_scanner_are_in_no_layer(tmp_path):
    """A hostile image has such names; containers see them as files, whoever unpacks layers would delete others."""
    files = {b"usr/lib/os-release": b"ID=x\n", b"usr/lib/.wh.os-release": b"", b"opt/.wh.x/package.json": b"{}"}
    rafs_images.write_image(tmp_path / "image", files, version=6, compressor=Compressor.ZSTD)
    content, done = slim(f"oci:{tmp_path}/image")
    assert contents_of(content) == {"usr/lib/os-release": b"ID=x\n"}
    assert not done.is_complete
    assert [lost.path for lost in done.unreadable] == [b"opt/.wh.x", b"usr/lib/.wh.os-release"]


def test_steps_keep_the_layers_that_they_made(tmp_path):
    history = [
        {"created_by": "ADD base", "created": "2026-01-01T00:00:00Z", "x-other": [1]},
        {"created_by": "ENV A=b", "empty_layer": True},
        {"created_by": "RUN rm -r /all/of/it"},
        {"created_by": "COPY app", "author": "me"},
    ]
    reference = write_image(tmp_path, BASE, {"gone": b"1"}, {"gone": b"2", "app": program(b"x")}, history=history)
    _, config, layers = open_archive(slim(reference)[0])
    assert len(layers) == len(config["rootfs"]["diff_ids"]) == 3
    assert config["history"] == [
        history[0],
        history[1],
        history[2] | {"empty_layer": True},
        history[3],
        {"created_by": "rafsight export --slim"},
    ]


@pytest.mark.parametrize("history", [[], [{"created_by": "one for two layers"}]])
def test_steps_that_fit_no_layers_made_none(tmp_path, history):
    reference = write_image(tmp_path, BASE, {"app": b"x"}, history=history)
    _, config, layers = open_archive(slim(reference)[0])
    assert config["history"][: len(history)] == [step | {"empty_layer": True} for step in history]
    assert config["history"][len(history) :] == [{"created_by": "rafsight export --slim"}] * len(layers)


def test_a_config_is_kept_but_for_layers_and_history():
    with rafsight.open_image(f"oci:{PLANTED}:v6") as image:
        theirs = json.loads(image.identity.config.raw)
    _, ours, _ = open_archive(slim(f"oci:{PLANTED}:v6")[0])
    for name in ("rootfs", "history"):
        del theirs[name], ours[name]
    assert ours == theirs


def test_a_bare_bootstrap_gets_a_small_config():
    config = json.loads(write_config(Identity(reference="boot:x"), ["sha256:x", ""], ["sha256:a", "sha256:b"]))
    assert config["os"] == "linux"
    assert config["rootfs"] == {"type": "layers", "diff_ids": ["sha256:a", "sha256:b"]}
    assert len(config["history"]) == 2


def test_a_tree_without_content_is_one_layer(tmp_path):
    _, done = slim(write_image(tmp_path, {"only": None, "empty": b""}))
    assert [layer.blob for layer in done.layers] == [""]
    assert done.kept_count == done.left_out_count == 0
