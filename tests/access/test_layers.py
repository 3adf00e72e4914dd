"""Plain OCI layers: one pass for the tree, kept content for nothing, other content by a second pass."""

import gzip
import hashlib
import io
import json
import tarfile

import pytest

import rafsight
from rafsight.base.errors import ImageFault
from rafsight.image.plan import FileRange

BIG = b"0123456789abcdef" * 40_000


def tar_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def write(layout, content):
    digest = hashlib.sha256(content).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


@pytest.fixture
def layout(tmp_path):
    """Two layers; the upper one hides a file and replaces another."""
    (tmp_path / "blobs/sha256").mkdir(parents=True)
    tars = [
        tar_of({"etc/a": b"lower a", "etc/b": b"lower b", "big": BIG, "etc/c": b"c"}),
        tar_of({"etc/a": b"upper a", "etc/.wh.b": b""}),
    ]
    stored = [write(tmp_path, gzip.compress(tar, mtime=0)) for tar in tars]
    diff_ids = ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json"}
        | write(tmp_path, json.dumps(config).encode()),
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"} | one for one in stored],
    }
    entry = {"mediaType": manifest["mediaType"]} | write(tmp_path, json.dumps(manifest).encode())
    (tmp_path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return tmp_path


def read(image, *paths):
    wanted = [FileRange(row=image.tree.lookup(path)) for path in paths]
    contents = {content.index: content for content in image.read(wanted)}
    return [contents[index] for index in range(len(wanted))]


def test_kept_content_costs_no_second_pass(layout):
    with rafsight.open_image(f"oci:{layout}", keep=lambda path, size: path.startswith(b"etc/")) as image:
        assert [image.tree.path(row) for row in image.tree.walk()] == [b"", b"big", b"etc", b"etc/a", b"etc/c"]
        before = image.cost
        assert [c.content for c in read(image, b"etc/a", b"etc/c")] == [b"upper a", b"c"]
        assert image.cost == before
        assert read(image, b"big")[0].content == BIG
        assert image.cost.requests > before.requests


def test_nothing_kept_is_read_by_a_pass(layout):
    with rafsight.open_image(f"oci:{layout}") as image:
        assert [c.content for c in read(image, b"big", b"etc/c", b"etc/a")] == [BIG, b"c", b"upper a"]
        assert b"".join(image.read_file(image.tree.lookup(b"big"))) == BIG


def test_content_of_other_files_is_read_though_some_was_kept(layout):
    with rafsight.open_image(f"oci:{layout}", keep=lambda path, size: size > 1000) as image:
        assert read(image, b"etc/c")[0].content == b"c"


def test_a_layer_that_changed_is_refused(layout):
    with rafsight.open_image(f"oci:{layout}") as image:
        manifest = image.identity.classified.manifest
        path = layout / "blobs" / manifest.layers[0].digest.replace(":", "/")
        changed = tar_of({"etc/a": b"lower a", "etc/b": b"lower b", "big": b"x" * len(BIG), "etc/c": b"c"})
        path.write_bytes(gzip.compress(changed, mtime=0))
        assert isinstance(read(image, b"big")[0].error, ImageFault)
    with pytest.raises(ImageFault), rafsight.open_image(f"oci:{layout}"):
        pass


def test_progress_is_told(layout):
    events = []
    with rafsight.open_image(f"oci:{layout}", listener=events.append):
        pass
    names = [type(event).__name__ for event in events]
    assert names[0] == "Started"
    assert names[-1] == "Finished"
    assert sum(event.amount for event in events[1:-1]) == events[0].total
