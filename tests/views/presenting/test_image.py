"""A plain image of a Nydus image: the layers of the views that there are, config and manifest, the same each time."""

import hashlib
import io
import json
import shutil
import tarfile

import pytest
from tests.views.slim.images import open_archive

import rafsight
from rafsight.base.errors import ImageFault
from rafsight.formats.tables import Compressor
from rafsight.testing import rafs_images
from rafsight.testing.registry import PLANTED
from rafsight.views.presenting.image import NotPresentable, present_again, present_image
from rafsight.views.presenting.recipe import recipe_for
from rafsight.views.presenting.shelf import Shelf
from rafsight.views.slim.archive import write_slim
from rafsight.views.slim.rules import rules_for

V6 = f"oci:{PLANTED}:v6"


def present(reference, folder, name="syft", **more):
    with rafsight.open_image(reference) as image:
        return present_image(image, recipe_for(name), Shelf(folder), **more)


def made(folder, files, **more):
    rafs_images.write_image(folder, files, version=6, compressor=Compressor.ZSTD, **more)
    return f"oci:{folder}"


def layers_of(shown, folder):
    return [(folder / "layers" / one.digest.removeprefix("sha256:")).read_bytes() for one in shown.layers]


@pytest.mark.parametrize("scanner", ["syft", "trivy"])
@pytest.mark.parametrize("tag", ["v6", "v5"])
def test_a_scanner_is_shown_the_layers_of_a_slim_archive(tmp_path, tag, scanner):
    reference = f"oci:{PLANTED}:{tag}"
    shown = present(reference, tmp_path, scanner)
    pieces = []
    with rafsight.open_image(reference) as image:
        write_slim(image, rules_for(scanner), pieces.append)
    assert layers_of(shown, tmp_path) == open_archive(b"".join(pieces))[2]


