"""A Nydus image and the plain one that was made of it are the same tree, to the last attribute."""

import io
import json
import os
import shutil
import subprocess
import tarfile

import pytest
from tests.verbs.convert.plain_images import (
    UnluckyTarget,
    assert_same_image,
    document_at,
    nydus_of,
    open_plain,
    rewrite,
    stored_at,
    tags_of,
)
from tests.verbs.inspect.layouts import write_nydus, write_plain
from tests.views.export import golden
from tests.views.slim.images import link, other_name

import rafsight
from rafsight.access.layout_target import LayoutTarget
from rafsight.access.options import Options
from rafsight.access.work_folder import WorkFolderUnusable
from rafsight.base.errors import ExitStatus, ImageFault
from rafsight.base.events import Advanced, Finished, Started
from rafsight.formats.compressed_stream import decompressed
from rafsight.formats.stream_compression import NoSuchCompression, UnusableLevel
from rafsight.formats.tables import Compressor
from rafsight.reports.conversion import render_back_json, render_back_text
from rafsight.testing.rafs_images import write_image
from rafsight.testing.registry import PLANTED, serve_layout, serve_writable
from rafsight.verbs.convert.back import AlreadyPlain, ConfigMissing, NoContainerImage, convert_image_to_oci
from rafsight.verbs.convert.terms import UnsuitableTerms
from rafsight.verbs.convert.to_oci import convert_to_oci

V6 = f"oci:{PLANTED}:v6"
BASE = {"usr": None, "usr/a": b"a" * 10_000, "usr/b": other_name("usr/a"), "usr/old": b"old"}
CHANGE = {"usr/c": b"a" * 10_000 + b"c", "usr/.wh.old": b"", "l": link("usr")}
TOP = {"opt": None, "opt/d": b"d" * 5000, "opt/empty": b""}


def back(reference, folder, **more):
    return convert_to_oci(reference, f"oci:{folder}:plain", **more)


def layers_of(folder, done):
    """The names in each layer, the lowest first."""
    names = []
    for layer in done.layers:
        content = b"".join(decompressed(iter([stored_at(folder, layer.digest)]), where="layer"))
        assert len(content) == layer.tar_size
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            names.append(tar.getnames())
    return names


# the tree


@pytest.mark.parametrize("name", golden.NAMES)
def test_every_golden_image(name, tmp_path):
    """Bare bootstraps: all is one layer, and the config is a small one."""
    reference, options = golden.reference_of(name), golden.options_of(name)
    sockets = [path for path, one in golden.entries_of(name).items() if golden.is_socket(one)]
    with rafsight.open_image(reference, options=options) as theirs:
        done = convert_image_to_oci(theirs, LayoutTarget(tmp_path), tag="t", platform="linux/arm64/v8")
        with open_plain(tmp_path) as ours:
            assert_same_image(theirs, ours, left_out=sockets)
            assert ours.identity.platform == done.platform == "linux/arm64/v8"
    assert done.entry_count == len(golden.entries_of(name)) - len(sockets)
    assert sum(count for _, count in done.left_out) == len(sockets)
    assert [layer.blob for layer in done.layers] == [""]


@pytest.mark.parametrize(("tag", "compressor"), [("v6", "gzip"), ("v5", "zstd"), ("v6", "none")])
def test_a_real_image(tag, compressor, tmp_path):
    reference = f"oci:{PLANTED}:{tag}"
    done = back(reference, tmp_path, compressor=compressor)
    with rafsight.open_image(reference) as theirs, open_plain(tmp_path) as ours:
        assert_same_image(theirs, ours)
    assert done.left_out == ()
    assert (done.tag, done.target) == ("plain", f"oci:{tmp_path}")


@pytest.mark.parametrize("version", [5, 6])
def test_layers_are_those_of_the_source(version, tmp_path):
    """A file is in the layer of the last blob that it has a piece of, its other names beside it, its folders above."""
    reference = nydus_of(tmp_path, BASE, CHANGE, TOP, chunk_size=4096, fs_version=version)
    done = back(reference, tmp_path / "plain")
    assert layers_of(tmp_path / "plain", done) == [
        [".", "usr", "usr/a", "usr/b"],
        [".", "usr", "usr/c"],
        [".", "l", "opt", "opt/d", "opt/empty", "usr"],
    ]
    with rafsight.open_image(reference) as theirs, open_plain(tmp_path / "plain") as ours:
        assert_same_image(theirs, ours)
        assert [layer.blob for layer in done.layers] == [
            layer.digest for layer in theirs.identity.classified.blob_layers
        ]
    assert done.entry_count == 9


