"""Plain OCI layers: one pass for the tree, kept content for nothing, other content by a second pass."""

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tracemalloc

import pytest

import rafsight
from rafsight.access.backend import DigestMismatch
from rafsight.access.session import READ_AHEAD
from rafsight.base.errors import ImageFault
from rafsight.base.units import MiB
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


def write_image(folder, *tars):
    (folder / "blobs/sha256").mkdir(parents=True)
    stored = [write(folder, gzip.compress(tar, 1, mtime=0)) for tar in tars]
    diff_ids = ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json"}
        | write(folder, json.dumps(config).encode()),
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"} | one for one in stored],
    }
    entry = {"mediaType": manifest["mediaType"]} | write(folder, json.dumps(manifest).encode())
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def one_layer(folder, files):
    return write_image(folder, tar_of(files))


@pytest.fixture
def layout(tmp_path):
    """Two layers; the upper one hides a file and replaces another."""
    return write_image(
        tmp_path,
        tar_of({"etc/a": b"lower a", "etc/b": b"lower b", "big": BIG, "etc/c": b"c"}),
        tar_of({"etc/a": b"upper a", "etc/.wh.b": b""}),
    )


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


def test_a_large_file_is_read_by_one_pass_over_its_layer(tmp_path):
    content = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(1 << 20))
    layout = one_layer(tmp_path, {"first": b"1", "large": content, "last": b"2"})
    with rafsight.open_image(f"oci:{layout}") as image:
        before = image.cost.requests
        row = image.tree.lookup(b"large")
        taken = hashlib.sha256()
        for piece in image.read_file(row):
            assert len(piece) <= READ_AHEAD
            taken.update(piece)
        part = next(iter(image.read([FileRange(row=row, offset=1000, size=10)])))
        assert image.cost.requests - before == 1
        assert read(image, b"last", b"first", b"large")[0].content == b"2"
    assert taken.digest() == hashlib.sha256(content).digest()
    assert part.content == content[1000:1010]


def test_what_a_pass_brings_is_not_held_in_memory(tmp_path):
    layout = one_layer(tmp_path, {"large": bytes(200 * MiB)})
    with rafsight.open_image(f"oci:{layout}") as image:
        pieces = image.read_file(image.tree.lookup(b"large"))
        tracemalloc.start()
        try:
            assert sum(len(piece) for piece in pieces) == 200 * MiB
            assert tracemalloc.get_traced_memory()[1] < 4 * READ_AHEAD
        finally:
            tracemalloc.stop()


def test_a_layer_that_goes_on_after_its_size_is_refused(layout):
    with rafsight.open_image(f"oci:{layout}") as image:
        layer = image.identity.classified.manifest.layers[0]
    path = layout / "blobs" / layer.digest.replace(":", "/")
    path.write_bytes(path.read_bytes() + bytes(4 * MiB))
    with pytest.raises(DigestMismatch, match=f"{layer.size} bytes"), rafsight.open_image(f"oci:{layout}"):
        pass


def test_no_room_for_a_pass_is_the_fault_of_this_machine(layout):
    code = f"""
import resource, rafsight
with rafsight.open_image("oci:{layout}") as image:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        list(image.read_file(image.tree.lookup(b"big")))
    except rafsight.HostLimit as error:
        print(error.code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "no-temporary-space\n", done.stderr