@pytest.mark.parametrize("name", ["syft", "full"])
def test_documents_agree_with_the_layers(tmp_path, name):
    shown = present(V6, tmp_path, name)
    manifest, config = json.loads(shown.manifest), json.loads(shown.config)
    contents = layers_of(shown, tmp_path)
    digests = ["sha256:" + hashlib.sha256(content).hexdigest() for content in contents]
    assert digests == [layer["digest"] for layer in manifest["layers"]] == config["rootfs"]["diff_ids"]
    assert [len(content) for content in contents] == [layer["size"] for layer in manifest["layers"]]
    assert {layer["mediaType"] for layer in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar"}
    assert manifest["config"]["digest"] == "sha256:" + hashlib.sha256(shown.config).hexdigest()
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert manifest["annotations"]["rafsight.presented.content"] == name
    assert manifest["annotations"]["rafsight.presented.origin"] == shown.origin
    assert not [key for key in manifest["annotations"] if "nydus" in key]
    assert shown.objects == (shown.digest, shown.config_digest, *digests)


def test_a_config_is_the_images_own_but_for_layers_and_history(tmp_path):
    with rafsight.open_image(V6) as image:
        theirs = json.loads(image.identity.config.raw)
    ours = json.loads(present(V6, tmp_path).config)
    assert "Nydus Bootstrap Layer" not in [step.get("comment") for step in ours["history"]]
    for name in ("rootfs", "history"):
        del theirs[name], ours[name]
    assert ours == theirs


@pytest.mark.parametrize("name", ["all", "full"])
def test_the_same_image_gives_the_same_bytes(tmp_path, name):
    one, two = present(V6, tmp_path / "one", name), present(V6, tmp_path / "two", name)
    assert (one.manifest, one.config, one.layers) == (two.manifest, two.config, two.layers)


def test_everything_is_the_whole_tree(tmp_path):
    files = {b"a/one": b"1" * 5000, b"a/two": b"", b"b": b"2"}
    shown = present(made(tmp_path / "image", files), tmp_path / "kept", "full")
    found = {}
    for content in layers_of(shown, tmp_path / "kept"):
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            found |= {one.name: tar.extractfile(one).read() for one in tar if one.isreg()}
    assert {name.encode(): content for name, content in found.items()} == files


def test_what_would_hide_files_in_layers_is_refused(tmp_path):
    """A container sees these files; whoever unpacks layers would not, and the package database would be gone, too."""
    files = {b"usr/lib/os-release": b"ID=x\n", b"var/lib/dpkg/status": b"Package: x\n", b"var/lib/.wh.dpkg": b""}
    reference = made(tmp_path / "image", files)
    for name in ("trivy", "full"):
        with pytest.raises(NotPresentable, match=r"/var/lib/\.wh\.dpkg"):
            present(reference, tmp_path / "kept", name)


def test_content_that_cannot_be_read_ends_the_work(tmp_path):
    layout = tmp_path / "image"
    files = {b"usr/lib/os-release": b"ID=x\n", b"var/lib/dpkg/status": bytes(range(256)) * 100}
    reference = made(layout, files)
    for blob in (layout / "blobs/sha256").iterdir():
        content = blob.read_bytes()
        if not content.startswith((b"{", b"\x1f\x8b")):
            blob.write_bytes(content[:40] + bytes(len(content) - 40))
    for name in ("trivy", "full"):
        with pytest.raises(ImageFault) as caught:
            present(reference, tmp_path / "kept", name)
        assert caught.value.__notes__ == ["while reading /var/lib/dpkg/status"]
    assert [path.name for path in (tmp_path / "kept/layers").iterdir() if path.name.startswith(".")] == []


def test_a_missing_config_is_refused(tmp_path):
    layout = tmp_path / "image"
    shutil.copytree(PLANTED, layout)
    for digest in (path for path in (layout / "blobs/sha256").iterdir() if path.stat().st_size < 5000):
        if b'"rootfs"' in digest.read_bytes():
            digest.unlink()
    with pytest.raises(NotPresentable, match="its config cannot be had"):
        present(f"oci:{layout}:v6", tmp_path / "kept")


def test_a_plain_image_is_none_of_these(tmp_path):
    with rafsight.open_image(V6) as image:
        shown = present_image(image, recipe_for("full"), Shelf(tmp_path))
    blobs = tmp_path / "plain/blobs/sha256"
    shutil.copytree(tmp_path / "layers", blobs)
    entries = []
    for content in (shown.config, shown.manifest):
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        entries = [{"mediaType": shown.media_type, "digest": f"sha256:{digest}", "size": len(content)}]
    (tmp_path / "plain/index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    (tmp_path / "plain/oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    with pytest.raises(NotPresentable, match="no Nydus image"):
        present(f"oci:{tmp_path}/plain", tmp_path / "kept")


def test_work_that_was_interrupted_goes_on(tmp_path):
    whole = present(V6, tmp_path / "one")
    told = []

    def stop():
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        present(V6, tmp_path / "two", on_layer=lambda index, layer: told.append(layer), check=stop)
    assert told == list(whole.layers[:2])
    more = []
    known = tuple(told)
    ended = present(V6, tmp_path / "two", known=known, on_layer=lambda index, layer: more.append(index))
    assert more == list(range(2, len(whole.layers)))
    assert (ended.manifest, ended.layers) == (whole.manifest, whole.layers)


def test_a_layer_that_has_gone_is_made_again_alone(tmp_path):
    shown = present(V6, tmp_path)
    gone = tmp_path / "layers" / shown.layers[1].digest.removeprefix("sha256:")
    content = gone.read_bytes()
    gone.unlink()
    others = {path: path.stat().st_ino for path in (tmp_path / "layers").iterdir()}
    with rafsight.open_image(V6) as image:
        present_again(image, recipe_for("syft"), Shelf(tmp_path), shown, check=lambda: None)
    assert gone.read_bytes() == content
    assert {path: path.stat().st_ino for path in others} == others