def test_all_versions_of_an_image_become_the_same(tmp_path):
    digests = set()
    for number, terms in enumerate([{"fs_version": 5}, {"fs_version": 6, "compressor": "none"}, {"chunk_size": 8192}]):
        reference = nydus_of(tmp_path / str(number), BASE, CHANGE, TOP, **terms)
        digests.add(back(reference, tmp_path / str(number) / "plain").digest)
    assert len(digests) == 1


def test_an_index_of_tar_layers(tmp_path):
    """Its layers are called by the originals, in which the chunks lie."""
    data = golden.GOLDEN / "targz-ref"
    with rafsight.open_image(golden.reference_of("targz-ref"), options=golden.options_of("targz-ref")) as theirs:
        (blob,) = theirs.tree.tables.blobs
        index = (data / blob.meta_id).read_bytes()
        original = "sha256:" + blob.data_id
        layer = (f"sha256:{blob.meta_id}", len(index), {"containerd.io/snapshot/nydus-ref": original})
        folder = tmp_path / "nydus"
        reference = write_nydus(folder, (data / "image.boot").read_bytes(), [layer], history=[{}, {}])
        for name in (blob.data_id, blob.meta_id):
            shutil.copy(data / name, folder / "blobs/sha256" / name)
        done = back(reference, tmp_path / "plain")
        with open_plain(tmp_path / "plain") as ours:
            assert_same_image(theirs, ours)
    assert [layer.blob for layer in done.layers] == [original]
    assert document_at(tmp_path / "plain", done.config_digest)["history"] == [{}]


def test_names_that_would_delete_something_are_left_out(tmp_path):
    files = {b"d/.wh.x": b"1", b".wh.e/f": b"2", b"d/x": b"3", b".w": b"4"}
    write_image(tmp_path / "nydus", files, version=6, compressor=Compressor.NONE)
    done = back(f"oci:{tmp_path}/nydus", tmp_path / "plain")
    assert layers_of(tmp_path / "plain", done) == [[".", ".w", "d", "d/x"]]
    assert done.left_out == (("names that layers keep for deletions", 3),)


def test_folders_that_overlayfs_would_misread_make_one_layer(tmp_path):
    """One that hides, as a layer of its own, what layers below have there."""
    reference = nydus_of(tmp_path, BASE, {"usr": None}, TOP, xattrs={"usr": {"user.overlay.opaque": "y"}})
    done = back(reference, tmp_path / "plain")
    with rafsight.open_image(reference) as theirs:
        assert [one.name for one in theirs.tree.xattrs(theirs.tree.lookup(b"usr"))] == [b"user.overlay.opaque"]
        with open_plain(tmp_path / "plain") as ours:
            assert_same_image(theirs, ours)
    assert [layer.blob for layer in done.layers] == [theirs.identity.classified.blob_layers[-1].digest]


# the bytes


def test_the_same_image_gives_the_same_bytes(tmp_path):
    one, two = (back(V6, tmp_path / name) for name in ("one", "two"))
    assert one.digest == two.digest
    other = back(V6, tmp_path / "three", level=1)
    assert [layer.diff_id for layer in other.layers] == [layer.diff_id for layer in one.layers]
    assert other.digest != one.digest
    names = {path.name: path.read_bytes() for path in (tmp_path / "one/blobs/sha256").iterdir()}
    assert names == {path.name: path.read_bytes() for path in (tmp_path / "two/blobs/sha256").iterdir()}


def test_a_second_conversion_sends_nothing(tmp_path):
    back(V6, tmp_path)
    done = back(V6, tmp_path)
    assert {layer.how for layer in done.layers} == {"present"}
    assert done.bytes_sent == 0


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
@pytest.mark.parametrize("compressor", ["gzip", "none"])
def test_skopeo_copies_it(compressor, tmp_path):
    """Into an archive: it decompresses the layers, and compares them with the config."""
    done = back(V6, tmp_path / "plain", compressor=compressor)
    command = ["skopeo", "copy", "--quiet", f"oci:{tmp_path}/plain:plain", f"docker-archive:{tmp_path}/copy.tar"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with tarfile.open(tmp_path / "copy.tar") as tar:
        (manifest,) = json.load(tar.extractfile("manifest.json"))
    assert [name.removesuffix(".tar") for name in manifest["Layers"]] == [
        layer.diff_id.removeprefix("sha256:") for layer in done.layers
    ]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files away")
def test_tar_unpacks_the_layers_to_the_tree(tmp_path):
    """One over the other, as container engines do; folders end with the times of the image."""
    done = back(V6, tmp_path / "plain")
    folder = tmp_path / "unpacked"
    folder.mkdir()
    for layer in done.layers:
        file = tmp_path / "plain/blobs/sha256" / layer.digest.partition(":")[2]
        subprocess.run(["tar", "-xpzf", file, "--numeric-owner", "-C", folder], check=True, timeout=60)
    with rafsight.open_image(V6) as image:
        tree = image.tree
        paths = tree.paths()
        inodes = {}
        for row, path in enumerate(paths):
            found, wanted = os.lstat(os.fsencode(folder) + b"/" + path), tree.attributes(row)
            assert (found.st_mode, found.st_uid, found.st_gid) == (wanted.mode, wanted.uid, wanted.gid), path
            assert found.st_mtime_ns == wanted.mtime * 10**9 + wanted.mtime_nsec, path
            if tree.is_file(row):
                assert found.st_size == wanted.size
                assert inodes.setdefault(int(tree.entries.link_row[row]), found.st_ino) == found.st_ino
    assert sum(len(names) + len(files) for _, names, files in os.walk(folder)) == len(paths) - 1


# config and manifest


def test_a_config_keeps_all_but_the_bootstrap(tmp_path):
    done = back(V6, tmp_path)
    with rafsight.open_image(V6) as image:
        theirs = json.loads(image.identity.config.raw)
    ours = document_at(tmp_path, done.config_digest)
    *steps, bootstrap = theirs.pop("history")
    assert bootstrap["comment"] == "Nydus Bootstrap Layer"
    assert ours.pop("history") == steps
    assert ours.pop("rootfs") == {"type": "layers", "diff_ids": [layer.diff_id for layer in done.layers]}
    del theirs["rootfs"]
    assert ours == theirs


def test_steps_whose_layers_left_no_file_made_none(tmp_path):
    history = [{"created_by": f"step {number}", "x": number} for number in range(4)]
    folders = {"only": None}
    done = back(nydus_of(tmp_path, BASE, folders, CHANGE, TOP, history=history), tmp_path / "plain")
    ours = document_at(tmp_path / "plain", done.config_digest)
    assert len(done.layers) == 3
    assert ours["history"] == [history[0], history[1] | {"empty_layer": True}, history[2], history[3]]


def test_the_top_layer_is_that_of_the_last_step(tmp_path):
    """Even if the step brought no file: what is in no blob is there."""
    history = [{"created_by": "files"}, {"created_by": "folders"}]
    done = back(nydus_of(tmp_path, BASE, {"only": None}, history=history), tmp_path / "plain")
    assert document_at(tmp_path / "plain", done.config_digest)["history"] == history
    assert layers_of(tmp_path / "plain", done) == [[".", "usr", "usr/a", "usr/b", "usr/old"], [".", "only", "usr"]]


def test_a_history_that_fits_no_layers_is_marked(tmp_path):
    done = back(nydus_of(tmp_path, BASE, TOP, history=[{"created_by": "one for two"}]), tmp_path / "plain")
    assert document_at(tmp_path / "plain", done.config_digest)["history"] == [
        {"created_by": "one for two", "empty_layer": True},
        {"created_by": "rafsight convert --to-oci"},
        {"created_by": "rafsight convert --to-oci"},
    ]


def test_a_history_with_as_many_layers_is_kept(tmp_path):
    """Though it cannot be told which step made which: a committed image has no step for its bootstrap."""
    history = [{"created_by": "one"}, {"created_by": "two"}]
    reference = nydus_of(tmp_path, BASE, TOP, history=history)
    rewrite(tmp_path / "nydus", lambda manifest, config: config["history"].pop())
    done = back(reference, tmp_path / "plain")
    assert document_at(tmp_path / "plain", done.config_digest)["history"] == history


def test_a_manifest_says_nothing_of_nydus(tmp_path):
    def change(manifest, config):
        manifest["annotations"] |= {"org.example": "kept", "containerd.io/snapshot/nydus-builder-version": "v2"}
        manifest["subject"] = {k: v for k, v in manifest["config"].items() if k != "annotations"}
        manifest["config"]["mediaType"] = "application/vnd.nydus.image.config.v1+json"

    reference = nydus_of(tmp_path, BASE, TOP)
    rewrite(tmp_path / "nydus", change)
    done = back(reference, tmp_path / "plain")
    manifest = document_at(tmp_path / "plain", done.digest)
    assert manifest["annotations"] == {"org.example": "kept"}
    assert set(manifest) == {"schemaVersion", "mediaType", "config", "layers", "annotations"}
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert [set(layer) for layer in manifest["layers"]] == [{"mediaType", "digest", "size"}] * 2


@pytest.mark.parametrize(
    ("terms", "family", "layer"),
    [
        ({}, "docker.distribution.manifest.v2", "docker.image.rootfs.diff.tar.gzip"),
        ({"compressor": "none"}, "docker.distribution.manifest.v2", "docker.image.rootfs.diff.tar"),
        ({"compressor": "zstd"}, "oci.image.manifest.v1", "oci.image.layer.v1.tar+zstd"),
        ({"oci": True}, "oci.image.manifest.v1", "oci.image.layer.v1.tar+gzip"),
    ],
)
def test_media_types_are_of_the_family_of_the_image(terms, family, layer, tmp_path):
    def change(manifest, config):
        manifest["mediaType"] = "application/vnd.docker.distribution.manifest.v2+json"
        manifest["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"

    reference = nydus_of(tmp_path, BASE)
    rewrite(tmp_path / "nydus", change)
    done = back(reference, tmp_path / "plain", **terms)
    assert done.media_type == f"application/vnd.{family}+json"
    manifest = document_at(tmp_path / "plain", done.digest)
    assert manifest["layers"][0]["mediaType"] == f"application/vnd.{layer}"
    config = "docker.container.image.v1" if "docker" in family else "oci.image.config.v1"
    assert manifest["config"]["mediaType"] == f"application/vnd.{config}+json"


# registries


def test_from_a_registry_to_a_registry(tmp_path):
    with serve_layout(PLANTED) as theirs, serve_writable(tmp_path) as ours:
        source, target = theirs.reference("v6"), ours.reference("plain")
        done = convert_to_oci(source, target)
        with rafsight.open_image(source) as one, rafsight.open_image(target) as two:
            assert len(one.tree) == len(two.tree)
            assert two.identity.classified.manifest.digest == done.digest
        puts = [served.call.path.partition("?")[0] for served in ours.log if served.call.method == "PUT"]
    assert puts[-1].endswith("/manifests/plain")
    assert done.bytes_sent > sum(layer.size for layer in done.layers)


def test_the_nydus_half_of_an_index(tmp_path):
    reference = nydus_of(tmp_path, BASE, TOP, merge_platform=True)
    done = back(reference, tmp_path / "plain", options=Options(platform="linux/amd64"))
    with open_plain(tmp_path / "plain") as ours:
        assert ours.tree.find(b"opt/d") is not None
    assert done.platform == "linux/amd64"


# what cannot be


def test_what_is_plain_is_refused_before_it_is_read(tmp_path):
    write_plain(tmp_path / "source", {"big": bytes(100_000)})
    rewrite(tmp_path / "source", lambda manifest, config: None, tag="t")
    with serve_layout(tmp_path / "source") as registry:
        with pytest.raises(AlreadyPlain, match="plain OCI image") as caught:
            back(registry.reference("t"), tmp_path / "plain")
        assert not any("/blobs/" in served.call.path for served in registry.log)
    assert caught.value.exit_status == ExitStatus.NOT_AN_IMAGE
    assert not (tmp_path / "plain").exists()


def test_a_model_is_refused(tmp_path):
    def change(manifest, config):
        manifest["artifactType"] = "application/vnd.cnai.model.manifest.v1+json"

    reference = nydus_of(tmp_path, BASE)
    rewrite(tmp_path / "nydus", change)
    with pytest.raises(NoContainerImage):
        back(reference, tmp_path / "plain")


def test_an_image_without_its_config_is_refused(tmp_path):
    reference = nydus_of(tmp_path, BASE)
    index = json.loads((tmp_path / "nydus/index.json").read_text())
    manifest = document_at(tmp_path / "nydus", index["manifests"][0]["digest"])
    (tmp_path / "nydus/blobs/sha256" / manifest["config"]["digest"].partition(":")[2]).unlink()
    with pytest.raises(ConfigMissing):
        back(reference, tmp_path / "plain")
    assert not (tmp_path / "plain").exists()


def test_bad_wishes_are_refused_first(tmp_path):
    with pytest.raises(NoSuchCompression):
        back("oci:nowhere", tmp_path, compressor="lz4")
    for compressor, level in (("gzip", 10), ("zstd", 20), ("none", 1)):
        with pytest.raises(UnusableLevel):
            back("oci:nowhere", tmp_path, compressor=compressor, level=level)
    with pytest.raises(UnsuitableTerms):
        convert_to_oci("oci:here:t", "oci:here:t")


def test_a_work_folder_that_is_none(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WorkFolderUnusable):
        back(V6, tmp_path / "plain", work_dir=tmp_path / "file")


def test_a_file_that_cannot_be_read_ends_it(tmp_path):
    """The message names the file; nothing has the tag."""
    reference = nydus_of(tmp_path, BASE, TOP, compressor="none")
    with rafsight.open_image(reference) as image:
        tables = image.tree.tables
        chunk = tables.extents.chunk[image.tree.extent_rows(image.tree.lookup(b"opt/d")).start]
        blob = tmp_path / "nydus/blobs/sha256" / tables.blobs[tables.chunks.blob_index[chunk]].blob_id
        content = bytearray(blob.read_bytes())
        content[int(tables.chunks.compressed_offset[chunk])] ^= 1
    blob.write_bytes(content)
    with pytest.raises(ImageFault) as caught:
        back(reference, tmp_path / "plain", work_dir=tmp_path / "work")
    assert caught.value.__notes__ == ["while reading /opt/d"]
    assert tags_of(tmp_path / "plain") == []
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("breaks_at", [0, 1, 2])
def test_a_target_that_breaks_down(breaks_at, tmp_path):
    """At a layer while the next one is made, at the last one, at the config."""
    target = UnluckyTarget(tmp_path / "plain", breaks_at=breaks_at)
    reference = nydus_of(tmp_path, BASE, TOP)
    with rafsight.open_image(reference) as image, pytest.raises(OSError, match="no room for more"):
        convert_image_to_oci(image, target, tag="t", work_dir=tmp_path / "work")
    assert len(target.pushed) == breaks_at + 1
    assert tags_of(tmp_path / "plain") == []
    assert list((tmp_path / "work").iterdir()) == []


def test_an_interruption_leaves_nothing(tmp_path):
    def listener(event):
        if isinstance(event, Advanced) and event.operation.startswith("layers of"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back(V6, tmp_path / "plain", work_dir=tmp_path / "work", listener=listener)
    assert tags_of(tmp_path / "plain") == []
    assert list((tmp_path / "work").iterdir()) == []


# what is told


def test_progress_is_told(tmp_path):
    events = []
    done = back(V6, tmp_path, listener=events.append)
    (written,) = [one for one in events if isinstance(one, Started) and one.operation.startswith("layers of")]
    moved = sum(one.amount for one in events if isinstance(one, Advanced) and one.operation == written.operation)
    assert written.total == moved == done.content_size
    sent = [one for one in events if isinstance(one, Started) and one.operation.startswith("sending")]
    assert [one.total for one in sent] == [layer.size for layer in done.layers]
    assert sum(isinstance(one, Finished) for one in events) == len(sent) + 1


def test_a_report_for_people_and_one_for_programs(tmp_path):
    done = back(nydus_of(tmp_path, BASE, TOP), tmp_path / "plain")
    document = json.loads(render_back_json(done))
    assert document["digest"] == done.digest
    assert [layer["diff_id"] for layer in document["layers"]] == [layer.diff_id for layer in done.layers]
    lines = dict(line.split(maxsplit=1) for line in render_back_text(done).splitlines())
    assert lines["Digest"] == done.digest
    assert lines["Layers"].startswith("2, ")
    assert lines["Tree"].startswith("8 entries")
